"""Ample, low, full: what is told of the media disk, once a change, and whether new clips are taken.

Full: there is no room up to the high water mark, and nothing may be deleted. It ends below the middle of both marks.
Low: there is room for fewer days than `warn_days`. It ends at half as many again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import aiosqlite
import structlog

from agent.clock import Clock
from agent.config.media import MediaConfig
from agent.intake import Intake
from agent.retention.forecast import Figures
from agent.retention.room import Room
from agent.store import meta
from agent.store.database import Database
from agent.video.messages import NewClips
from rules.events import StorageAmple, StorageFull, StorageLow

log = structlog.get_logger()

State = Literal["ample", "low", "full"]
_KEY = "storage"


class Told:
    """What was told last is durable with the record that tells it, so a restart neither repeats nor forgets it."""

    def __init__(
        self,
        *,
        database: Database,
        intake: Intake,
        clock: Clock,
        config: MediaConfig,
        new_clips: Callable[[NewClips], None],
    ) -> None:
        self._database = database
        self._intake = intake
        self._clock = clock
        self._config = config
        self._new_clips = new_clips
        self._state: State | None = None

    async def tell(self, room: Room, now: Figures, *, stuck: bool) -> None:
        """Tell what changed. `stuck`: there is no room, and nothing may be deleted."""
        if self._state is None:
            was = (await meta.read_all(self._database)).get(_KEY)
            self._state = "full" if was == "full" else "low" if was == "low" else "ample"
        became = self._next(self._state, room, now, stuck=stuck)
        if became != self._state:
            await self._change(became, now)
        self._new_clips(
            NewClips(state="refused", reason=refusal(now))
            if self._state == "full"
            else NewClips(state="taken", reason="")
        )

    def _next(self, state: State, room: Room, now: Figures, *, stuck: bool) -> State:
        if stuck:
            return "full"
        config = self._config
        if state == "full":
            return "full" if room.reaches((config.high_water + config.low_water) // 2) else "ample"
        if now.days is not None and now.days < config.warn_days:
            return "low"
        if state == "low" and now.days is not None and now.days < config.warn_days + max(1, config.warn_days // 2):
            return "low"
        return "ample"

    async def _change(self, became: State, now: Figures) -> None:
        header = self._clock.header()
        fact: StorageFull | StorageLow | StorageAmple
        if became == "full":
            fact = StorageFull(**header, waiting=now.waiting, held=now.held)
        elif became == "low":
            fact = StorageLow(**header, days=now.days or 0, free=now.free)
        else:
            fact = StorageAmple(**header, days=now.days, free=now.free)

        async def remember(transaction: aiosqlite.Connection) -> None:
            await meta.write(transaction, {_KEY: became})

        log.warning(fact.kind, days=now.days, free=now.free, waiting=now.waiting, held=now.held)
        self._state = became
        await self._intake.decide(fact, also=remember)


def refusal(now: Figures) -> str:
    """Why new clips are refused, and what to do."""
    parts = []
    if now.waiting:
        parts.append(f"{spoken(now.waiting)} wait for a relay that keeps a copy")
    if now.held:
        parts.append(f"{spoken(now.held)} are on hold")
    why = " and ".join(parts) if parts else "all of it is needed just now"
    return f"the media disk is full and nothing on it may be deleted: {why}; the still is kept"


def spoken(size: int) -> str:
    """Bytes as people say them."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"
