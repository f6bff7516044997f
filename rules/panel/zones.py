"""Zone types: what an active input means, by the state its partition is in.

Theory of operation. A zone that becomes active gets one answer from `RESPONSES`, by its type and the arm state of its
partition; a zone that does not count in the armed mode is answered as when disarmed.

    rest    nothing, but a line in the trace
    pass    somebody is on the way out: nothing, but a line in the trace
    leave   the way out itself: counted for exit restart, exit error and auto-stay
    enter   somebody comes in: the entry delay begins
    join    somebody who came in goes on along the way in: written down, rings with the entry when nobody disarms
    alarm   an alarm at once
    switch  arm or disarm
"""

from __future__ import annotations

RESPONSES: dict[str, dict[str, str]] = {
    "entry_exit": {"disarmed": "rest", "exiting": "leave", "armed": "enter", "entering": "join"},
    "follower": {"disarmed": "rest", "exiting": "pass", "armed": "alarm", "entering": "join"},
    "perimeter": {"disarmed": "rest", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "interior": {"disarmed": "rest", "exiting": "pass", "armed": "alarm", "entering": "alarm"},
    "24h": {"disarmed": "alarm", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "hold_up": {"disarmed": "alarm", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "fire": {"disarmed": "alarm", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "co": {"disarmed": "alarm", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "water": {"disarmed": "alarm", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "tamper": {"disarmed": "alarm", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "technical": {"disarmed": "alarm", "exiting": "alarm", "armed": "alarm", "entering": "alarm"},
    "key_switch": {"disarmed": "switch", "exiting": "switch", "armed": "switch", "entering": "switch"},
}

# What kind of alarm each type raises; all others are burglary.
_KINDS = {"hold_up": "hold_up", "fire": "fire", "co": "co", "water": "water", "tamper": "tamper"}
_KINDS["technical"] = "technical"
# Never held back while inputs settle, never shut down: a minute later may be too late.
NEVER_WAIT = frozenset({"hold_up", "fire", "co"})
# These react whether the partition is armed or not.
EVERY_STATE = frozenset({"24h", "hold_up", "fire", "co", "water", "tamper", "technical"})
# The lines of these carry no burglar: a broken one is trouble, not tamper.
LINE_IS_TROUBLE = frozenset({"fire", "co", "water", "technical"})

SEVERITY = {
    "burglary": "high",
    "hold_up": "critical",
    "fire": "critical",
    "co": "critical",
    "duress": "critical",
    "water": "medium",
    "technical": "medium",
    "trouble": "low",
}
WORDS = {
    "burglary": "Burglary",
    "hold_up": "Hold-up",
    "fire": "Fire",
    "co": "Carbon monoxide",
    "water": "Water",
    "tamper": "Tamper",
    "trouble": "Trouble",
    "technical": "Technical alarm",
    "duress": "Duress",
}


def kind_of(zone_type: str) -> str:
    """The kind of alarm a zone of this type raises."""
    return _KINDS.get(zone_type, "burglary")
