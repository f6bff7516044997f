"""A timetable: whether it is on at a moment, and when it changes.

Theory of operation. A span belongs to the day it begins on; the day's own spans are those of its exception, else, on a
holiday, those said for `holiday`, else those of its weekday. A moment is inside a span when the span has begun and has
not ended, and both are read off the clock on the wall: 02:30 that comes twice is inside both times, 02:30 that never
comes never is. So the timetable can only change where a mark of a span stands on the clock (twice, on the long night),
where the clock itself is set, and at the sun's times; `next_edge` collects those moments day by day and asks at each.
Weeks in which nothing changes are skipped up to the next special day. Between two edges the answer is one comparison.

`period` is for those who act on edges. In the night in which the hour comes twice a timetable may be off for less than
that hour only because the clock was set back (a span until 02:15 ends, is on again from 02:00 to 02:15, and ends
again): such a gap is no end and no beginning to anybody, so the period reaches over it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rules.timetable.dates import Dates, Special, SpecialDays
from rules.timetable.span import Mark, Span
from rules.timetable.sun import Sun
from rules.units import HOUR, MINUTE, SECOND

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1)
_MIDNIGHT = datetime.min.time()
_HOLIDAY = 7
# A weekly timetable that has not changed in this many days never does, but for special days and the sun.
_WEEKS = timedelta(days=16)
# The polar night and the polar day are shorter than this.
_SUNS = timedelta(days=400)
# Special days are looked through this far: a 29 February may be eight years away.
_YEARS = timedelta(days=9 * 366)
_NOON = 720
_NIGHT = 4 * HOUR


class Period(NamedTuple):
    """The timetable is on, or off, from `since` until before `until`: wall µs, None where no end is known."""

    on: bool
    since: int | None
    until: int | None


class Timetable:
    """Spans in one zone, with the holidays they know, the exceptions to them, and the sun for those that need it."""

    __slots__ = ("_by_day", "_cached_on", "_cached_since", "_cached_until", "_reach", "_special", "_sun", "_zone")

    def __init__(
        self,
        zone: ZoneInfo,
        spans: tuple[Span, ...],
        *,
        sun: Sun | None = None,
        holidays: Dates | None = None,
        specials: tuple[Special, ...] = (),
    ) -> None:
        self._zone = zone
        self._by_day = tuple(tuple(span for span in spans if day in span.days) for day in range(8))
        self._special = SpecialDays(holidays=holidays or Dates(), specials=specials)
        every = [*spans, *(span for special in specials for span in special.spans)]
        by_sun = any(span.by_sun for span in every)
        if by_sun and sun is None:
            raise ValueError("sunrise and sunset need to know where the site is")
        self._sun = sun if by_sun else None
        # A moment may be in spans of this many days before and after its own: the sun's times may be far off the
        # clock's, and offsets are added to them.
        self._reach = (3, 1) if by_sun else (1, 0)
        self._cached_since = self._cached_until = 0
        self._cached_on = False

    def holds(self, wall: int) -> bool:
        """Whether the timetable is on at wall time (µs since the epoch)."""
        if self._cached_since <= wall < self._cached_until:
            return self._cached_on
        on, until = self._reads(wall), self.next_edge(wall)
        self._cached_since, self._cached_on = wall, on
        self._cached_until = 2**63 if until is None else until
        return on

    def next_edge(self, wall: int) -> int | None:
        """The first moment after `wall` at which it changes, wall µs; None when it will not within years."""
        on = self._reads(wall)
        for moments in self._ahead(wall):
            for moment in moments:
                if self._reads(moment) != on:
                    return moment
        return None

    def last_edge(self, wall: int) -> int | None:
        """The last moment, up to `wall` itself, at which it changed, wall µs; None when it did not within years."""
        on = self._reads(wall)
        for moments in self._behind(wall):
            for moment in reversed(moments):
                if self._reads(moment - 1) != on:
                    return moment
        return None

    def period(self, wall: int) -> Period:
        """What it is at `wall`, since when and until when, gaps that only the clock makes left out."""
        found = self._interval(wall)
        if not found.on:
            if found.until is None or not self._only_the_clock(found):
                return found
            found = self._interval(found.until)
        since, until = found.since, found.until
        while since is not None and self._near_set_back(since):
            gap = self._interval(since - 1)
            if gap.since is None or not self._only_the_clock(gap):
                break
            since = self.last_edge(gap.since - 1)
        while until is not None and self._near_set_back(until):
            gap = self._interval(until)
            if gap.until is None or not self._only_the_clock(gap):
                break
            until = self.next_edge(gap.until)
        return Period(True, since, until)

    def _interval(self, wall: int) -> Period:
        return Period(self._reads(wall), self.last_edge(wall), self.next_edge(wall))

    def _only_the_clock(self, gap: Period) -> bool:
        if gap.since is None or gap.until is None:
            return False
        return gap.until - gap.since < self._offset(gap.since - 1) - self._offset(gap.until)

    def _near_set_back(self, moment: int) -> bool:
        return self._offset(moment - _NIGHT) > self._offset(moment + _NIGHT)

    # --- one moment ---

    def _local(self, wall: int) -> datetime:
        return (_EPOCH + timedelta(microseconds=wall)).astimezone(self._zone)

    def _offset(self, wall: int) -> int:
        return (self._local(wall).utcoffset() or timedelta()) // _MICROSECOND

    def _reads(self, wall: int) -> bool:
        """Whether it is on, read off the clock anew."""
        local = self._local(wall).replace(tzinfo=None)
        today = local.date()
        before, after = self._reach
        for n in range(-before, after + 1):
            day = today + n * _DAY
            for span in self._spans(day):
                if self._passed(span.since, day, wall, local) and not self._passed(
                    span.until, day + _DAY if span.overnight else day, wall, local
                ):
                    return True
        return False

    def _passed(self, mark: Mark, day: date, wall: int, local: datetime) -> bool:
        if isinstance(mark, int):
            return local >= datetime.combine(day, _MIDNIGHT) + timedelta(minutes=mark)
        return wall >= self._shines(mark.rises, mark.offset, day)

    def _spans(self, day: date) -> tuple[Span, ...]:
        special = self._special.special(day)
        if special is not None:
            return special
        return self._by_day[_HOLIDAY if self._special.holiday(day) else day.weekday()]

    def _shines(self, rises: bool, offset: int, day: date) -> int:
        noon = self._wall(datetime.combine(day, _MIDNIGHT) + timedelta(minutes=_NOON), 0)
        assert self._sun is not None  # who has marks of the sun was given one
        return (self._sun.rise(noon) if rises else self._sun.set(noon)) + offset * MINUTE

    def _wall(self, local: datetime, fold: int) -> int:
        return (local.replace(tzinfo=self._zone, fold=fold) - _EPOCH) // _MICROSECOND

    # --- where it may change ---

    def _ahead(self, wall: int) -> Iterator[list[int]]:
        """Moments after `wall` at which it may change, in order, a few days at a time."""
        begin = today = self._local(wall).date()
        start, quiet_since, days = wall, today, 2
        while True:
            end = self._midnight(today + days * _DAY)
            yield [moment for moment in self._moments(today, today + days * _DAY) if start < moment <= end]
            start, today, days = end, today + days * _DAY, 4
            if self._sun is not None:
                if today - begin > _SUNS:
                    return
            elif today - quiet_since > _WEEKS:
                special = self._special.after(today - 2 * _DAY)
                if special is None or special - begin > _YEARS:
                    return
                if special > today:
                    start, today = self._midnight(special) - 1, special
                quiet_since = today - _WEEKS

    def _behind(self, wall: int) -> Iterator[list[int]]:
        """Moments up to `wall` at which it may have changed, in order, a few days at a time, the last days first."""
        begin = self._local(wall).date()
        end, today, quiet_since, days = wall, begin + _DAY, begin, 2
        while True:
            start = self._midnight(today - days * _DAY)
            yield [moment for moment in self._moments(today - days * _DAY, today) if start < moment <= end]
            end, today, days = start, today - days * _DAY, 4
            if self._sun is not None:
                if begin - today > _SUNS:
                    return
            elif quiet_since - today > _WEEKS:
                special = self._special.before(today + _DAY)
                if special is None or begin - special > _YEARS:
                    return
                if special + 2 * _DAY < today:
                    today = special + 2 * _DAY
                    end = self._midnight(today)
                quiet_since = today + _WEEKS

    def _midnight(self, day: date) -> int:
        return self._wall(datetime.combine(day, _MIDNIGHT), 0)

    def _moments(self, first: date, last: date) -> list[int]:
        """Every moment from the beginning of `first` to the beginning of `last` at which it may change, and some
        around them."""
        before, after = self._reach
        found: set[int] = set()
        previous: int | None = None
        for n in range(-before, (last - first).days + after + 1):
            day = first + n * _DAY
            for span in self._spans(day):
                found.update(self._at(span.since, day))
                found.update(self._at(span.until, day + _DAY if span.overnight else day))
            midnight = self._midnight(day)
            if previous is not None and self._offset(previous) != self._offset(midnight):
                found.add(self._set_between(previous, midnight))
            previous = midnight
        return sorted(found)

    def _at(self, mark: Mark, day: date) -> tuple[int, ...]:
        if not isinstance(mark, int):
            return (self._shines(mark.rises, mark.offset, day),)
        local = datetime.combine(day, _MIDNIGHT) + timedelta(minutes=mark)
        first, second = self._wall(local, 0), self._wall(local, 1)
        return (first,) if first == second else (first, second)

    def _set_between(self, low: int, high: int) -> int:
        """When the clock was set, to the second, between two moments with different offsets."""
        offset = self._offset(high)
        while high - low > SECOND:
            middle = (low + high) // 2 // SECOND * SECOND
            if self._offset(middle) == offset:
                high = middle
            else:
                low = middle
        return high
