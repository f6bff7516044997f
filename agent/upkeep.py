"""The log's upkeep, at low priority: the write-ahead log moved into the file, old rows let go of, the file checked.

Everything here is done in small pieces with pauses between them, each pause longer than its piece, so that an alarm's
commit waits a few milliseconds at most. What fails is tried again later; the store's own trouble is told elsewhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import aiosqlite
import structlog

from agent.clock import Clock, wall_now
from agent.config.store import StoreConfig
from agent.errors import StoreDamaged, StoreError, StoreFull
from agent.intake import Input, Intake
from agent.store import meta, pruning
from agent.store.ballast import Ballast
from agent.store.check import check
from agent.store.opening import Store
from agent.store.pruning import Pruned
from rules.events import Event, LogPruned, StoreSound, StoreSuspect
from rules.units import DAY

log = structlog.get_logger()
_Made = TypeVar("_Made")

QUIET = 0.2  # seconds without a commit: nothing is going on
COMMITS = 120  # commits after which the write-ahead log is moved in the next quiet moment: some ten minutes of readings
AT_LEAST = 900.0  # seconds: it is moved at least so often
WAL_HELD = 48_000_000  # bytes of write-ahead log that somebody's long reading has kept from being begun anew
PRUNE_FIRST, PRUNE_EVERY = 60.0, 6 * 3600.0  # seconds
PRUNE_SOON = 300.0  # while room is short
PAUSE_LEAST, PAUSE_SHARE = 0.02, 4.0  # seconds; and so many times what the piece took
CHECK_FIRST, CHECK_AGAIN = 60.0, 900.0  # seconds after a start, and after it gave way to something
CHECK_EVERY = 7 * DAY
_LOCAL = "pruned_local"  # in meta: up to which position rows without a lane are gone


class Upkeep:
    """Service "upkeep". `outlets` names those that must have acknowledged a record before it may go."""

    name = "upkeep"

    def __init__(
        self,
        *,
        store: Store,
        config: StoreConfig,
        outlets: Callable[[], Sequence[str]],
        ballast: Ballast,
        intake: Intake,
        clock: Clock,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._config = config
        self._outlets = outlets
        self._ballast = ballast
        self._intake = intake
        self._clock = clock
        self._pause = pause
        self._moved_at = time.monotonic()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_moving(), name="upkeep.checkpoint")
            group.create_task(self._keep_pruning(), name="upkeep.prune")
            group.create_task(self._keep_checking(), name="upkeep.check")

    # --- the write-ahead log -----------------------------------------------------------------------------------------

    async def _keep_moving(self) -> None:
        while True:
            await self._pause(QUIET)
            try:
                await self.move()
            except (StoreError, StoreDamaged) as error:
                log.warning("wal.not_moved", reason=str(error))
                self._make_room(error)
                await self._pause(10 * QUIET)

    async def move(self) -> None:
        """Move the write-ahead log into the file if there is enough of it and nothing else is going on."""
        database, now = self._store.database, time.monotonic()
        due = database.unmoved >= COMMITS or (database.unmoved and now - self._moved_at >= AT_LEAST)
        if due and now - database.committed_at >= QUIET:
            self._moved_at = now
            if not await database.checkpoint() and database.wal_size > WAL_HELD:
                log.warning("wal.held", bytes=database.wal_size, next="a program reads the log for very long: end it")

    # --- what is old -------------------------------------------------------------------------------------------------

    async def _keep_pruning(self) -> None:
        await self._pause(PRUNE_FIRST)
        while True:
            try:
                await self.prune()
            except (StoreError, StoreDamaged) as error:
                log.warning("log.not_pruned", reason=str(error))
                self._make_room(error)
                await self._pause(PRUNE_FIRST)
            else:
                await self._pause(PRUNE_SOON if self._ballast.missed or self._ballast.short else PRUNE_EVERY)

    async def prune(self) -> None:
        """Let go of all that may go, a little at a time, and tell what had not reached every outlet."""
        database, config = self._store.database, self._config
        bounds = await pruning.bounds(
            database, now=self._clock.gt(), keep=config.keep, keep_readings=config.keep_readings
        )
        gone = 0
        for epoch, lane in await pruning.lanes(database):
            gone += await self._prune_lane(epoch, lane, bounds)
        gone += await self._prune_local(bounds)
        while await self._timed(pruning.prune_snapshots(database)):
            pass
        if gone:
            log.info("log.pruned", rows=gone)

    async def _prune_lane(self, epoch: str, lane: str, bounds: pruning.Bounds) -> int:
        gone, unsent = 0, list[Pruned]()
        try:
            while pruned := await self._timed(
                pruning.prune_lane(
                    self._store.database, self._store.log, epoch=epoch, lane=lane, bounds=bounds,
                    outlets=self._outlets(),
                )
            ):  # fmt: skip
                gone += pruned.count
                if pruned.unsent:
                    unsent.append(pruned)
        finally:
            if unsent:  # also of a pass that fails half-way
                await self._intake.tell(self._told(unsent))
        return gone

    def _told(self, unsent: Sequence[Pruned]) -> LogPruned:
        first, last = unsent[0], unsent[-1]
        return LogPruned(
            **self._clock.header(),
            of=last.lane,
            since=first.since,
            until=last.until,
            count=sum(each.count for each in unsent),
            unsent=sum(each.unsent for each in unsent),
            reason=last.reason,
        )

    async def _prune_local(self, bounds: pruning.Bounds) -> int:
        database = self._store.database
        after = int((await meta.read_all(database)).get(_LOCAL, 0))
        began, gone = after, 0
        while True:
            count, until = await self._timed(pruning.prune_local(database, after=after, bounds=bounds))
            if until == after:
                break
            gone, after = gone + count, until
        if after != began:
            async with database.transaction() as transaction:
                await meta.write(transaction, {_LOCAL: str(after)})
        return gone

    async def _timed(self, work: Awaitable[_Made]) -> _Made:
        began = time.monotonic()
        made = await work
        await self._pause(max(PAUSE_LEAST, PAUSE_SHARE * (time.monotonic() - began)))
        return made

    def _make_room(self, error: Exception) -> None:
        if isinstance(error, StoreFull):
            self._ballast.release()

    # --- the file ----------------------------------------------------------------------------------------------------

    async def _keep_checking(self) -> None:
        await self._pause(CHECK_FIRST)
        unclean = not self._store.clean
        while True:
            try:
                facts = await meta.read_all(self._store.database)
                if unclean or self._clock.gt() - int(facts.get("checked_gt", -CHECK_EVERY)) >= CHECK_EVERY:
                    unclean = not await self.check() and unclean
            except (StoreError, StoreDamaged) as error:
                log.warning("store.not_checked", reason=str(error))
            await self._pause(CHECK_AGAIN)

    async def check(self) -> bool:
        """Have the file checked and tell when that changes what is known of it; False when the check gave way."""
        began = time.monotonic()
        said = await check(self._store.database.path)
        if said is None:
            log.info("store.check_gave_way", next="it is tried again later")
            return False
        log.info("store.checked", said=said, seconds=round(time.monotonic() - began, 1))
        before = (await meta.read_all(self._store.database)).get("checked_said", "ok")
        facts = {"checked_wall": str(wall_now()), "checked_gt": str(self._clock.gt()), "checked_said": said}

        async def remember(transaction: aiosqlite.Connection) -> None:
            await meta.write(transaction, facts)

        header = self._clock.header()
        news: Event | None = None
        if said != "ok" and said != before:
            news = StoreSuspect(**header, reason=f"the check of the log's file says: {said}")
        elif said == "ok" and before != "ok":
            news = StoreSound(**header)
        if news is not None:
            await self._intake.offer(Input(fact=news, also=remember))
        else:
            async with self._store.database.transaction() as transaction:
                await remember(transaction)
        return True
