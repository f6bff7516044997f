"""Timetables on the site's own clock: weekly spans, holidays, exceptions, sunrise and sunset. Wall time comes in as µs
since the epoch; the zone does the rest, so a night of daylight saving has the hours it really has."""

from __future__ import annotations

from rules.timetable.dates import Dates, Special, day_of
from rules.timetable.span import Mark, Span, SunMark
from rules.timetable.sun import Sun
from rules.timetable.table import Period, Timetable
from rules.timetable.words import DAYS, HOLIDAY, days, mark, minutes, zone

__all__ = [
    "DAYS",
    "HOLIDAY",
    "Dates",
    "Mark",
    "Period",
    "Span",
    "Special",
    "Sun",
    "SunMark",
    "Timetable",
    "day_of",
    "days",
    "mark",
    "minutes",
    "zone",
]
