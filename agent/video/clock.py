"""The two clocks that the worker reads, as one thing that a test can replace."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """`boot`: CLOCK_BOOTTIME, shared by all processes of the machine; `wall`: UTC since the epoch. Both in µs."""

    def boot(self) -> int: ...

    def wall(self) -> int: ...


class SystemClock:
    """The kernel's clocks."""

    def boot(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def wall(self) -> int:
        return time.time_ns() // 1000
