"""The writing half of the loop: what was decided goes into the log, in order, one transaction at a time.

Theory of operation. While one transaction is on its way to the disk, the decisions that follow queue up and become the
next one: groups form by themselves, and nobody who decides waits for a disk. When the log cannot be written, or the
disk has not answered for ten seconds, decisions go into the journal in memory instead; once the file can be written
again the journal is written first, then that it was so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial

import structlog

from agent import backlog
from agent.clock import Clock
from agent.commit import State, commit
from agent.decider import Decider, Effects
from agent.disks import told_released
from agent.errors import StoreDamaged, StoreError, StoreFull
from agent.failpoints import reach
from agent.fault import path_to, where
from agent.intake import Input
from agent.journal import Decided, Journal
from agent.outlets.succession import untold
from agent.store.ballast import Ballast
from agent.store.opening import Store
from agent.store.rescuer import Rescuer
from rules.actions import SaveClip, TakeStill
from rules.events import LogGap, StoreFailed, StoreRestored

log = structlog.get_logger()

# Decisions that may wait for a busy disk. When so many do, nothing more is decided until it answers or is given up.
MOST = 10_000
PATIENCE = 10_000_000  # µs a transaction may take before the disk counts as failed
_RETRY_FIRST, _RETRY_LONGEST = 500_000, 10_000_000


class Writer:
    """Begun by `run`; whoever has decided something calls `wake`."""

    def __init__(
        self,
        *,
        decider: Decider,
        store: Store,
        journal: Journal,
        clock: Clock,
        effects: Effects,
        ballast: Ballast,
        rescuer: Rescuer | None,
    ) -> None:
        self._decider = decider
        self._store = store
        self._journal = journal
        self._clock = clock
        self._effects = effects
        self._ballast = ballast
        self._rescuer = rescuer
        self._rescued = 0
        self._disk: asyncio.Task[None] | None = None  # the one transaction, or the one return to the file
        self._begun = 0
        self._group: list[Decided] = []  # what that transaction writes
        self._aside = False  # decisions go into the journal
        self._reason: str | None = None
        self._retry_at = 0
        self._retry_pause = _RETRY_FIRST
        self._failures = 0  # returns to the file that failed
        self._woken = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def trouble(self) -> str | None:
        """Why the log cannot be written just now; None when it can, and says so."""
        return self._reason

    def wake(self) -> None:
        """There may be something to write."""
        self._woken.set()
        if len(self._decider) >= MOST:
            self._room.clear()

    async def room(self) -> None:
        """Wait until more may be decided."""
        await self._room.wait()

    async def run(self) -> None:
        """Write until cancelled; what was decided by then is written."""
        try:
            while True:
                await self._due()
                self._step()
        except asyncio.CancelledError:
            await self.settle()
            raise

    async def settle(self) -> bool:
        """Write what waits, with one attempt if the log has failed. Whether everything is in the log."""
        self._retry_at = 0
        failures = self._failures
        while self._failures == failures:
            self._step()
            if self._disk is None:
                break
            await asyncio.wait({self._disk})
        return not self._aside

    async def _due(self) -> None:
        until: int | None = None
        if self._aside:
            until = self._retry_at if self._disk is None else None
        elif self._disk is not None:
            until = self._begun + PATIENCE
        wait = None if until is None else max(0, until - self._clock.gt()) / 1e6
        try:
            async with asyncio.timeout(wait):
                await self._woken.wait()
        except TimeoutError:
            pass

    def _step(self) -> None:
        """Look once what there is to do, and begin it. Waits for nothing."""
        self._woken.clear()
        if self._disk is not None and self._disk.done():
            finished, self._disk = self._disk, None
            finished.result()
        if self._aside:
            self._put_aside(self._decider.take_aside())
            if self._disk is None and self._clock.gt() >= self._retry_at:
                self._begin(self._return())
        elif self._disk is not None:
            if self._clock.gt() - self._begun >= PATIENCE:
                self._fail(f"the disk has not answered for {PATIENCE // 1_000_000} s", self._group)
        elif self._rescuer is not None and self._store.database.broken is not None:  # somebody's reading met it
            self._fail(self._store.database.broken, [])
        elif len(self._decider) or self._decider.snapshot_due:
            self._begin(self._commit())
        if len(self._decider) < MOST:
            self._room.set()

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._begun = self._clock.gt()
        self._disk = asyncio.create_task(work, name="log.write")
        self._disk.add_done_callback(lambda _: self._woken.set())

    # --- one transaction -----------------------------------------------------------------------------------------

    async def _commit(self) -> None:
        group, state = self._decider.take()
        self._group = group
        self._room.set()
        reach("pipeline.after_outputs_before_commit")
        failure = await self._written(group, state)
        self._group = []
        if failure is not None and state is not None:
            self._decider.want_snapshot()
        if self._aside:  # it took too long: the group is in the journal meanwhile
            if failure is None:
                self._journal.settled(group)
            self._retry_at = 0
        elif failure is None:
            self._decider.settled(group)
            self._act(group)
            self._retry_pause = _RETRY_FIRST
        else:
            self._fail(failure, group)

    async def _written(self, group: list[Decided], state: State | None) -> str | None:
        """Commit, and why it could not be. Where there is no room the ballast is given up, then the readings; only then
        the log has failed."""
        while True:
            try:
                await commit(self._store, group, clock=self._clock, state=state)
            except StoreFull as error:
                if self._aside or not self._make_room(group):
                    return str(error)
                if state is not None:  # it must be the one right after what is written with it
                    self._decider.want_snapshot()
                more, state = self._decider.take()
                group += more
            except (StoreError, StoreDamaged) as error:
                return str(error)
            except Exception as error:  # noqa: BLE001 - what was decided must not be lost by a fault in writing it
                log.error("commit.crashed", error=path_to(error))
                return where(error)
            else:
                return None

    def _make_room(self, group: list[Decided]) -> bool:
        """Give up the next thing that can be; whether there was any, and so whether it is worth trying again."""
        if self._ballast.release():
            self._decider.decide(told_released(self._ballast, self._clock))
            return True
        self._ballast.short = True
        readings = [decided for decided in group if decided.readings]
        for decided in readings:
            self._decider.leave_out(decided.readings)
            group.remove(decided)
        return bool(readings and group)

    def _act(self, group: Sequence[Decided]) -> None:
        for decided in group:
            for action in decided.actions:
                if isinstance(action, SaveClip | TakeStill):
                    self._effects.media(action)

    # --- without a disk ------------------------------------------------------------------------------------------

    def _fail(self, reason: str, group: list[Decided]) -> None:
        """The log cannot be written: say so, keep what was decided in memory, and go on."""
        log.error("store.failed", reason=reason)
        self._aside = True
        self._reason = reason
        self._retry_at = self._clock.gt() + self._retry_pause
        self._decider.decide(Input(fact=StoreFailed(**self._clock.header(), reason=reason)))
        self._put_aside([*group, *self._decider.take_aside()])

    def _put_aside(self, group: list[Decided]) -> None:
        """Act now, tell the relays what is not durable, and keep it in memory until it can be written."""
        self._journal.extend(group)
        self._decider.settled(group)
        self._act(group)
        rows = [row for decided in group for row in decided.rows if row.lane is not None]
        if rows:
            self._effects.unlogged(rows)

    async def _return(self) -> None:
        """Open the file anew (one whose fsync failed is not trusted), write the journal in order, say how it was."""
        try:
            self._rescue_first()
            await backlog.reopen(self._store)
            rescues = self._rescuer.done if self._rescuer is not None else 0
            moved = await untold(self._store.database, self._clock) if rescues != self._rescued else []
            written = await backlog.write(self._store, self._journal, clock=self._clock)
        except (StoreError, StoreDamaged) as error:
            self._reason = str(error)
            self._retry_pause = min(self._retry_pause * 2, _RETRY_LONGEST)
            if isinstance(error, StoreFull) and self._ballast.release():  # the disks' watch tells it
                self._retry_pause = _RETRY_FIRST
            self._retry_at = self._clock.gt() + self._retry_pause
            self._failures += 1
            return
        # Nothing waits from here to the end: what is decided next stands after the journal, in the log.
        self._aside = False
        acked, given_up = self._journal.counted()
        restored = StoreRestored(**self._clock.header(), journalled=written.journalled, acked_before_durable=acked)
        told = partial(self._told, journalled=written.journalled, acked_before_durable=acked, given_up=given_up)
        self._decider.decide(Input(fact=restored, acknowledge=told))
        if given_up:
            why = "the log could not be written for so long that the oldest facts in memory were given up"
            self._decider.decide(Input(fact=LogGap(**self._clock.header(), count=given_up, reason=why)))
        for item in [*written.spoilt, *moved]:
            self._decider.decide(item)
        if given_up or written.lost or moved:
            self._decider.want_snapshot()  # a replay could not make what follows from the missing ones
        self._rescued = rescues

    def _rescue_first(self) -> None:
        """A damaged file is not written to: it is rescued, beside the decisions. StoreError until that is done."""
        broken = self._store.database.broken
        if self._rescuer is not None and broken is not None:
            self._rescuer.begin(broken)
            raise StoreError(broken)

    def _told(self, *, journalled: int, acked_before_durable: int, given_up: int) -> None:
        """That it can be written again is itself in the log."""
        if self._aside:  # it was let go from a journal: the disk has failed again
            return
        log.info(
            "store.restored", journalled=journalled, acked_before_durable=acked_before_durable, given_up=given_up
        )
        self._reason = None
        if not self._decider.unwritten:
            self._journal.unmark()
