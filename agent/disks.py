"""The disks: how much room is left for the log and the recordings, and the ballast beside the log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import StoreDamaged, StoreError
from agent.intake import Input, Intake
from agent.store import meta
from agent.store.ballast import Ballast
from agent.store.database import Database
from rules.events import BallastReleased, BallastRestored, DiskFull, DiskRestored

log = structlog.get_logger()

PERIOD = 5.0  # seconds
FLOOR = 64 * 1024 * 1024  # bytes free below which a disk counts as full
RELIEF = 96 * 1024 * 1024
_TOLD = "ballast"  # in meta: "released" while that is the last thing told about it


class Disks:
    """Service "disks". `paths` are directories on the file systems to watch; the ballast lies on the log's."""

    name = "disks"

    def __init__(
        self, *, clock: Clock, intake: Intake, paths: Sequence[Path], ballast: Ballast, database: Database
    ) -> None:
        self._clock = clock
        self._intake = intake
        self._paths = paths
        self._ballast = ballast
        self._database = database
        self._full: set[Path] = set()
        self._asked = False

    async def run(self) -> None:
        """Look every few seconds."""
        while True:
            for path in self._paths:
                await self._look(path)
            await self.balance()
            await asyncio.sleep(PERIOD)

    async def _look(self, path: Path) -> None:
        try:
            room = os.statvfs(path)
        except OSError as error:
            log.warning("disk.unreadable", path=str(path), reason=error.strerror)
            return
        free = room.f_bavail * room.f_frsize
        if free < FLOOR and path not in self._full:
            self._full.add(path)
            log.error("disk.full", path=str(path), free=free)
            await self._intake.tell(DiskFull(**self._clock.header(), path=str(path), free=free))
        elif free > RELIEF and path in self._full:
            self._full.discard(path)
            log.info("disk.restored", path=str(path), free=free)
            await self._intake.tell(DiskRestored(**self._clock.header(), path=str(path), free=free))

    async def balance(self) -> None:
        """Give the ballast up or set it aside again, as the room is, and tell what has not been told."""
        ballast = self._ballast
        ballast.release_if_needed()
        if ballast.untold:
            await self._intake.offer(told_released(ballast, self._clock))
        else:
            await asyncio.to_thread(ballast.set_aside)
        ballast.look()
        if ballast.held and await self._missed():
            ballast.missed = False
            await self._intake.offer(self._told_restored())

    async def _missed(self) -> bool:
        """Whether its release is the last thing that was told about it, in this run or an earlier one."""
        if not self._asked:
            try:
                self._ballast.missed |= (await meta.read_all(self._database)).get(_TOLD) == "released"
            except (StoreError, StoreDamaged):  # the store's own trouble is told; the next look asks again
                return False
            self._asked = True
        return self._ballast.missed

    def _told_restored(self) -> Input:
        size = self._ballast.held
        log.info("ballast.restored", bytes=size)

        async def remember(transaction: aiosqlite.Connection) -> None:
            await meta.write(transaction, {_TOLD: "held"})

        return Input(fact=BallastRestored(**self._clock.header(), bytes=size), also=remember)


def told_released(ballast: Ballast, clock: Clock) -> Input:
    """The fact that it was given up, to be decided once."""
    size, ballast.untold, ballast.missed = ballast.untold, 0, True
    log.error("ballast.released", bytes=size)

    async def remember(transaction: aiosqlite.Connection) -> None:
        await meta.write(transaction, {_TOLD: "released"})

    return Input(fact=BallastReleased(**clock.header(), bytes=size), also=remember)
