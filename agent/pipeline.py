"""The one ordered loop: take what is queued, decide, act locally at once, commit, then acknowledge and do the rest.

Groups form by themselves: whatever queued while the last fsync ran is committed together, and nothing waits on a timer
but numeric readings. When the log cannot be written the loop goes on deciding with a journal in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiosqlite
import structlog

from agent.clock import Clock, boot_now
from agent.effects.footage import answers, promise
from agent.errors import StoreDamaged, StoreError
from agent.failpoints import reach
from agent.intake import Input, Intake
from agent.journal import Decided, Journal
from agent.keeper import Keeper, Undecided
from agent.readings import Readings
from agent.rows import consequences, named_blobs, row
from agent.store import meta, promises, snapshots
from agent.store.log import Row
from agent.store.opening import Store
from rules.actions import Action, Pulse, SaveClip, SetLevel, TakeStill
from rules.errors import RulesError
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
        self._since_snapshot = SNAPSHOT_EVERY
        self._retry_at = 0
        await self._turn([])
        if self._failing is not None:
            log.error("store.left_behind", reason=self._failing, only_in_memory=len(self._journal))
            return
        now = self._clock.header()
        facts = {"clean": "1", "gt": str(now["gt"]), "wall": str(now["wall"]), "clock": now["clock"]}
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
        group.append(Decided(item=item, rows=_put_aside(item)))

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
        if packed is not None:
            group.append(Decided(item=None, rows=[row(packed, is_input=True)]))
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
        try:
            await self._commit(group)
        except (StoreError, StoreDamaged) as error:
            self._fail(str(error), group)
            return
        self._act(group)

    async def _commit(self, group: list[Decided], *, whole: bool = True) -> None:
        """One transaction. `whole`: nothing that was decided is left outside it, so a snapshot belongs here."""
        store = self._store
        due = whole and self._snapshot_due
        async with store.database.transaction() as transaction:
            await store.log.append(transaction, [row for decided in group for row in decided.rows])
            for decided in group:
                await self._note_promises(transaction, decided)
                if decided.item is None:
                    continue
                if decided.item.also is not None:
                    await decided.item.also(transaction)
                blobs = named_blobs(decided.item.fact)
                if blobs:
                    await store.blobs.add(transaction, blobs, pos=decided.item.fact.gt or 0)
            if due:
                data = self._keeper.snapshot()
                wall = self._clock.header()["wall"]
                await snapshots.save(transaction, data=data, site_sha256=self._site_sha256, wall=wall)
            reach("store.before_commit")
        store.log.committed()
        if due:
            self._since_snapshot = 0
        reach("store.after_commit_before_ack")
        for decided in group:
            decided.settle()
        reach("store.after_ack")

    async def _note_promises(self, transaction: aiosqlite.Connection, decided: Decided) -> None:
        asked = [
            promise(action, self._clock) for action in decided.actions if isinstance(action, SaveClip | TakeStill)
        ]
        fact = decided.item.fact if decided.item is not None else None
        answered = answers(fact) if isinstance(fact, Event) else None
        if asked or answered is not None:
            await promises.change(transaction, add=asked, drop=[answered] if answered is not None else [])

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
        try:
            await self._store.database.reopen()
            await self._store.log.load()
            journalled = len(self._journal)
            while held := self._journal.first(GROUP):
                await self._leave_out_written(held)
                await self._commit(held, whole=False)
                self._journal.written(len(held))
            acked, given_up = self._journal.acked_before_durable, self._journal.given_up
            facts: list[Event | Entry] = [
                StoreRestored(**self._clock.header(), journalled=journalled, acked_before_durable=acked)
            ]
            if given_up:
                why = "the log could not be written for so long that the oldest facts in memory were given up"
                facts.append(LogGap(**self._clock.header(), count=given_up, reason=why))
                self._since_snapshot = SNAPSHOT_EVERY  # a replay could not make what follows from the missing ones
            told: list[Decided] = []
            for fact in facts:
                self._decide(Input(fact=fact), told)
            await self._commit(told)
        except (StoreError, StoreDamaged) as error:
            self._failing = str(error)
            self._retry_pause = min(self._retry_pause * 2, _RETRY_LONGEST)
            self._retry_at = self._clock.gt() + self._retry_pause
            return
        log.info("store.restored", journalled=journalled, acked_before_durable=acked, given_up=given_up)
        self._failing = None
        self._journal.clear_marker()

    async def _leave_out_written(self, held: list[Decided]) -> None:
        """A commit whose fsync failed may be in the file all the same: its rows are not written twice."""
        seen = await self._store.log.known([row.id for decided in held for row in decided.rows])
        for decided in held:
            fresh = []
            for each in decided.rows:
                if each.id not in seen:
                    seen.add(each.id)
                    fresh.append(each)
            self._journal.replace_rows(decided, fresh)


def _rows(actions: list[Action]) -> list[Row]:
    return list(consequences(actions))


def _put_aside(item: Input) -> list[Row]:
    """The row of a fact that was not decided: kept, and no input of a replay."""
    try:
        return [row(item.fact, data=item.data, is_input=False)]
    except RulesError:  # it cannot even be written down; that it was there is told
        return []
