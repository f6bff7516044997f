"""The retention: how full the media disk is, what goes, what is told of it. It decides, the media worker deletes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import structlog

from agent.clock import Clock
from agent.config.media import MediaConfig
from agent.errors import StoreDamaged, StoreError
from agent.intake import Intake
from agent.retention.eviction import Evictor
from agent.retention.forecast import WEEK, Figures, figures
from agent.retention.line import Line
from agent.retention.plan import Need
from agent.retention.reconcile import Reconciler
from agent.retention.room import Room, measure
from agent.retention.states import Told
from agent.store import meta
from agent.store.database import Database
from agent.store.footage_rows import FootageRows
from agent.video.link import WorkerGone
from agent.video.messages import (
    ClipSealed,
    Evict,
    Evicted,
    Files,
    FromWorker,
    Hello,
    ListFiles,
    NewClips,
    Refused,
    SegmentAdded,
)
from rules import wire
from rules.units import DAY

log = structlog.get_logger()

EVERY = 10.0
"""Seconds between looks; news that fill the disk make one at once."""
COUNTED, COUNTED_URGENT = 500, 5_000
"""Incidents that wait for an outlet and are counted anew in one look, in turn; the second while there is no room."""
COUNTED_AT_ONCE = 20
"""Incidents in one reading of the store: a few ms, after which others may read."""
SETTLE = 5.0
"""Seconds after a worker's start in which it tells again what it had told: only then are files compared with rows."""
NUDGE = 100
"""A hundredth of the disk's capacity in new footage is worth a look."""
MOST_ROUNDS = 200


class Retention:
    """Service "retention". `heard` is shown all that the media worker says; `order` and `new_clips` reach it."""

    name = "retention"

    def __init__(
        self,
        *,
        database: Database,
        intake: Intake,
        clock: Clock,
        path: Path,
        config: MediaConfig,
        order: Callable[[Evict | ListFiles], bool],
        new_clips: Callable[[NewClips], None],
        keepers: Callable[[], Collection[str]] = tuple,
        every: float = EVERY,
    ) -> None:
        """`keepers` are the outlets that are configured to keep a copy. Until the store knows all of them nothing is
        deleted: what waits for one that is only just starting would look as if it waited for nobody."""
        self._keepers = keepers
        self._database = database
        self._clock = clock
        self._path = path
        self._config = config
        self._every = every
        self._rows = FootageRows(database=database)
        self._line = Line(order=order)
        self._evictor = Evictor(rows=self._rows, intake=intake, clock=clock, line=self._line)
        self._reconciler = Reconciler(rows=self._rows, intake=intake, clock=clock, list_files=self._line.list_files)
        self._told = Told(database=database, intake=intake, clock=clock, config=config, new_clips=new_clips)
        self._news = asyncio.Event()
        self._worker_since: float | None = None
        self._to_compare = False
        self._came = 0
        self._nudge_at = 1 << 62
        self._counted_up_to = ""
        self._began: int | None = None
        self._day = -1
        self.figures: Figures | None = None

    def heard(self, message: FromWorker | WorkerGone) -> None:
        """One message of the worker's, as it came."""
        match message:
            case Evicted() | Files():
                self._line.answered(message)
            case Hello():
                self._worker_since = asyncio.get_running_loop().time()
                self._to_compare = True
                self._news.set()
            case WorkerGone():
                self._worker_since = None
                self._line.broken()
            case SegmentAdded(bytes=size):
                self._came += size
                if self._came >= self._nudge_at:
                    self._news.set()
            case ClipSealed(reason="disk_full") | Refused():
                self._news.set()

    def storage(self) -> wire.Storage | None:
        """How the disk was at the last look, for a heartbeat; None before the first."""
        now = self.figures
        if now is None:
            return None
        return wire.Storage(days=now.days, free=now.free, used=now.used, waiting=now.waiting)

    async def run(self) -> None:
        """Look every few seconds until cancelled. While the log cannot be written nothing is deleted."""
        while True:
            self._news.clear()
            self._came = 0
            try:
                await self.look()
            except (StoreError, StoreDamaged) as error:
                log.warning("retention.store_failed", reason=str(error))
            except OSError as error:
                log.warning("retention.disk_unreadable", path=str(self._path), reason=error.strerror)
            try:
                async with asyncio.timeout(self._every):
                    await self._news.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """One look: compare, count, delete what is due, tell how it stands. StoreError, StoreDamaged, OSError."""
        room = await self._measure()
        self._nudge_at = room.disk.capacity // NUDGE
        if self._to_compare and self._settled():
            self._to_compare = not await self._reconciler.run()
        await self._count(urgent=room.reaches(self._config.high_water))
        complete = set(self._keepers()) <= set(await self._rows.keepers())
        if complete and self._worker_since is not None and await self._evictor.go_on():
            room = await self._delete(room)
        stuck = complete and room.reaches(self._config.high_water) and not await self._evictor.possible()
        self.figures = await self._figures(room)
        await self._told.tell(room, self.figures, stuck=stuck)

    def _settled(self) -> bool:
        since = self._worker_since
        return since is not None and asyncio.get_running_loop().time() - since >= SETTLE

    async def _measure(self) -> Room:
        _, used = await self._rows.total()
        return await asyncio.to_thread(partial(measure, self._path, footage=used, limit=self._config.limit))

    async def _count(self, *, urgent: bool) -> None:
        await self._follow_keepers()
        while page := await self._rows.changed(limit=COUNTED_AT_ONCE):
            await self._rows.count(page)
        left = COUNTED_URGENT if urgent else COUNTED
        while left > 0 and (page := await self._rows.unsynced(after=self._counted_up_to, limit=COUNTED_AT_ONCE)):
            await self._rows.count(page)
            self._counted_up_to = page[-1]
            left -= len(page)
        if left > 0:  # that was the last of them: the next look begins anew
            self._counted_up_to = ""
        day = self._clock.gt() // DAY
        if day != self._day:
            self._day = day
            await self._rows.forget_hours(before=self._clock.gt() - WEEK - DAY)

    async def _follow_keepers(self) -> None:
        """Another set of outlets keeps copies than before: what was safe may not be."""
        keepers = " ".join(await self._rows.keepers())
        known = await meta.read_all(self._database)
        if known.get("footage_keepers") != keepers:
            await self._rows.recount()
            async with self._database.transaction() as transaction:
                await meta.write(transaction, {"footage_keepers": keepers})

    async def _delete(self, room: Room) -> Room:
        """Delete until nothing is too old and there is room, or nothing more may go."""
        config = self._config
        short = room.reaches(config.high_water)
        for _ in range(MOST_ROUNDS):
            need = Need(
                bytes=max(0, room.bytes_above(config.low_water)) if short else 0,
                files=max(0, room.files_above(config.low_water)) if short else 0,
                older_than=self._clock.gt() - config.keep,
            )
            if not await self._evictor.some(need):
                break
            room = await self._measure()
        return room

    async def _figures(self, room: Room) -> Figures:
        now = self._clock.gt()
        if self._began is None:
            known = await meta.read_all(self._database)
            if "footage_since" not in known:
                async with self._database.transaction() as transaction:
                    await meta.write(transaction, {"footage_since": str(now)})
            self._began = int(known.get("footage_since", now))
        _, used = await self._rows.total()
        stuck = await self._rows.stuck()
        history = now - self._began
        return figures(
            room,
            high=self._config.high_water,
            used=used,
            stuck=stuck.all,
            waiting=stuck.waiting,
            held=stuck.held,
            came=await self._rows.came(since=now - min(history, WEEK)),
            history=history,
        )
