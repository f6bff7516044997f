"""The engine: an event goes in, actions come out. It has no clock and does no I/O; waiting is data.

Theory of operation. One fact is one *turn*. What was due before it happens first, each timer at its own time, so that
it makes no difference when somebody looks at the clock. Then the rules that listen to the fact are tested against what
was known *before* it; the memory takes it in; the machines (panel, access, calendar) say what it means, local outputs
first; then the rules that held act, and every fact the machines made is offered to the rules in turn.

A device that says again what it said before changes nothing. State the broker kept (`retained`) is remembered and fires
no rule; a message that came again (`redelivered`) may still open an incident, but its pulses are withheld; one that was
overtaken (`late`) may raise an alarm and leaves no trace in the memory. Every id is derived from the cause, so a replay
makes the same ones; what the engine itself made (`MadeEvent`) is known already when the log brings it back.
"""

from __future__ import annotations

from typing import Any

from rules.access.access import Access
from rules.actions import Action, WakeMe
from rules.calendar.calendar import Calendar
from rules.casebook import Casebook
from rules.commands import Commands
from rules.document.site import Site
from rules.events import (
    Boot,
    ClockDoubted,
    ClockStepped,
    ClockTrusted,
    CommandReceived,
    DeviceEvent,
    EngineFailed,
    Event,
    StorageAmple,
    StorageFull,
    StoreRecovered,
    TimePassed,
)
from rules.incidents import Entry
from rules.inputs import said
from rules.machine import Machine, overriding
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.rulebook.rulebook import Rulebook
from rules.state import State, dump, parse
from rules.timers import Timers
from rules.turn import Turn, Why
from rules.units import MINUTE

_INPUTS = (
    DeviceEvent, CommandReceived, TimePassed, Boot, ClockStepped, ClockDoubted, ClockTrusted, EngineFailed,
    StorageFull, StorageAmple, StoreRecovered,
)  # fmt: skip
_FAILURES_TOGETHER = 5 * MINUTE


class Engine:
    """One site's decisions. `origin` is the gateway's id: it signs the entries the engine makes. `trace` says of the
    last step what was decided and why."""

    def __init__(self, *, site: Site, site_sha256: str, origin: str, state: State | None = None) -> None:
        self._site = site
        self._sha256 = site_sha256
        self._state = state = state or State()
        self._timers = timers = Timers(state.timers)
        outputs = Outputs(levels=state.levels, timers=timers)
        self._casebook = casebook = Casebook(incidents=state.incidents, origin=origin)
        self._panel = panel = Panel(site=site, memory=state.panel, timers=timers, outputs=outputs, casebook=casebook)
        self._access = access = Access(
            site=site, memory=state.access, timers=timers, outputs=outputs, casebook=casebook, panel=panel
        )
        self._rulebook = Rulebook(
            site=site, state=state, timers=timers, outputs=outputs, casebook=casebook, panel=panel
        )
        self._commands = Commands(site=site, outputs=outputs, panel=panel, access=access)
        self._machines: dict[str, Machine] = {
            "level": outputs,
            "panel": panel,
            "access": access,
            "calendar": Calendar(site=site, memory=state.calendar, timers=timers, panel=panel),
            "rule": self._rulebook,
        }
        self._sense = overriding(self._machines.values(), "sense")
        self._tick = overriding(self._machines.values(), "tick")
        self.trace: list[Why] = []
        self.lapsing: str | None = None  # the timer being decided: which one it was, should that fail

    @classmethod
    def restore(cls, data: bytes, *, site: Site, site_sha256: str, origin: str, older: bool = False) -> Engine:
        """An engine that goes on where the snapshot was taken. A changed site keeps what still has a device. `older`:
        a snapshot of an older engine will do, where nothing better is left."""
        state, made_under = parse(data, older=older)
        if made_under != site_sha256:
            state.fit(site)
        return cls(site=site, site_sha256=site_sha256, origin=origin, state=state)

    def snapshot(self) -> bytes:
        """Everything the engine remembers; restoring it is as if nothing had happened in between."""
        return dump(self._state, site_sha256=self._sha256)

    def next_wake(self) -> int | None:
        """The earliest gateway time (µs) the engine wants to be woken at."""
        return self._timers.next()

    @property
    def state(self) -> State:
        """Everything it remembers; to be read only."""
        return self._state

    def describe(self, what: str, name: str) -> dict[str, Any]:
        """Everything that decides what a `zone` or a `door` does now, as plain data; empty when there is none."""
        return self._panel.describe(name) if what == "zone" else self._access.describe(name) if what == "door" else {}

    def ask(self, rule: str, fact: Event) -> list[str]:
        """Why this rule would act on the fact now, or why not: a line for each thing that decides. Changes nothing."""
        return self._rulebook.explain(rule, fact, self._turn(fact))

    def step(self, fact: Event | Entry) -> list[Action]:
        """Decide what follows from one fact. Deterministic: same history, same actions, same ids."""
        state = self._state
        self.trace = []
        if isinstance(fact, Entry):
            self._casebook.learn(fact, gt=state.gt)
            return []
        if not isinstance(fact, _INPUTS):
            return []  # nothing is decided by it, or the engine itself made it and the log brought it back
        wake_before = self._timers.next()
        actions: list[Action] = []
        if isinstance(fact, EngineFailed):  # it waits for no deadline: one of them may be what fails
            self.give_up(fact.timer)
        else:
            if isinstance(fact, Boot):
                # First what was due while it still ran; a time off that nobody knows is none on this clock.
                actions = self._lapse(fact, until=fact.gt - (fact.off_time or 0))
                for machine in self._machines.values():
                    machine.starting(fact)
            actions += self._lapse(fact, until=fact.gt)
        state.gt = max(state.gt, fact.gt)
        turn = self._turn(fact)
        self._rulebook.begin(turn)
        if isinstance(fact, DeviceEvent):
            self._device(turn, fact)
        elif isinstance(fact, CommandReceived):
            self._commands.take(turn, fact)
        elif isinstance(fact, Boot):
            for machine in self._machines.values():
                machine.boot(turn, fact)
        elif isinstance(fact, EngineFailed):
            self._failed(turn, fact)
        elif isinstance(fact, StorageFull):
            self._storage_full(turn, fact)
        elif isinstance(fact, StorageAmple):
            self._storage_ample(turn)
        elif isinstance(fact, StoreRecovered):
            self._recovered(turn, fact)
        for tick in self._tick:
            tick(turn, fact)
        self._tell_rules(turn)
        actions += turn.actions
        wake = self._timers.next()
        # After a start no timer runs yet, and one that rang too early has nothing left to wait for.
        if wake is not None and (wake != wake_before or isinstance(fact, Boot | TimePassed)):
            actions.append(WakeMe(at=wake))
        return actions

    def give_up(self, timer: str | None) -> None:
        """Forget a deadline that cannot be decided, so that what comes after it can."""
        if timer is not None:
            self._timers.cancel(timer)

    def _failed(self, turn: Turn, fact: EngineFailed) -> None:
        """What could not be decided may have been an alarm: somebody must look."""
        what = f"the deadline {fact.timer}" if fact.timer is not None else f"{fact.told} of {fact.of or 'the gateway'}"
        site = self._site.site
        self._casebook.open(
            turn,
            "engine",
            by="Nightporter",
            group=_FAILURES_TOGETHER,
            again={"event": fact.id, "text": f"Not decided: {what}"},
            title=f"Nightporter could not decide {what}: look there yourself",
            severity="high",
            site=site.id,
            site_name=site.name,
            trigger=fact.id,
        )

    def _recovered(self, turn: Turn, fact: StoreRecovered) -> None:
        """A disk that loses pages loses more of them: somebody must look at it."""
        missing = "nobody knows how many" if fact.missing is None else str(fact.missing)
        site = self._site.site
        self._casebook.open(
            turn,
            "store",
            by="Nightporter",
            group=_FAILURES_TOGETHER,
            again={"event": fact.id, "text": f"Damaged again: {fact.reason}"},
            title=f"The gateway's log was damaged: {fact.rows} rows were rescued, {missing} are missing",
            severity="high",
            site=site.id,
            site_name=site.name,
            trigger=fact.id,
        )

    def _storage_full(self, turn: Turn, fact: StorageFull) -> None:
        """From now on an alarm has a still and no clip: somebody must make room."""
        site = self._site.site
        self._casebook.open(
            turn,
            "storage",
            by="Nightporter",
            group=None,
            again={"event": fact.id, "text": "The media disk is full again"},
            title="No room for new clips: the media disk is full",
            severity="medium",
            site=site.id,
            site_name=site.name,
            trigger=fact.id,
        )

    def _storage_ample(self, turn: Turn) -> None:
        incident = self._casebook.current("storage")
        if incident is not None:
            self._casebook.note(turn, incident, "There is room on the media disk again: clips are kept.")

    def _turn(self, fact: Event) -> Turn:
        live = not isinstance(fact, DeviceEvent) or fact.delivery == "live"
        return Turn(
            cause=fact.id, seed=fact.id, gt=fact.gt, wall=fact.wall, clock=fact.clock, trace=self.trace, live=live
        )

    def _device(self, turn: Turn, event: DeviceEvent) -> None:
        state = self._state
        what = said(event)
        edge = event.delivery != "retained" and (
            what is None or event.delivery == "late" or state.devices.get(what[0]) != what[1]
        )
        matched = self._rulebook.matching(event, turn) if edge else []
        if what is not None and event.delivery != "late":
            state.devices[what[0]] = what[1]
        if event.delivery in ("live", "redelivered"):
            state.last_seen[f"{event.kind} {event.device}"] = event.gt
        for sense in self._sense:
            sense(turn, event)
        self._rulebook.fire(turn, matched, event)

    def _lapse(self, fact: Event, *, until: int) -> list[Action]:
        """What ended at gateway time `until` or before it, each at its own time; decided because of this fact."""
        actions: list[Action] = []
        wall = fact.wall - fact.step if isinstance(fact, ClockStepped) else fact.wall  # by the clock as it was then
        while (ended := self._timers.take(until)) is not None:
            key, timer = ended
            self.lapsing = key
            self._state.gt = max(self._state.gt, timer.at)
            turn = Turn(
                cause=timer.cause,
                seed=f"{timer.cause} {key} {timer.at}",
                gt=timer.at,
                wall=wall - (fact.gt - timer.at),
                clock=fact.clock,
                trace=self.trace,
            )
            word, what, subject = key.split(" ", 2)
            self._machines[word].lapse(turn, what, subject)
            self._tell_rules(turn)
            actions += turn.actions
        self.lapsing = None
        return actions

    def _tell_rules(self, turn: Turn) -> None:
        """Offer what the machines made to the rules, and what follows from that, until nothing is new."""
        told = 0
        while told < len(turn.made):
            fact = turn.made[told]
            told += 1
            matched = self._rulebook.matching(fact, turn)
            self._state.last_seen[f"{fact.kind} {fact.about}"] = fact.gt
            for machine in self._machines.values():
                machine.hear(turn, fact)
            self._rulebook.fire(turn, matched, fact)
