"""The leaf of a door, as a table: what its contact means.

Theory of operation. Before its first word a door is `unknown`, and whatever it says then accuses nobody. An opening is
`enter` when somebody was let in, asked to leave or the door is free; else it is `break`, and the door is `forced` until
it is closed. A door that was found open (by what the broker kept) is `open`: nobody saw it being opened. An open door
is warned of, then `held`; another grant meanwhile begins the time anew. Forced and held end with the closing.
"""

from __future__ import annotations

LEAF: dict[str, dict[str, str]] = {
    "unknown": {"enter": "open", "break": "open", "found": "open", "close": "closed"},
    "closed": {"enter": "open", "break": "forced", "found": "open"},
    "open": {"close": "closed", "warn": "warned", "hold": "held", "extend": "open"},
    "warned": {"close": "closed", "hold": "held", "extend": "open"},
    "held": {"close": "closed"},
    "forced": {"close": "closed"},
}
LEAF_EVENTS = ("enter", "break", "found", "close", "warn", "hold", "extend")
