"""Readings on their way into one packed row; `rules.readings` has the way out of it."""

from __future__ import annotations

from rules import ids
from rules.events import Reading, ReadingsPacked
from rules.readings import reading as make

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
        seen = make(
            packed=self._id, number=len(self._held), first=first, kind=reading.kind, device=reading.device,
            value=reading.value, after=reading.gt - first.gt,
        )  # fmt: skip
        self._held.append(seen)
        return seen

    def let_go(self) -> None:
        """Take back the newest one: it has a row of its own."""
        self._held.pop()

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
