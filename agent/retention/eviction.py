"""Deleting in two phases: marked in the store, deleted by the worker, told and forgotten in one transaction. Whoever is
killed in between, what was marked is gone on with."""

from __future__ import annotations

import asyncio
from functools import partial

import structlog

from agent.clock import Clock
from agent.failpoints import reach
from agent.intake import Intake
from agent.retention.line import Line
from agent.retention.plan import Eviction, Holding, Need, may_go, plan
from agent.store.footage import Going, gone
from agent.store.footage_rows import FootageRows
from rules import ids
from rules.events import MediaEvicted
from rules.units import DAY, MINUTE

log = structlog.get_logger()

PAGE = 50
"""Incidents planned for at once; how full the disk is is measured again in between."""
BATCH = 2000
"""Blobs in one order."""
RECENT = 15 * MINUTE
"""Footage younger than this may be shared by a clip that is just being cut from the same ring."""
LONGEST_CLIP = DAY
"""A clip opened before that and never sealed grows no more, whatever became of its end."""
DURABLE = 60.0
"""Seconds to wait until the record of a deletion is durable; else it is told again later, with the same id."""


class Evictor:
    """`make_room` and `go_on` delete; both end early, with False, when the worker is away."""

    def __init__(self, *, rows: FootageRows, intake: Intake, clock: Clock, line: Line) -> None:
        self._rows = rows
        self._intake = intake
        self._clock = clock
        self._line = line

    async def go_on(self) -> bool:
        """Finish what was marked by a run that was killed, or while no worker was there."""
        for going in await self._rows.leaving():
            if not await self._finish(going):
                return False
        return True

    async def some(self, need: Need) -> int | None:
        """Delete what is due now, one page of it: how many incidents went; None when the worker is away."""
        holdings = await self._candidates(need)
        done = 0
        for eviction in plan(holdings, need):
            if await self._mark(eviction):
                reach("evict.after_mark")
                if not await self.go_on():
                    return None
                done += 1
        return done

    async def possible(self) -> bool:
        """Whether anything at all may be deleted."""
        everything = Need(bytes=1, files=0, older_than=-1)
        return any(may_go(holding) for holding in await self._candidates(everything))

    async def _candidates(self, need: Need) -> list[Holding]:
        """The oldest footage that could be deleted, as much as a page or as the need asks for."""
        now = self._clock.gt()
        held = await self._rows.held()
        growing = await self._rows.growing(since=now - LONGEST_CLIP)
        found: list[Holding] = []
        after = (-1, "")
        bytes_left = need.bytes
        while len(found) < PAGE:
            page = await self._rows.oldest(limit=PAGE, after=after)
            for incident, newest in page:
                after = (newest, incident)
                if newest > need.older_than and (not need.room or (found and bytes_left <= 0 and need.files <= 0)):
                    return found
                if incident in held:
                    continue
                pieces, unsynced = await self._rows.pieces(incident)
                if unsynced:  # it was safe when it was counted, and is not any more
                    await self._rows.count([incident])
                holding = Holding(
                    incident=incident,
                    newest=newest,
                    held=False,
                    unsynced=unsynced,
                    growing=incident in growing or newest > now - RECENT,
                    pieces=pieces,
                )
                if may_go(holding):
                    found.append(holding)
                    bytes_left -= sum(piece.bytes for piece in pieces)
            if len(page) < PAGE:
                break
        return found

    async def _mark(self, eviction: Eviction) -> bool:
        going = Going(
            incident=eviction.incident,
            marked=self._clock.gt(),
            reason=eviction.reason,
            blobs=len(eviction.shas),
            bytes=eviction.bytes,
            held_by=await self._rows.holders(eviction.shas) if eviction.shas else (),
        )
        return await self._rows.mark(going, eviction.shas)

    async def _finish(self, going: Going) -> bool:
        shas = await self._rows.marked(going.incident)
        deleted: list[str] = []
        for start in range(0, len(shas), BATCH):
            answer = await self._line.evict(
                f"{going.incident} {going.marked} {start}", tuple(shas[start : start + BATCH])
            )
            if answer is None:
                return False
            deleted += answer.gone
        also = partial(gone, going=going, shas=deleted)
        header = self._clock.header()
        header["id"] = ids.derived("evicted", going.incident, going.marked)
        fact = MediaEvicted(
            **header,
            incident=going.incident,
            blobs=going.blobs,
            bytes=going.bytes,
            reason="age" if going.reason == "age" else "space",
            held_by=list(going.held_by),
        )
        log.info("media.evicted", incident=going.incident, blobs=len(deleted), bytes=going.bytes, reason=going.reason)
        try:
            async with asyncio.timeout(DURABLE):
                await self._intake.decide(fact, also=also)
        except TimeoutError:
            return False
        return True
