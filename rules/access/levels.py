"""Access levels 1 to 4: what each may do. 1 passes doors; 2 is a user who sets and unsets; 3 an installer; 4 the
manufacturer."""

from __future__ import annotations

from rules.document.access import Person

_HOLDER = frozenset({"pass"})
_USER = _HOLDER | {
    "arm", "disarm", "silence", "clear", "bypass", "unbypass", "unlock", "lock", "lockdown", "threat", "muster",
    "hold",
}  # fmt: skip
_INSTALLER = _USER | {"isolate", "unisolate", "test", "forgive", "configure", "release"}
LEVELS: dict[int, frozenset[str]] = {1: _HOLDER, 2: _USER, 3: _INSTALLER, 4: _INSTALLER | {"update"}}
ACTS = LEVELS[4]


def may(person: Person, act: str, partition: str | None = None) -> bool:
    """Whether this person may do this; in this partition, if one is named."""
    theirs = partition is None or person.partitions is None or partition in person.partitions
    return theirs and act in LEVELS[person.level]
