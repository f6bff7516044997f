"""What has to be tidied now and then: commands that ran out, uploads nobody came back for, incidents that an older
program folded."""

from __future__ import annotations

import asyncio

import structlog
from sqlalchemy import select, update

from relay.blobs.uploads import Uploads
from relay.changes import Changes
from relay.clock import Clock
from relay.store import entries
from relay.store.database import FAILURES, Database
from relay.store.schema import command

log = structlog.get_logger(__name__)

SECONDS = 5.0
SWEEP_EVERY = 720  # rounds: hourly


class Housekeeping:
    """`run` until cancelled. `uploads` is None when this relay keeps no copy."""

    def __init__(self, *, db: Database, uploads: Uploads | None, changes: Changes, clock: Clock) -> None:
        self._db = db
        self._uploads = uploads
        self._changes = changes
        self._clock = clock

    async def run(self) -> None:
        rounds = 0
        while True:
            try:
                await self.expire_commands()
                if rounds == 0:
                    await self.refold()
            except FAILURES as error:
                log.error("housekeeping.store_failed", reason=str(getattr(error, "orig", error)))
            if self._uploads is not None and rounds % SWEEP_EVERY == 0:
                try:
                    await asyncio.to_thread(self._uploads.sweep)
                except OSError as error:
                    log.error("housekeeping.sweep_failed", reason=error.strerror)
            rounds += 1
            await asyncio.sleep(SECONDS)

    async def refold(self) -> None:
        """After an upgrade: fold what an older program folded, a few at a time, so that others write in between."""
        while True:
            async with self._db.write() as connection:
                done = await entries.refold(connection, now=self._clock.wall())
            if not done:
                return
            log.info("housekeeping.refolded", incidents=len(done))
            self._changes.publish(incidents=done)

    async def expire_commands(self) -> None:
        """A command that nobody decided in time is over, and its page says so."""
        late = (command.c.state.in_(("queued", "sent"))) & (command.c.expires <= self._clock.wall())
        async with self._db.read() as connection:
            if await connection.scalar(select(select(command.c.id).where(late).exists())) is not True:
                return
        async with self._db.write() as connection:
            done = await connection.scalars(
                update(command)
                .where(late)
                .values(state="expired", reason="the gateway did not answer in time", decided=self._clock.wall())
                .returning(command.c.gateway)
            )
            gateways = set(done)
        self._changes.publish(gateways=gateways)
