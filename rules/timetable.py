"""Weekly timetables on the site's own clock. Wall time comes in as µs since the epoch; the zone does the rest, so a
night of daylight saving has the hours it really has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)


def zone(name: str) -> ZoneInfo:
    """An IANA time zone. ValueError when there is none of this name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a folder of the database, a name too long for a file
        raise ValueError(f"{name!r} is not a time zone; write for example Europe/Zurich or UTC") from None


def minutes(clock: str) -> int:
    """Minutes since midnight from `HH:MM` (`24:00` is the end of the day). ValueError otherwise."""
    match = _CLOCK.fullmatch(clock)
    if match is None:
        raise ValueError(f"{clock!r} is not a time of day; write for example 07:30, or 24:00 for the end of the day")
    return 1440 if clock == "24:00" else int(match[1]) * 60 + int(match[2])


@dataclass(frozen=True, slots=True)
class Span:
    """Every week on these days (0 = Monday) from one minute of the day until before another; `until` at or before
    `since` means the next morning."""

    days: frozenset[int]
    since: int
    until: int

    def holds(self, local: datetime) -> bool:
        """Whether local time is inside."""
        minute, today = local.hour * 60 + local.minute, local.weekday()
        if self.since < self.until:
            return today in self.days and self.since <= minute < self.until
        yesterday = (today - 1) % 7
        return (today in self.days and minute >= self.since) or (yesterday in self.days and minute < self.until)


@dataclass(frozen=True, slots=True)
class Timetable:
    """A named union of weekly spans in one zone."""

    zone: ZoneInfo
    spans: tuple[Span, ...]

    def holds(self, wall: int) -> bool:
        """Whether the timetable is on at wall time (µs since the epoch)."""
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wall)).astimezone(self.zone)
        return any(span.holds(local) for span in self.spans)


def days(names: Iterable[str]) -> frozenset[int]:
    """Day numbers from names such as `mon` or ranges such as `mon-fri`. ValueError otherwise."""
    found: set[int] = set()
    for name in names:
        first, dash, last = name.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"{name!r} is not a day; write mon, tue, wed, thu, fri, sat, sun or a range as mon-fri")
        start = DAYS.index(first)
        length = (DAYS.index(last or first) - start) % 7
        found.update((start + n) % 7 for n in range(length + 1))
    return frozenset(found)
