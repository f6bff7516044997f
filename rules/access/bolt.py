"""The lock of a door, as a table.

Theory of operation. `locked` is how a door stands: an opening now is forced. A grant lets the lock go for a time
(`released`); the opening uses it up, either at once (relock on open) or until the leaf is closed again (`used`, relock
on close). A request to exit at a door that has a handle inside only makes the opening expected (`shunted`), and so does
a grant whose unlocking was withheld because the message may be a repeat. `free` is a door that stands unlocked until
told otherwise: by its schedule, by the first one in, by order.

A start of the gateway ends `released` without ending who may be passing: the lock is not let go again, but whoever was
let in a moment ago forces nothing.
"""

from __future__ import annotations

BOLT: dict[str, dict[str, str]] = {
    "locked": {"grant": "released", "exit": "shunted", "free": "free"},
    "shunted": {
        "grant": "released",
        "exit": "shunted",
        "free": "free",
        "spend": "locked",
        "use": "locked",
        "lapse": "locked",
        "secure": "locked",
    },
    "released": {
        "grant": "released",
        "exit": "released",
        "free": "free",
        "spend": "locked",
        "use": "used",
        "lapse": "locked",
        "secure": "locked",
        "boot": "shunted",
    },
    "used": {
        "grant": "released",
        "exit": "used",
        "free": "free",
        "close": "locked",
        "secure": "locked",
        "boot": "locked",
    },
    "free": {"secure": "locked"},
}
BOLT_EVENTS = ("grant", "exit", "free", "spend", "use", "close", "lapse", "secure", "boot")
# States in which the lock itself is let go.
LET_GO = frozenset({"released", "used", "free"})
