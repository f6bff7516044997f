"""Figures of the alarm trade, as defaults and as advice. They come from summaries by third parties, so keeping to them
is no claim of compliance with any standard."""

from __future__ import annotations

from typing import NamedTuple

from rules.units import MINUTE, SECOND


class Figure(NamedTuple):
    """From `least` to `most` is what is advised; `default` holds where a document says nothing. Times in µs."""

    least: int
    most: int
    default: int


# After the false-alarm figures known as CP-01.
EXIT_DELAY = Figure(45 * SECOND, 255 * SECOND, 60 * SECOND)
ENTRY_DELAY = Figure(30 * SECOND, 240 * SECOND, 30 * SECOND)
ABORT_WINDOW = Figure(15 * SECOND, 45 * SECOND, 30 * SECOND)
CANCEL_WINDOW = Figure(5 * MINUTE, 255 * MINUTE, 5 * MINUTE)
SWINGER = Figure(1, 6, 2)
SETTLE = Figure(60 * SECOND, 255 * SECOND, 60 * SECOND)
ENTRY_AND_ABORT = 60 * SECOND  # both together at most

# After EN 50131, as it is commonly told.
ENTRY_DELAY_EN = 45 * SECOND  # at most, to unset
WARNING_EN = 30 * SECOND  # the local alarm is heard this long before anybody outside is told, off the entry route
# What no document says and a gateway must keep: events in the log by grade 1, 2 and 3, for so many days, and a clock
# that is at most so far off after a year.
LOG_EVENTS_EN = (250, 500, 1000)
LOG_DAYS_EN = 30
CLOCK_EN = 10 * MINUTE

# Of our own choosing.
SIREN_FOR = 3 * MINUTE
