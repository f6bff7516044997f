"""The deciding half of the loop: facts become decisions, in order and in memory, and the building is commanded at once.

No disk is asked here. What was decided waits, in the engine's order, until `take` hands it to the writer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from agent.clock import Clock
from agent.commit import State
from agent.fault import path_to
from agent.intake import Input
from agent.journal import Decided, Journal
from agent.keeper import Keeper, Undecided
from agent.readings import Readings
from agent.rows import consequences, row, undecided
from agent.store.ballast import Ballast
from agent.store.log import Row
from rules.actions import Action, Pulse, SaveClip, SetLevel, TakeStill
from rules.events import EngineFailed, Event, LogGap, Reading, TimePassed
from rules.incidents import Entry

log = structlog.get_logger()

SNAPSHOT_EVERY = 2000  # inputs
_MOST_TIMERS = 50  # deadlines that may fail before one fact; then the fact is put aside, and the next one goes on


@dataclass(frozen=True, slots=True)
class Effects:
    """Where decisions go. No call may block. `unlogged` is told the rows that cannot be written just now, so that a
    relay hears of them although they are durable nowhere yet."""

    output: Callable[[SetLevel | Pulse], None]
    media: Callable[[SaveClip | TakeStill], None]
    unlogged: Callable[[Sequence[Row]], None]


class Decider:
    """`undurable` holds the ids of repeatable facts that were decided and are not in the log yet."""

    def __init__(
        self,
        *,
        keeper: Keeper,
        clock: Clock,
        output: Callable[[SetLevel | Pulse], None],
        journal: Journal,
        site_sha256: str,
        ballast: Ballast,
    ) -> None:
        self._keeper = keeper
        self._clock = clock
        self._output = output
        self._journal = journal
        self._site_sha256 = site_sha256
        self._ballast = ballast
        self._readings = Readings()
        self._waiting: list[Decided] = []
        self._since_snapshot = SNAPSHOT_EVERY  # the first commit of a run writes one
        self._unwritten = 0  # readings
        self._closing = False
        self.undurable: set[str] = set()

    def __len__(self) -> int:
        """How many decisions wait for the writer."""
        return len(self._waiting)

    @property
    def due(self) -> int | None:
        """Gateway time (µs) of the next thing that is to be done without a new fact; None when there is none."""
        moments = (self._keeper.engine.next_wake(), self._readings.due)
        return min((moment for moment in moments if moment is not None), default=None)

    @property
    def snapshot_due(self) -> bool:
        """Whether the next commit shall hold a state of the engine, whatever else there is to write."""
        return self._since_snapshot >= SNAPSHOT_EVERY

    def want_snapshot(self) -> None:
        """A replay could not make what follows: the next commit holds a state."""
        self._since_snapshot = SNAPSHOT_EVERY

    # --- facts ---------------------------------------------------------------------------------------------------

    def lapse(self) -> None:
        """Tell the engine the time, if it has asked to be told."""
        wake = self._keeper.engine.next_wake()
        if wake is not None and wake <= self._clock.gt():
            self.decide(Input(fact=TimePassed(**self._clock.header())))

    def repeated(self, item: Input) -> None:
        """A fact that is decided already: its sender is let go once what was decided before it is durable."""
        self._waiting.append(Decided(item=item, rows=[]))

    def put(self, item: Input) -> None:
        """Decide. Only a live reading may wait to be packed: that row cannot say that one was retained or came
        again."""
        if isinstance(item.fact, Reading) and item.fact.delivery == "live":
            self._hear(item, item.fact)
        else:
            self.decide(item)

    def _hear(self, item: Input, reading: Reading) -> None:
        """A reading is decided and acknowledged at once; its row waits to be packed, unless something follows."""
        if not self._readings.fits(reading):
            self._pack()
        try:
            actions, rows = self._keeper.step(self._readings.hold(reading), _rows)
        except Undecided:
            self._readings.let_go()
            self.decide(item)  # once more, with a row of its own
            return
        self._act(actions)
        Decided(item=item, rows=[], actions=actions).settle()
        if rows:
            self._pack()
            self._waiting.append(Decided(item=None, rows=rows, actions=actions))

    def decide(self, item: Input) -> None:
        """Decide, with a row of its own. What was heard before it stands before it."""
        self._pack()
        if item.repeatable:
            self.undurable.add(item.fact.id)

        def write(actions: list[Action]) -> list[Row]:
            return [row(item.fact, data=item.data, is_input=True), *consequences(actions)]

        for _ in range(_MOST_TIMERS):
            try:
                actions, rows = self._keeper.step(item.fact, write)
            except Undecided as failure:
                self._failed(item.fact, failure)
                if failure.timer is None:
                    break
            else:
                self._act(actions)
                self._since_snapshot += 1
                self._waiting.append(Decided(item=item, rows=rows, actions=actions))
                return
        self._waiting.append(Decided(item=item, rows=undecided(item.fact, data=item.data)))

    def _failed(self, fact: Event | Entry, failure: Undecided) -> None:
        """The program has a fault here: it is told, an incident is opened, and everything else goes on. What was not
        decided is in the log, but no replay meets it again."""
        about = {"fact": fact.id, "told": fact.kind, "of": fact.about if isinstance(fact, Event) else fact.incident}
        whose = about if failure.timer is None else {"timer": failure.timer}
        log.error("engine.failed", reason=str(failure), **whose)
        if isinstance(fact, EngineFailed) and failure.timer is None:
            return  # it fails even at that
        self.decide(Input(fact=EngineFailed(**self._clock.header(), cause=fact.id, reason=str(failure), **whose)))

    def _act(self, actions: list[Action]) -> None:
        """Sirens, strobes, locks: before the disk is asked."""
        for action in actions:
            if isinstance(action, SetLevel | Pulse):
                self._output(action)

    # --- readings ------------------------------------------------------------------------------------------------

    def tidy(self) -> None:
        """Write the readings that are due, and tell of those that were not written once there is room again."""
        due = self._readings.due
        if due is not None and due <= self._clock.gt():
            self._pack()
        if self._unwritten and (self._closing or not self._ballast.short):
            self._tell_unwritten()

    def close(self) -> None:
        """The last commit follows: whatever was held back for want of room is told now, and a state is written."""
        self._closing = True
        self._pack()
        self.tidy()
        self.want_snapshot()

    def _pack(self) -> None:
        """What was heard before anything else stands before it: the log's order is the engine's order."""
        packed = self._readings.pack()
        if packed is not None and self._ballast.short:
            self.leave_out(len(packed.kinds))
        elif packed is not None:
            self._waiting.append(Decided(item=None, rows=[row(packed, is_input=True)], readings=len(packed.kinds)))
            self._since_snapshot += 1 + len(packed.kinds) // 10  # they too are replayed, if quickly

    def leave_out(self, count: int) -> None:
        """Readings that were acknowledged are not written: they are counted, and told once there is room."""
        self._journal.mark()
        self._unwritten += count

    @property
    def unwritten(self) -> int:
        """Readings that were left out and are not told of yet."""
        return self._unwritten

    def _tell_unwritten(self) -> None:
        count, self._unwritten = self._unwritten, 0
        self.want_snapshot()  # a replay could not make what follows from the missing ones
        log.warning("readings.unwritten", count=count)
        gap = LogGap(**self._clock.header(), count=count, reason="there was no room to write readings")
        self.decide(Input(fact=gap, acknowledge=self._told_unwritten))

    def _told_unwritten(self) -> None:
        if not self._unwritten and not len(self._journal):
            self._journal.unmark()

    # --- what waits ----------------------------------------------------------------------------------------------

    def take(self) -> tuple[list[Decided], State | None]:
        """All that waits, and if one is due the engine's state right after it. Nothing decided is left outside."""
        state = None
        if self.snapshot_due:
            self._pack()
            state = self._state()
            self._since_snapshot = 0
        waiting, self._waiting = self._waiting, []
        return waiting, state

    def take_aside(self) -> list[Decided]:
        """All that waits, with the readings, for the memory."""
        self._pack()
        waiting, self._waiting = self._waiting, []
        return waiting

    def _state(self) -> State | None:
        try:
            return State(data=self._keeper.snapshot(), site_sha256=self._site_sha256)
        except Exception as error:  # noqa: BLE001 - a restart then replays more; the log can be written all the same
            log.error("snapshot.failed", error=path_to(error))
            return None

    def settled(self, group: Sequence[Decided]) -> None:
        """These are in the log, or the journal answers for them."""
        for decided in group:
            if decided.item is not None and decided.item.repeatable:
                self.undurable.discard(decided.item.fact.id)


def _rows(actions: list[Action]) -> list[Row]:
    return list(consequences(actions))
