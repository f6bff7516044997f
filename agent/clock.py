"""Gateway time: persisted, never backwards, advanced by the boot-time clock; kept beside wall time."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass
from typing import TypedDict

from rules import ids
from rules.events import Clock as Confidence


class Header(TypedDict):
    """What every new fact starts with."""

    id: str
    gt: int
    wall: int
    clock: Confidence


def boot_now() -> int:
    """CLOCK_BOOTTIME in µs: runs through suspend, shared by all processes of this machine."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


def wall_now() -> int:
    """Wall time in µs since the epoch."""
    return time.time_ns() // 1000


def boot_id() -> str:
    """The kernel's id of this boot: the boot-time clock is comparable only within one."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return "unknown"


class _Timex(ctypes.Structure):
    # struct timex of adjtimex(2); only the leading fields are read, the tail is room for the kernel to fill.
    _fields_ = (("modes", ctypes.c_uint), ("_tail", ctypes.c_byte * 256))


def synced() -> bool:
    """Whether the kernel says that something keeps the wall clock right (adjtimex(2): not TIME_ERROR)."""
    timex = _Timex()
    state: int = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex))
    return 0 <= state < 5


@dataclass(slots=True)
class Clock:
    """Gateway time from `base` (µs, the last one known) and the boot-time clock at which it was known."""

    base: int
    boot_at_base: int
    confidence: Confidence = "unsynced"

    @classmethod
    def start(cls, *, last_gt: int, off_time: int | None, at: int | None = None) -> Clock:
        """Go on from the persisted time, plus the time off where it is known; `at` is the boot-time clock (µs) at which
        both were found out (default: now)."""
        known_at = boot_now() if at is None else at
        return cls(last_gt + (off_time or 0), known_at, "synced" if synced() else "unsynced")

    def gt(self) -> int:
        """Gateway time now, µs."""
        return self.base + boot_now() - self.boot_at_base

    def boot_of(self, gt: int) -> int:
        """The boot-time clock at a gateway time of this run."""
        return gt - self.base + self.boot_at_base

    def gt_of(self, boot: int) -> int:
        """Gateway time at a reading of the boot-time clock."""
        return boot - self.boot_at_base + self.base

    def header(self) -> Header:
        """Identity and times of a fact received now."""
        wall = wall_now()
        identity = ids.time_ordered(wall=wall, random=os.urandom(10))
        return {"id": identity, "gt": self.gt(), "wall": wall, "clock": self.confidence}
