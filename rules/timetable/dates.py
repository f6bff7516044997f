"""Days that are not as other days: holidays, and the exceptions of one schedule."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, timedelta

from rules.timetable.span import Span

_DATE = re.compile(r"(?:(\d{4})-)?(\d{2})-(\d{2})", re.ASCII)
# A yearly 29 February comes every four years, and between 1896 and 1904 it took eight.
_YEARS = 9


def day_of(text: str) -> date | tuple[int, int]:
    """A date from `2026-12-24`, or (month, day) of every year from `12-24`. ValueError otherwise."""
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a date; write for example 2026-12-24, or 12-24 for every year")
    year, month, day = int(match[1]) if match[1] else None, int(match[2]), int(match[3])
    try:
        found = date(2000 if year is None else year, month, day)
    except ValueError:
        raise ValueError(f"{text!r} is a day that does not exist") from None
    return found if year is not None else (month, day)


@dataclass(frozen=True, slots=True)
class Dates:
    """Single dates, and days that come every year."""

    once: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()

    def __contains__(self, day: date) -> bool:
        return day in self.once or (day.month, day.day) in self.yearly

    @classmethod
    def of(cls, texts: list[str]) -> Dates:
        """From the words of a document."""
        found = [day_of(text) for text in texts]
        return cls(
            frozenset(each for each in found if isinstance(each, date)),
            frozenset(each for each in found if not isinstance(each, date)),
        )


@dataclass(frozen=True, slots=True)
class Special:
    """The days from `first` to `last`, both included, have these spans instead (none: closed); a span's own days do
    not matter here."""

    first: date
    last: date
    spans: tuple[Span, ...] = ()


class SpecialDays:
    """Which days are special for one timetable, and where the next and the last such day are."""

    def __init__(self, *, holidays: Dates, specials: tuple[Special, ...]) -> None:
        self._holidays = holidays
        self._specials = specials
        edges = {edge for special in specials for edge in (special.first, special.last + timedelta(days=1))}
        self._single = sorted(holidays.once | edges)

    def special(self, day: date) -> tuple[Span, ...] | None:
        """The spans an exception gives this day; None when it has none."""
        return next((each.spans for each in self._specials if each.first <= day <= each.last), None)

    def holiday(self, day: date) -> bool:
        """Whether the day is a holiday for this timetable."""
        return day in self._holidays

    def after(self, day: date) -> date | None:
        """The next day, from `day` on, on which something is or ceases to be special."""
        at = bisect_left(self._single, day)
        found = self._single[at : at + 1]
        for year in range(day.year, day.year + _YEARS):
            yearly = [each for each in self._in(year) if each >= day]
            if yearly:
                return min([*found, *yearly])
        return found[0] if found else None

    def before(self, day: date) -> date | None:
        """The last such day, before `day`."""
        at = bisect_left(self._single, day)
        found = self._single[max(at - 1, 0) : at]
        for year in range(day.year, day.year - _YEARS, -1):
            yearly = [each for each in self._in(year) if each < day]
            if yearly:
                return max([*found, *yearly])
        return found[0] if found else None

    def _in(self, year: int) -> list[date]:
        leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        return [date(year, *each) for each in self._holidays.yearly if leap or each != (2, 29)]
