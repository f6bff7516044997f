"""What the gateway watches of itself: the clock, the disks, and that the pipeline turns."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from agent import memory
from agent.clock import Clock, boot_now, synced, wall_now
from agent.intake import Intake
from agent.sdnotify import notify, watchdog_seconds
from rules.events import ClockStepped, DiskFull, DiskRestored

log = structlog.get_logger()

PERIOD = 5.0  # seconds
STEP = 2_000_000  # µs: a smaller correction is ordinary discipline of the clock
TRIM_AT = 3  # looks: by then every connection has been opened once
STALLED = 30_000_000  # µs without a turn of the pipeline
FLOOR = 64 * 1024 * 1024  # bytes free below which a disk counts as full
RELIEF = 96 * 1024 * 1024


class Health:
    """Service "health". `progress` gives the boot-time clock (µs) at the pipeline's last turn."""

    name = "health"

    def __init__(self, *, clock: Clock, intake: Intake, paths: Sequence[Path], progress: Callable[[], int]) -> None:
        self._clock = clock
        self._intake = intake
        self._paths = paths
        self._progress = progress
        self._full: set[Path] = set()
        self._offset = wall_now() - boot_now()

    async def run(self) -> None:
        """Look every few seconds, and tell systemd that we live only while the pipeline does."""
        period = min(PERIOD, watchdog_seconds() or PERIOD)
        looks = 0
        while True:
            looks += 1
            if looks == TRIM_AT:
                memory.trim()
            await self._look_at_clock()
            await self._look_at_disks()
            if boot_now() - self._progress() < STALLED:
                notify("WATCHDOG=1")
            else:
                log.error("pipeline.stalled")
            await asyncio.sleep(period)

    async def _look_at_clock(self) -> None:
        self._clock.confidence = "synced" if synced() else "unsynced"
        offset = wall_now() - boot_now()
        step, self._offset = offset - self._offset, offset
        if abs(step) >= STEP:
            log.warning("clock.stepped", step=step)
            await self._intake.tell(ClockStepped(**self._clock.header(), step=step))

    async def _look_at_disks(self) -> None:
        for path in self._paths:
            try:
                room = os.statvfs(path)
            except OSError as error:
                log.warning("disk.unreadable", path=str(path), reason=error.strerror)
                continue
            free = room.f_bavail * room.f_frsize
            if free < FLOOR and path not in self._full:
                self._full.add(path)
                log.error("disk.full", path=str(path), free=free)
                await self._intake.tell(DiskFull(**self._clock.header(), path=str(path), free=free))
            elif free > RELIEF and path in self._full:
                self._full.discard(path)
                await self._intake.tell(DiskRestored(**self._clock.header(), path=str(path), free=free))
