"""The one ordered loop: take what is queued, decide, act locally at once, commit, then acknowledge and do the rest.

Groups form by themselves: whatever queued while the last fsync ran is committed together, and nothing waits on a timer
but numeric readings. When the log cannot be written the loop goes on deciding with a journal in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from agent import backlog
from agent.clock import Clock, boot_now
from agent.commit import State, commit
from agent.disks import told_released
from agent.errors import StoreDamaged, StoreError, StoreFull
from agent.failpoints import reach
from agent.fault import path_to, where
from agent.intake import Input, Intake
from agent.journal import Decided, Journal
from agent.keeper import Keeper, Undecided
from agent.outlets.succession import untold
from agent.readings import Readings
from agent.rows import consequences, row, undecided
from agent.store import floors, meta
from agent.store.ballast import Ballast
from agent.store.log import Row
from agent.store.opening import Store
from agent.store.rescuer import Rescuer
from rules.actions import Action, Pulse, SaveClip, SetLevel, TakeStill
from rules.events import EngineFailed, Event, LogGap, Reading, StoreFailed, StoreRestored, TimePassed
from rules.incidents import Entry

log = structlog.get_logger()

GROUP = 500
SNAPSHOT_EVERY = 2000  # inputs
BEAT = 5_000_000  # µs: the loop turns at least this often, which the watchdog sees
_MOST_TIMERS = 50  # deadlines that may fail before one fact; then the fact is put aside, and the next one goes on
_RETRY_FIRST, _RETRY_LONGEST = 500_000, 10_000_000


@dataclass(frozen=True, slots=True)
class Effects:
    """Where decisions go. No call may block. `unlogged` is told the rows that cannot be written just now, so that a
    relay hears of them although they are durable nowhere yet."""

    output: Callable[[SetLevel | Pulse], None]
    media: Callable[[SaveClip | TakeStill], None]
    unlogged: Callable[[Sequence[Row]], None]


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
        self._keeper = keeper
        self._store = store
        self._clock = clock
        self._effects = effects
        self._journal = journal
        self._site_sha256 = site_sha256
        self._readings = Readings()
        self._since_snapshot = SNAPSHOT_EVERY  # the first commit of a run writes one
        self._ballast = ballast
        self._rescuer = rescuer
        self._rescued = 0
        self._unwritten = 0  # readings
        self._closing = False
        self._failing: str | None = None
        self._retry_at = 0
        self._retry_pause = _RETRY_FIRST
        self.progress = boot_now()

    @property
    def trouble(self) -> str | None:
        """Why the log cannot be written just now; None when it can."""
        return self._failing

    async def run(self) -> None:
        """Turn until cancelled; a turn that has begun is finished first."""
        while True:
            items = await self._next()
            turn = asyncio.create_task(self._turn(items), name="pipeline.turn")
            try:
                await asyncio.shield(turn)
            except asyncio.CancelledError:
                await turn
                raise

    async def finish(self) -> None:
        """After the last turn: decide what is still queued, write a snapshot, and mark the stop as clean."""
        while len(self._intake):
            await self._turn(await self._intake.take(GROUP))
        if self._rescuer is not None:
            await self._rescuer.settled()
        self._since_snapshot = SNAPSHOT_EVERY
        self._retry_at = 0
        self._closing = True
        await self._turn([])
        if self._failing is not None:
            log.error("store.left_behind", reason=self._failing, only_in_memory=len(self._journal))
            return
        now = self._clock.header()
        facts = {"clean": "1", "gt": str(now["gt"]), "wall": str(now["wall"]), "clock": now["clock"]}
        facts |= floors.written(self._clock)
        try:
            async with self._store.database.transaction() as transaction:
                await meta.write(transaction, facts)
        except (StoreError, StoreDamaged) as error:  # everything is in the log; only the stop will not count as clean
            log.error("store.failed", reason=str(error))

    @property
    def _snapshot_due(self) -> bool:
        return self._since_snapshot >= SNAPSHOT_EVERY

    # --- one turn ------------------------------------------------------------------------------------------------

    async def _next(self) -> list[Input]:
        """Inputs, or an empty list when something is due: a wake-up, readings, a retry of the store, the beat."""
        now = self._clock.gt()
        due = [now + BEAT]
        for moment in (self._keeper.engine.next_wake(), self._readings.due):
            if moment is not None:
                due.append(moment)
        if self._failing is not None:
            due.append(self._retry_at)
        wait = max(0, min(due) - now) / 1e6
        try:
            async with asyncio.timeout(wait):
                return await self._intake.take(GROUP)
        except TimeoutError:
            return []

    async def _turn(self, items: list[Input]) -> None:
        self.progress = boot_now()
        group: list[Decided] = []
        wake = self._keeper.engine.next_wake()
        if wake is not None and wake <= self._clock.gt():
            self._decide(Input(fact=TimePassed(**self._clock.header())), group)
        for item in await self._unknown(items, group):
            # Only a live reading may wait: a packed row cannot say that one was retained or came again.
            if isinstance(item.fact, Reading) and item.fact.delivery == "live":
                self._hear(item, item.fact, group)
            else:
                self._decide(item, group)
        due = self._readings.due
        if self._snapshot_due or self._failing is not None or (due is not None and due <= self._clock.gt()):
            self._write_readings(group)
        if self._unwritten and (self._closing or not self._ballast.short):
            self._tell_unwritten(group)
        if group or self._snapshot_due or self._failing is not None:
            reach("pipeline.after_outputs_before_commit")
            await self._keep(group)

    async def _unknown(self, items: list[Input], group: list[Decided]) -> list[Input]:
        """The inputs the log does not have yet. What others made or keep can come again for ever."""
        repeatable = [item.fact.id for item in items if item.repeatable]
        if not repeatable:
            return items
        try:
            known = await self._store.log.known(repeatable)
        except (StoreError, StoreDamaged):
            known = set()
        fresh: list[Input] = []
        for item in items:
            if item.repeatable and (item.fact.id in known or self._journal.knows(item.fact.id)):
                group.append(Decided(item=item, rows=[]))
            else:
                fresh.append(item)
                if item.repeatable:
                    known.add(item.fact.id)
        return fresh

    def _hear(self, item: Input, reading: Reading, group: list[Decided]) -> None:
        """A reading is decided and acknowledged at once; its row waits to be packed, unless something follows."""
        if not self._readings.fits(reading):
            self._write_readings(group)
        try:
            actions, rows = self._keeper.step(self._readings.hold(reading), _rows)
        except Undecided:
            self._readings.let_go()
            self._decide(item, group)  # once more, with a row of its own
            return
        self._act_locally(actions)
        Decided(item=item, rows=[], actions=actions).settle()
        if rows:
            self._write_readings(group)
            group.append(Decided(item=None, rows=rows, actions=actions))

    def _decide(self, item: Input, group: list[Decided]) -> None:
        self._write_readings(group)

        def write(actions: list[Action]) -> list[Row]:
            return [row(item.fact, data=item.data, is_input=True), *consequences(actions)]

        for _ in range(_MOST_TIMERS):
            try:
                actions, rows = self._keeper.step(item.fact, write)
            except Undecided as failure:
                self._failed(item.fact, failure, group)
                if failure.timer is None:
                    break
            else:
                self._act_locally(actions)
                self._since_snapshot += 1
                group.append(Decided(item=item, rows=rows, actions=actions))
                return
        group.append(Decided(item=item, rows=undecided(item.fact, data=item.data)))

    def _failed(self, fact: Event | Entry, failure: Undecided, group: list[Decided]) -> None:
        """The program has a fault here: it is told, an incident is opened, and everything else goes on. What was not
        decided is in the log, but no replay meets it again."""
        about = {"fact": fact.id, "told": fact.kind, "of": fact.about if isinstance(fact, Event) else fact.incident}
        whose = about if failure.timer is None else {"timer": failure.timer}
        log.error("engine.failed", reason=str(failure), **whose)
        if isinstance(fact, EngineFailed) and failure.timer is None:
            return  # it fails even at that
        told = Input(fact=EngineFailed(**self._clock.header(), cause=fact.id, reason=str(failure), **whose))
        self._decide(told, group)

    def _write_readings(self, group: list[Decided]) -> None:
        """What was heard before anything else stands before it: the log's order is the engine's order."""
        packed = self._readings.pack()
        if packed is not None and self._ballast.short:
            self._leave_out(len(packed.kinds))
        elif packed is not None:
            group.append(Decided(item=None, rows=[row(packed, is_input=True)], readings=len(packed.kinds)))
            self._since_snapshot += 1 + len(packed.kinds) // 10  # they too are replayed, if quickly

    def _act_locally(self, actions: list[Action]) -> None:
        """Sirens, strobes, locks: before the disk is asked."""
        for action in actions:
            if isinstance(action, SetLevel | Pulse):
                self._effects.output(action)

    def _act(self, group: list[Decided]) -> None:
        for decided in group:
            for action in decided.actions:
                if isinstance(action, SaveClip | TakeStill):
                    self._effects.media(action)

    # --- the disk --------------------------------------------------------------------------------------------------

    async def _keep(self, group: list[Decided]) -> None:
        if self._failing is not None:
            self._put_aside(group)
            if self._clock.gt() >= self._retry_at:
                await self._recover()
            return
        broken = self._store.database.broken
        if self._rescuer is not None and broken is not None:  # somebody's reading met it
            self._fail(broken, group)
            return
        if await self._written(group):
            self._act(group)

    async def _written(self, group: list[Decided]) -> bool:
        """Commit. Where there is no room the ballast is given up, then the readings; only then the log has failed."""
        while True:
            try:
                await self._commit(group)
            except StoreFull as error:
                if not self._make_room(group):
                    self._fail(str(error), group)
                    return False
            except (StoreError, StoreDamaged) as error:
                self._fail(str(error), group)
                return False
            except Exception as error:  # noqa: BLE001 - what was decided must not be lost by a fault in writing it
                log.error("commit.crashed", error=path_to(error))
                self._fail(where(error), group)
                return False
            else:
                return True

    async def _commit(self, group: list[Decided]) -> None:
        """One transaction; nothing that was decided is left outside it, so a snapshot belongs here."""
        state = self._state() if self._snapshot_due else None
        await commit(self._store, group, clock=self._clock, state=state)
        if state is not None:
            self._since_snapshot = 0

    def _state(self) -> State | None:
        try:
            return State(data=self._keeper.snapshot(), site_sha256=self._site_sha256)
        except Exception as error:  # noqa: BLE001 - a restart then replays more; the log can be written all the same
            log.error("snapshot.failed", error=path_to(error))
            self._since_snapshot = 0
            return None

    def _make_room(self, group: list[Decided]) -> bool:
        """Give up the next thing that can be; whether there was any, and so whether it is worth trying again."""
        if self._ballast.release():
            self._decide(told_released(self._ballast, self._clock), group)
            return True
        self._ballast.short = True
        readings = [decided for decided in group if decided.readings]
        for decided in readings:
            self._leave_out(decided.readings)
            group.remove(decided)
        return bool(readings and group)

    def _leave_out(self, count: int) -> None:
        """Readings that were acknowledged are not written: they are counted, and told once there is room."""
        self._journal.mark()
        self._unwritten += count

    def _tell_unwritten(self, group: list[Decided]) -> None:
        count, self._unwritten = self._unwritten, 0
        self._since_snapshot = SNAPSHOT_EVERY  # a replay could not make what follows from the missing ones
        why = "there was no room to write readings"
        gap = LogGap(**self._clock.header(), count=count, reason=why)
        log.warning("readings.unwritten", count=count)
        self._decide(Input(fact=gap, acknowledge=self._told_unwritten), group)

    def _rescue_first(self) -> None:
        """A damaged file is not written to: it is rescued, beside the decisions. StoreError until that is done."""
        broken = self._store.database.broken
        if self._rescuer is not None and broken is not None:
            self._rescuer.begin(broken)
            raise StoreError(broken)

    async def _told_of_rescue(self) -> list[Input]:
        if self._rescuer is None or self._rescuer.done == self._rescued:
            return []
        self._rescued = self._rescuer.done
        return await untold(self._store.database, self._clock)

    def _told_unwritten(self) -> None:
        if self._failing is None and not self._unwritten:
            self._journal.unmark()

    def _fail(self, reason: str, group: list[Decided]) -> None:
        """The log cannot be written: say so, keep what was decided in memory, and go on."""
        log.error("store.failed", reason=reason)
        self._failing = reason
        self._retry_pause = _RETRY_FIRST
        self._retry_at = self._clock.gt() + self._retry_pause
        self._decide(Input(fact=StoreFailed(**self._clock.header(), reason=reason)), group)
        self._put_aside(group)

    def _put_aside(self, group: list[Decided]) -> None:
        """Act now, tell the relays what is not durable, and keep it in memory until it can be written."""
        self._journal.extend(group)
        self._act(group)
        rows = [row for decided in group for row in decided.rows if row.lane is not None]
        if rows:
            self._effects.unlogged(rows)

    async def _recover(self) -> None:
        """Open the file anew (one whose fsync failed is not trusted), write the journal in order, say how it was."""
        told: list[Decided] = []
        try:
            self._rescue_first()
            written = await backlog.write(self._store, self._journal, clock=self._clock)
            acked, given_up = self._journal.acked_before_durable, self._journal.given_up
            restored = StoreRestored(**self._clock.header(), journalled=written.journalled, acked_before_durable=acked)
            self._decide(Input(fact=restored), told)
            if given_up:
                why = "the log could not be written for so long that the oldest facts in memory were given up"
                self._decide(Input(fact=LogGap(**self._clock.header(), count=given_up, reason=why)), told)
            for item in [*written.spoilt, *await self._told_of_rescue()]:
                self._decide(item, told)
            if given_up or written.lost or self._rescued:
                self._since_snapshot = SNAPSHOT_EVERY  # a replay could not make what follows from the missing ones
            await self._commit(told)
        except (StoreError, StoreDamaged) as error:
            self._journal.extend(told)
            self._failing = str(error)
            self._retry_pause = min(self._retry_pause * 2, _RETRY_LONGEST)
            if isinstance(error, StoreFull) and self._ballast.release():  # the disks' watch tells it
                self._retry_pause = _RETRY_FIRST
            self._retry_at = self._clock.gt() + self._retry_pause
            return
        log.info("store.restored", journalled=written.journalled, acked_before_durable=acked, given_up=given_up)
        self._failing = None
        self._journal.clear_marker(keep=bool(self._unwritten))


def _rows(actions: list[Action]) -> list[Row]:
    return list(consequences(actions))
