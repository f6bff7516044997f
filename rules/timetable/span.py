"""Spans of a day: from one mark until before another."""

from __future__ import annotations

from dataclasses import dataclass

_NOON = 720


@dataclass(frozen=True, slots=True)
class SunMark:
    """Sunrise or sunset of the day, `offset` minutes later (negative: earlier)."""

    rises: bool
    offset: int = 0


# Minutes since midnight (1440: the end of the day), or the sun's time.
Mark = int | SunMark


@dataclass(frozen=True, slots=True)
class Span:
    """On these days (0 = Monday, 7 = holiday) from a mark until before another. Two times of the clock: `until` at or
    before `since` means the next morning. With the sun in it the words decide and never the season: sunset to sunrise,
    and an evening to a time before 12:00, reach into the next morning; sunrise to sunset never does, and where there is
    nothing between the two marks the span is empty that day."""

    days: frozenset[int]
    since: Mark
    until: Mark

    @property
    def overnight(self) -> bool:
        """Whether it ends on the day after it began."""
        since, until = self.since, self.until
        if isinstance(since, int):
            if isinstance(until, int):
                return until <= since
            return until.rises and since >= _NOON
        if isinstance(until, int):
            return not since.rises and until < _NOON
        if since.rises == until.rises:
            return until.offset <= since.offset
        return until.rises

    @property
    def by_sun(self) -> bool:
        """Whether one has to know where the sun is."""
        return isinstance(self.since, SunMark) or isinstance(self.until, SunMark)
