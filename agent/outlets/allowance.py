"""What recordings of one outlet may use: a rate by the hour of the week, and bytes by the month.

Incidents, records and stills ask nobody. Recordings wait for the rate; once the budget is spent only stills and key
pictures of high and critical incidents go on. Every byte of the outlet is counted, whatever it carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, cast

import aiosqlite
import structlog

from agent.clock import Clock, boot_now, wall_now
from agent.errors import AgentError
from agent.intake import Intake
from agent.outlets.bucket import Bucket
from agent.outlets.budget import Budget, Month, Told
from agent.outlets.schedule import Schedule
from agent.store import budgets
from agent.store.blobs import PICTURES, STILL
from agent.store.database import Database
from rules.events import BudgetAmple, BudgetLow, BudgetSpent, Event

log = structlog.get_logger()

LOOK = 60.0  # seconds between two looks at schedule and budget
_SAVE_AT = 16_000_000  # bytes counted that are not let go unsaved; acknowledgements save them on their way
_SAVE_AFTER = 600_000_000  # µs after which a little is saved too
_CLOSED = 30.0  # seconds until a closed hour is looked at again


class Grant(NamedTuple):
    """`bytes` that may leave now, or none and the `seconds` after which to ask again."""

    bytes: int
    seconds: float


class Allowance:
    """Service. Before it has read what was used, only stills leave. `wall` and `boot` give µs."""

    def __init__(
        self,
        *,
        outlet: str,
        schedule: Schedule | None = None,
        budget: Budget | None = None,
        database: Database,
        intake: Intake,
        clock: Clock,
        changed: Callable[[], None] = lambda: None,
        wall: Callable[[], int] = wall_now,
        boot: Callable[[], int] = boot_now,
    ) -> None:
        """`changed` is called when more may leave than before."""
        self.name = f"outlet.{outlet}.allowance"
        self.changed = changed
        self._outlet = outlet
        self._schedule = schedule
        self._budget = budget
        self._database = database
        self._intake = intake
        self._clock = clock
        self._wall = wall
        self._boot = boot
        self._bucket = Bucket(now=boot() / 1e6)
        self._month: Month | None = None
        self._unsaved = 0
        self._saved_at = boot()
        self._pressing = asyncio.Event()

    # --- what may leave ----------------------------------------------------------------------------------------------

    @property
    def spent(self) -> bool:
        """Whether only stills and key pictures of high and critical incidents leave."""
        if self._budget is None:
            return False
        return self._month is None or self._month.used >= self._budget.monthly

    @property
    def rate(self) -> int | None:
        """Bytes a second for recordings now; None: no bound."""
        if self._schedule is None:
            return None
        return self._schedule.rate(self._wall(), sure=self._sure)

    def admits(self, rank: int) -> bool:
        """Whether anything of this rank may leave in this hour."""
        return rank == STILL or self.rate != 0

    def grant(self, rank: int, want: int) -> Grant:
        """How much of `want` bytes of this rank may leave now. Stills are never held back."""
        if rank == STILL:
            return Grant(want, 0.0)
        if self._budget is not None and self._month is None:
            return Grant(0, 0.1)
        if self.spent and rank > PICTURES:
            return Grant(0, _CLOSED)
        rate = self.rate
        if rate is None:
            return Grant(want, 0.0)
        if rate == 0:
            return Grant(0, _CLOSED)
        return Grant(*self._bucket.grant(want, rate=rate, now=self._boot() / 1e6))

    def left(self, count: int) -> None:
        """So many bytes of a recording left: they count against the rate."""
        self._bucket.spend(count)

    def count(self, count: int) -> None:
        """So many bytes were sent or received, of whatever kind: they count against the budget."""
        if self._month is None or self._budget is None:
            self._unsaved += count
            return
        before = self._month.used
        self._month = replace(self._month, used=before + count)
        self._unsaved += count
        if self._unsaved >= _SAVE_AT or before < self._budget.monthly <= self._month.used:
            self._pressing.set()

    @property
    def used(self) -> int | None:
        """Bytes used this month, to be kept with the next acknowledgement; None without a budget."""
        return self._month.used if self._month is not None else None

    def kept(self, used: int | None) -> None:
        """So many of them are kept."""
        if used is not None and self._month is not None:
            self._unsaved = max(0, self._month.used - used)

    @property
    def _sure(self) -> bool:
        return self._clock.unsure_since is None

    # --- keeping it --------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow the month, keep what was used, and tell when it will not last. Until cancelled."""
        try:
            while True:
                self._pressing.clear()
                try:
                    await self._look()
                except AgentError as error:
                    log.warning("outlet.store", outlet=self._outlet, error=str(error))
                try:
                    async with asyncio.timeout(LOOK):
                        await self._pressing.wait()
                except TimeoutError:
                    pass
        finally:
            await self._last_save()

    async def _look(self) -> None:
        if self._budget is None:
            await self._without()
            return
        gt, wall = self._clock.gt(), self._wall()
        month = await self._loaded(self._budget, wall, gt)
        rolled = self._budget.roll(month, wall=wall, gt=gt, sure=self._sure)
        self._month = rolled
        now = self._budget.now(rolled, wall=wall, gt=gt, sure=self._sure)
        told = self._budget.judge(rolled, now)
        if rolled.since != month.since:
            log.info("budget.month", outlet=self._outlet, used=month.used)
            self.changed()
        if told != rolled.told:
            await self._tell(self._budget, told, now)
        elif rolled.since != month.since or self._due():
            await self._save()

    def _due(self) -> bool:
        late = self._boot() - self._saved_at >= _SAVE_AFTER
        return self._unsaved >= _SAVE_AT or (late and self._unsaved > 0)

    async def _loaded(self, budget: Budget, wall: int, gt: int) -> Month:
        if self._month is None:
            row = await budgets.load(self._database, self._outlet)
            month = budget.begin(wall, gt)
            if row is not None:
                month = Month(
                    since=row.since,
                    since_gt=row.since_gt,
                    counting=row.counting,
                    used=row.used,
                    told=cast("Told", row.told),
                )
            self._month = replace(month, used=month.used + self._unsaved)
            await self._save()
            self.changed()
        return self._month

    async def _tell(self, budget: Budget, told: Told, now: int) -> None:
        month = self._month
        if month is None:
            return
        header = self._clock.header()
        used, most = month.used, budget.monthly
        event: Event
        if told == "spent":
            event = BudgetSpent(**header, outlet=self._outlet, used=used, budget=most)
        elif told == "low":
            runs_out = budget.runs_out(month, now) or now
            event = BudgetLow(**header, outlet=self._outlet, used=used, budget=most, runs_out=runs_out)
        else:
            event = BudgetAmple(**header, outlet=self._outlet, used=used, budget=most)
        log.info("budget.told", outlet=self._outlet, now=told, used=used, budget=most)

        async def remember(transaction: aiosqlite.Connection) -> None:
            await budgets.save(transaction, self._outlet, _row(month, told))

        await self._intake.decide(event, also=remember)
        self._month = replace(self._month or month, told=told)
        self._kept()

    async def _without(self) -> None:
        """A budget that is no longer configured: what was told of it ends."""
        row = await budgets.load(self._database, self._outlet)
        if row is None:
            return
        if row.told != "ample":
            event = BudgetAmple(**self._clock.header(), outlet=self._outlet, used=row.used, budget=0)
            await self._intake.decide(event)
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall("DELETE FROM outlet_budget WHERE outlet = ?", (self._outlet,))

    async def _save(self) -> None:
        if self._month is None:
            return
        async with self._database.transaction() as transaction:
            await budgets.save(transaction, self._outlet, _row(self._month, self._month.told))
        self._kept()

    def _kept(self) -> None:
        self._unsaved, self._saved_at = 0, self._boot()

    async def _last_save(self) -> None:
        try:
            if self._unsaved:
                await self._save()
        except AgentError as error:
            log.warning("outlet.store", outlet=self._outlet, error=str(error))


def _row(month: Month, told: Told) -> budgets.Used:
    return budgets.Used(month.since, month.since_gt, month.counting, month.used, told)
