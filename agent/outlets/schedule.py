"""How fast recordings may leave at which hour of the week, on the site's clock."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from agent.config.outlets import PacedHours
from rules.timetable import Timetable


class Schedule:
    """The hours of one outlet. Where several hold at once, the slowest counts."""

    def __init__(self, hours: Sequence[PacedHours], *, zone: ZoneInfo) -> None:
        self._hours = [(Timetable(zone, (each.span(),)), each.rate) for each in hours]
        self._slowest = min((each.rate for each in hours), default=None)

    def rate(self, wall: int, *, sure: bool) -> int | None:
        """Bytes a second at this wall time (µs); None: as fast as the line is. When nobody is `sure` that the clock is
        right it is the slowest of the week: a wrong clock must not open the tap."""
        if not sure:
            return self._slowest
        return min((rate for table, rate in self._hours if table.holds(wall)), default=None)
