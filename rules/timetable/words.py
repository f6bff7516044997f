"""The words of a timetable, from text: days, times of day, the sun's, time zones."""

from __future__ import annotations

import re
from collections.abc import Iterable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from rules.timetable.span import Mark, SunMark

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# The eighth day: what `holiday` stands for beside the weekdays 0 to 6.
HOLIDAY = 7
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00", re.ASCII)
_SUN = re.compile(r"(sunrise|sunset)(?:([+-])(?=\d)(?:(\d{1,2})h)?(?:(\d{1,3})m)?)?", re.ASCII)
_FURTHEST = 720


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


def mark(text: str) -> Mark:
    """A time of day, or the sun's: `sunrise`, `sunset+30m`, `sunrise-1h15m`. ValueError otherwise."""
    if not text.startswith("sun"):
        return minutes(text)
    match = _SUN.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text[:40]!r} is no time of the sun; write sunrise or sunset, or for example sunset+30m, sunrise-1h15m"
        )
    offset = int(match[3] or 0) * 60 + int(match[4] or 0)
    if offset > _FURTHEST:
        raise ValueError(f"{text!r} is further than 12h from the sun's own time")
    return SunMark(rises=match[1] == "sunrise", offset=-offset if match[2] == "-" else offset)


def days(names: Iterable[str]) -> frozenset[int]:
    """Day numbers from names such as `mon` or ranges such as `mon-fri`; `holiday` is 7. ValueError otherwise."""
    found: set[int] = set()
    for name in names:
        if name == "holiday":
            found.add(HOLIDAY)
            continue
        first, dash, last = name.partition("-")
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(
                f"{name!r} is not a day; write mon, tue, wed, thu, fri, sat, sun, holiday or a range as mon-fri"
            )
        start = DAYS.index(first)
        length = (DAYS.index(last or first) - start) % 7
        found.update((start + n) % 7 for n in range(length + 1))
    return frozenset(found)
