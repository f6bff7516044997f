"""What things of a site can say and be: which kinds a device of a type tells, which states there are."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from rules.document import nearest
from rules.document.places import Path

Mistake = tuple[Path, str]
OUTPUTS = ("siren", "output", "lock")
# What a device of each type tells, beside what any device may tell.
TELLS = {
    "contact": {"contact.opened", "contact.closed"},
    "motion": {"motion.started", "motion.ended"},
    "glass": {"glass.broken", "glass.cleared"},
    "smoke": {"smoke.detected", "smoke.cleared"},
    "heat": {"heat.detected", "heat.cleared"},
    "co": {"co.detected", "co.cleared"},
    "water": {"water.detected", "water.cleared"},
    "button": {"button.pressed", "button.released"},
    "input": {"input.reported"},
    "keypad": {"code.entered", "key.pressed"},
    "reader": {"card.read", "code.entered"},
    "siren": {"output.reported"},
    "output": {"output.reported"},
    "lock": {"output.reported"},
    "temperature": {"reading.temperature"},
    "humidity": {"reading.humidity"},
    "camera": {"camera.lost", "camera.restored", "motion.started", "motion.ended"},
}
ANY_TELLS = {
    "device.lost", "device.restored", "tamper.opened", "tamper.closed", "battery.low", "battery.restored",
    "mains.lost", "mains.restored", "reading.battery",
}  # fmt: skip
_ON_OFF = {"on", "off", "unknown"}
STATES = {
    "contact": {"open", "closed", "unknown"},
    "input": {"normal", "active", "short", "open", "unknown"},
    **dict.fromkeys(
        ("motion", "glass", "smoke", "heat", "co", "water", "button", "siren", "output", "lock", "camera"), _ON_OFF
    ),
}


def twice(collection: str, words: Iterable[str]) -> Iterator[Mistake]:
    """Ids of a list that two of its things claim."""
    seen: set[str] = set()
    for n, word in enumerate(words):
        if word in seen:
            yield (collection, n, "id"), f"{word!r} is used by two {collection}"
        seen.add(word)


def known(path: Path, word: str, words: Collection[str], what: str) -> Iterator[Mistake]:
    """A mistake unless the word is one of those; `what` is what it should name."""
    if word not in words:
        listed = sorted(words)
        shown = ", ".join(listed[:20]) + (f" and {len(listed) - 20} more" if len(listed) > 20 else "")
        hint = nearest(word, listed) or f"; known: {shown or 'none'}"
        yield path, f"{word!r} is no {what} of this site{hint}"
