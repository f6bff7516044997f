"""Time, in one place, so that tests can own it."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """`wall` is µs since the Unix epoch; `boot` is µs of CLOCK_BOOTTIME, which counts sleep and nobody can set."""

    def wall(self) -> int: ...

    def boot(self) -> int: ...


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> int:
        return time.time_ns() // 1000

    def boot(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
