"""The one ordered loop: take what is queued, decide, act locally at once. The writer commits, then acknowledges and
does the rest; nobody who decides waits for a disk.
"""

from __future__ import annotations

import asyncio

import structlog

from agent.clock import Clock, boot_now
from agent.decider import Decider, Effects
from agent.errors import StoreDamaged, StoreError
from agent.intake import Input, Intake
from agent.journal import Journal
from agent.keeper import Keeper
from agent.store import floors, meta
from agent.store.ballast import Ballast
from agent.store.opening import Store
from agent.store.rescuer import Rescuer
from agent.writer import Writer

log = structlog.get_logger()

GROUP = 500
BEAT = 5_000_000  # µs: the loop turns at least this often, which the watchdog sees


class Pipeline:
    """Service "pipeline". `progress` is the boot-time clock (µs) at its last turn."""

    name = "pipeline"

    def __init__(
        self,
        *,
        intake: Intake,
        keeper: Keeper,
        store: Store,
        clock: Clock,
        effects: Effects,
        journal: Journal,
        site_sha256: str,
        ballast: Ballast,
        rescuer: Rescuer | None = None,
    ) -> None:
        self._intake = intake
        self._store = store
        self._clock = clock
        self._journal = journal
        self._rescuer = rescuer
        self._decider = Decider(
            keeper=keeper, clock=clock, output=effects.output, journal=journal, site_sha256=site_sha256, ballast=ballast
        )
        self._writer = Writer(
            decider=self._decider, store=store, journal=journal, clock=clock, effects=effects, ballast=ballast,
            rescuer=rescuer,
        )  # fmt: skip
        self.progress = boot_now()

    @property
    def trouble(self) -> str | None:
        """Why the log cannot be written just now; None when it can."""
        return self._writer.trouble

    async def run(self) -> None:
        """Turn until cancelled; a turn that has begun is finished first, and written."""
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(self._writer.run(), name="log.writer")
            try:
                await self._turns()
            finally:
                writing.cancel()

    async def finish(self) -> None:
        """After the last turn: decide what is still queued, write a snapshot, and mark the stop as clean."""
        while len(self._intake):
            await self._turn(await self._intake.take(GROUP))
        if self._rescuer is not None:
            await self._rescuer.settled()
        self._decider.close()
        if not await self._writer.settle():
            log.error("store.left_behind", reason=self.trouble, only_in_memory=len(self._journal))
            return
        now = self._clock.header()
        facts = {"clean": "1", "gt": str(now["gt"]), "wall": str(now["wall"]), "clock": now["clock"]}
        facts |= floors.written(self._clock)
        try:
            async with self._store.database.transaction() as transaction:
                await meta.write(transaction, facts)
        except (StoreError, StoreDamaged) as error:  # everything is in the log; only the stop will not count as clean
            log.error("store.failed", reason=str(error))

    async def _turns(self) -> None:
        while True:
            items = await self._next()
            turn = asyncio.create_task(self._turn(items), name="pipeline.turn")
            try:
                await asyncio.shield(turn)
            except asyncio.CancelledError:
                await turn
                raise

    async def _next(self) -> list[Input]:
        """Inputs, or an empty list when something is due: a wake-up, readings, the beat."""
        await self._writer.room()
        now = self._clock.gt()
        due = self._decider.due
        wait = BEAT if due is None else min(BEAT, max(0, due - now))
        try:
            async with asyncio.timeout(wait / 1e6):
                return await self._intake.take(GROUP)
        except TimeoutError:
            return []

    async def _turn(self, items: list[Input]) -> None:
        self.progress = boot_now()
        self._decider.lapse()
        known = await self._known(items)
        for item in items:
            if item.repeatable and item.fact.id in known:
                self._decider.repeated(item)
                continue
            if item.repeatable:
                known.add(item.fact.id)
            self._decider.put(item)
        self._decider.tidy()
        self._writer.wake()

    async def _known(self, items: list[Input]) -> set[str]:
        """The facts that are decided already, of those that others make or keep: they can come again for ever."""
        repeatable = [item.fact.id for item in items if item.repeatable]
        if not repeatable:
            return set()
        # First what is not in the log yet: it may get there while the log is asked.
        known = {fact for fact in repeatable if fact in self._decider.undurable or self._journal.knows(fact)}
        try:
            return known | await self._store.log.known(repeatable)
        except (StoreError, StoreDamaged):
            return known
