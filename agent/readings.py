"""Readings on their way into one packed row, and out of it again."""

from __future__ import annotations

from collections.abc import Iterator

from rules import ids
from rules.events import EVENTS, Reading, ReadingsPacked

MAX_WAIT = 5_000_000  # µs: what a crash may cost
MAX_HELD = 500
_TOLERANCE = 1_000_000  # µs the wall clock may have moved against gateway time within one row


class Readings:
    """Numeric readings wait here for at most five seconds, or until anything else is committed. When 500 wait they are
    written at once. They were acknowledged on receipt: this is the one declared loss window."""

    def __init__(self) -> None:
        self._held: list[Reading] = []
        self._id = ""

    def __len__(self) -> int:
        return len(self._held)

    def fits(self, reading: Reading) -> bool:
        """Whether the row that waits can tell this reading's times too; if not, write that row first."""
        if not self._held:
            return True
        first = self._held[0]
        moved = (reading.wall - first.wall) - (reading.gt - first.gt)
        return reading.clock == first.clock and abs(moved) <= _TOLERANCE

    def hold(self, reading: Reading) -> Reading:
        """Keep one more. Gives the reading as a replay of the row will see it: that is what must be decided upon."""
        if not self._held:
            self._id = ids.derived(reading.id, "packed")
        first = self._held[0] if self._held else reading
        seen = _reading(
            packed=self._id, number=len(self._held), first=first, kind=reading.kind, device=reading.device,
            value=reading.value, after=reading.gt - first.gt,
        )  # fmt: skip
        self._held.append(seen)
        return seen

    @property
    def due(self) -> int | None:
        """Gateway time (µs) by which they must be written; None when none wait."""
        if not self._held:
            return None
        return 0 if len(self._held) >= MAX_HELD else self._held[0].gt + MAX_WAIT

    def pack(self) -> ReadingsPacked | None:
        """All of them as one event; None when there are none. They are held no longer."""
        held, self._held = self._held, []
        if not held:
            return None
        first = held[0]
        return ReadingsPacked(
            id=self._id,
            gt=first.gt,
            wall=first.wall,
            clock=first.clock,
            kinds=[reading.kind for reading in held],
            devices=[reading.device for reading in held],
            values=[reading.value for reading in held],
            after=[reading.gt - first.gt for reading in held],
        )


def unpack(packed: ReadingsPacked) -> Iterator[Reading]:
    """The readings in a packed row, as the engine saw them."""
    columns = zip(packed.kinds, packed.devices, packed.values, packed.after, strict=True)
    for number, (kind, device, value, after) in enumerate(columns):
        yield _reading(
            packed=packed.id, number=number, first=packed, kind=kind, device=device, value=value, after=after
        )


def _reading(
    *, packed: str, number: int, first: Reading | ReadingsPacked, kind: str, device: str, value: float, after: int
) -> Reading:
    maker = EVENTS[kind]
    if not issubclass(maker, Reading):
        raise ValueError(f"{kind} is not a reading")
    return maker(
        id=ids.derived(packed, number),
        gt=first.gt + after,
        wall=first.wall + after,
        clock=first.clock,
        device=device,
        value=value,
    )
