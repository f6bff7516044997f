"""Gateway time: persisted, never backwards, advanced by the boot-time clock; kept beside a wall time that is dated from
the floor when the clock on the wall cannot be right."""

from __future__ import annotations

import ctypes
import os
import time
from dataclasses import dataclass, field
from typing import TypedDict

from agent.floor import WRITTEN, Floor
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


# A smaller correction (µs) is ordinary discipline of the clock.
STEP = 2_000_000
# Boot-time µs after which a clock that was set counts as steady.
SETTLED = 600_000_000


@dataclass(slots=True)
class Clock:
    """Gateway time from `base` (µs, the last one known) and the boot-time clock at which it was known; and the wall
    time that facts bear. `floor`: the wall time that has certainly passed. `offset`: wall time minus the boot-time
    clock when somebody last looked."""

    base: int
    boot_at_base: int
    confidence: Confidence = "unsynced"
    floor: Floor = field(default_factory=lambda: Floor(WRITTEN, 0, boot_now()))
    offset: int | None = None

    @classmethod
    def start(cls, *, last_gt: int, off_time: int | None, at: int | None = None, floor: Floor | None = None) -> Clock:
        """Go on from the persisted time, plus the time off where it is known; `at` is the boot-time clock (µs) at which
        both were found out (default: now)."""
        known_at = boot_now() if at is None else at
        return cls(
            last_gt + (off_time or 0),
            known_at,
            "synced" if synced() else "unsynced",
            floor or Floor(WRITTEN, 0, known_at),
            wall_now() - boot_now(),
        )

    def gt(self) -> int:
        """Gateway time now, µs."""
        return self.base + boot_now() - self.boot_at_base

    def boot_of(self, gt: int) -> int:
        """The boot-time clock at a gateway time of this run."""
        return gt - self.base + self.boot_at_base

    def gt_of(self, boot: int) -> int:
        """Gateway time at a reading of the boot-time clock."""
        return boot - self.boot_at_base + self.base

    @property
    def doubted(self) -> bool:
        """Whether the wall clock shows a time that cannot be."""
        return self.floor.doubts(wall_now(), boot_now())

    @property
    def unsure_since(self) -> int | None:
        """When nothing keeps the wall clock right: the wall time (µs) that has certainly passed, by which certificates
        are judged then; None when the clock is to be trusted."""
        wall, boot = wall_now(), boot_now()
        stepped = self.offset is not None and abs(wall - boot - self.offset) >= STEP
        if self.confidence == "synced" and not stepped and not self.floor.doubts(wall, boot):
            return None
        return self.floor.certain_at(boot)

    def dated(self) -> tuple[int, Confidence]:
        """The wall time (µs) a fact of now bears, and how far it can be trusted: the wall clock's, or the floor when
        that cannot be. Just after a step nothing is known of it, whatever the kernel still says."""
        wall, boot = wall_now(), boot_now()
        if self.floor.doubts(wall, boot):
            return self.floor.at(boot), "unsynced"
        if self.offset is not None and abs(wall - boot - self.offset) >= STEP:
            return wall, "unsynced"
        return wall, self.confidence

    def header(self) -> Header:
        """Identity and times of a fact received now."""
        wall, confidence = self.dated()
        identity = ids.time_ordered(wall=wall, random=os.urandom(10))
        return {"id": identity, "gt": self.gt(), "wall": wall, "clock": confidence}

