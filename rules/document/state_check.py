"""Which states things of a site can be in, and which readings they take."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document import nearest
from rules.document.condition import Reading
from rules.document.places import Path
from rules.document.site_words import Words
from rules.document.tells import STATES, Mistake, known

ZONE_STATES = (
    "normal", "active", "short", "open", "unknown", "bypassed", "isolated", "alarmed", "tampered", "troubled",
)  # fmt: skip
DOOR_STATES = ("open", "closed", "unknown", "locked", "unlocked", "forced", "held")
_READINGS = ("temperature", "humidity", "battery")


def check_state(path: Path, field: str, name: str, state: str, words: Words) -> Iterator[Mistake]:
    """A mistake unless there is such a device, zone, partition or door, and it can be in that state."""
    yield from known((*path, field), name, words.names[field], field)
    if name not in words.names[field]:
        return
    possible = _states(field, name, words)
    if state not in possible:
        allowed = f"it is {', '.join(possible)}" if possible else "it has no state, only readings"
        hint = nearest(state, possible)
        yield (*path, "is"), f"{name} is never {state}: {allowed}{hint}"


def _states(field: str, name: str, words: Words) -> list[str]:
    """The words for what this one can be."""
    if field == "zone":
        return [*ZONE_STATES]
    if field == "door":
        return [*DOOR_STATES]
    if field == "partition":
        return ["disarmed", "armed", *words.modes[name]]
    return sorted(STATES.get(words.types[name], ()))


def check_reading(path: Path, reading: Reading, words: Words) -> Iterator[Mistake]:
    """A mistake unless the device takes such readings."""
    yield from known((*path, "device"), reading.device, words.types, "device")
    kind = words.types.get(reading.device)
    if kind is None:
        return
    if reading.of is None and kind not in _READINGS:
        yield (
            (*path, "device"),
            f"{reading.device} is a {kind}; its only reading is its battery (of: battery)",
        )
    elif reading.of is not None and reading.of not in _READINGS:
        hint = nearest(reading.of, list(_READINGS))
        yield (*path, "of"), f"{reading.of!r} is not one of {', '.join(_READINGS)}{hint}"
    elif reading.of not in (None, "battery", kind):
        yield (*path, "of"), f"{reading.device} is a {kind} and never tells its {reading.of}"
