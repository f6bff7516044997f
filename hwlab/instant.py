"""One reading of the clocks. `boot` is shared by all processes of a machine, so it measures across them."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Instant:
    """`wall`: µs since the Unix epoch, UTC; `boot`: CLOCK_BOOTTIME in µs; `mono`: CLOCK_MONOTONIC in µs."""

    wall: int
    boot: int
    mono: int


def wall_now() -> int:
    return time.time_ns() // 1000


def boot_now() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def now() -> Instant:
    return Instant(wall_now(), boot_now(), time.monotonic_ns() // 1000)
