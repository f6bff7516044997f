"""Plays a scenario on a real engine, in each of the ways that must make no difference.

`plain` wakes the engine at its own timers, as the agent does. `restored` does the same with an engine restored from a
snapshot before every step. `log` also steps everything that was noted and appended, read back from its bytes, as a
replay does. `unwoken` never wakes it: timers end only with the next thing that happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from itertools import zip_longest
from typing import Any, Literal, get_args

from rules import ids, wire
from rules.actions import Action, Append, Note, WakeMe
from rules.engine import Engine
from rules.errors import WireError
from rules.events import Event, SiteApplied, TimePassed
from rules.incidents import Entry
from rules.scenario.document import Loaded, World
from rules.scenario.happenings import Now, all_normal, fact_of
from rules.scenario.lines import Line, Lines
from rules.scenario.model import Boots, Document, Step
from rules.scenario.standing import Standing
from rules.scenario.times import spoken
from rules.timetable import zone
from rules.turn import Why

Way = Literal["plain", "restored", "log", "unwoken"]
WAYS: tuple[Way, ...] = get_args(Way)
GATEWAY = "gw-1"
_BEGIN = 1_000_000_000  # gateway time (µs) of the begin: not 0, and not the wall's


@dataclass(slots=True)
class Played:
    """One step as it went: `lines` is what became visible since the step before, `failures` what is wrong in it."""

    step: Step
    number: int
    at: int  # µs after the begin
    lines: list[str]
    failures: list[str] = field(default_factory=list)
    trace: list[Why] = field(default_factory=list)


def play(loaded: Loaded, *, way: Way = "plain") -> list[Played]:
    """Every step, in order. What goes wrong is in the steps' `failures`; nothing is raised for it."""
    return list(_Player(loaded, way).steps())


def log_of(loaded: Loaded) -> list[bytes]:
    """The records that the scenario leaves in a gateway's log: each input, then what was made of it."""
    player = _Player(loaded, "plain")
    for _ in player.steps():
        pass
    return [wire.encode(fact) for fact in player.log]


def story_of(loaded: Loaded) -> list[tuple[int, Event | Entry]]:
    """Everything that happened and was made of it, each with its time after the begin (µs)."""
    player = _Player(loaded, "plain")
    for _ in player.steps():
        pass
    return [(max(0, (fact.gt or _BEGIN) - _BEGIN), fact) for fact in player.log]


def differences(loaded: Loaded) -> list[str]:
    """Where another way of playing it shows something else than the plain one. Empty: none."""
    found: list[str] = []
    plain = _Player(loaded, "plain")
    steps = list(plain.steps())
    for way in WAYS[1:]:
        other = _Player(loaded, way)
        for one, two in zip(steps, other.steps(), strict=True):
            if one.lines != two.lines:
                found.append(f"{way}: step {one.number + 1} shows {two.lines} instead of {one.lines}")
        found += [f"{way}: {failure}" for step in other.played for failure in step.failures if "[" + way in failure]
        if not found and plain.actions != other.actions:
            both = zip_longest(plain.actions, other.actions)
            due, done = next((due, done) for due, done in both if due != done)
            found.append(f"{way}: does\n    {done}\n  instead of\n    {due}")
    return found


class _Player:
    def __init__(self, loaded: Loaded, way: Way) -> None:
        self._loaded = loaded
        self._way: Way = way
        self._world = loaded.world
        self._engine = self._new(loaded.world)
        place = zone(loaded.world.site.site.timezone)
        local = datetime.fromisoformat(loaded.scenario.at).replace(tzinfo=place)
        # Integers throughout: a float has no microseconds left at the end of the century.
        self._wall = int(local.timestamp()) * 1_000_000 + local.microsecond
        self._gt = _BEGIN
        self._lines = Lines(zone=place)
        self._standing = Standing()
        self._count = 0
        self._pending: list[Line] = []
        self._trouble: list[str] = []
        self._seen: set[str] = set()
        self._trace: list[Why] = []
        self.actions: list[Action] = []
        self.log: list[Event | Entry] = []
        self.played: list[Played] = []

    def steps(self) -> Iterator[Played]:
        """Play one after another."""
        if self._loaded.scenario.normal:
            for do in all_normal(self._world.site):
                self._feed(fact_of(do, self._now()))
        for number, step in enumerate(self._loaded.scenario.timeline):
            at = self._gt - _BEGIN if step.at.relative else 0
            self.played.append(self._step(number, step, _BEGIN + at + step.at.micros))
            yield self.played[-1]

    def _new(self, world: World) -> Engine:
        return Engine(site=world.site, site_sha256=world.sha256, origin=GATEWAY)

    def _restore(self, world: World) -> Engine:
        data = self._engine.snapshot()
        return Engine.restore(data, site=world.site, site_sha256=world.sha256, origin=GATEWAY)

    def _step(self, number: int, step: Step, gt: int) -> Played:
        self._trouble, self._pending, self._trace = [], [], []
        if self._way != "unwoken":
            off = step.do.boot.off if isinstance(step.do, Boots) and isinstance(step.do.boot.off, int) else 0
            self._wake_until(gt - off, also=not off)
        self._pass_to(gt)
        if isinstance(step.do, Document):
            self._feed(TimePassed(**self._header(f"changed {number}")))  # what was due is the old document's affair
            self._world = world = self._loaded.worlds[number]
            self._engine = self._restore(world)
            applied = SiteApplied(
                **self._header(f"applied {number}"), version=number, sha256=world.sha256, who="", why=""
            )
            self._feed(applied)
        elif step.do is None:
            # Time passes: whoever was not woken on the way is looked at now.
            self._feed(TimePassed(**self._header(f"passed {number}")))
        else:
            now = self._now()
            try:
                fact = fact_of(step.do, now)
            except LookupError as error:
                self._trouble.append(str(error))
            else:
                self._wall = now.wall
                if isinstance(fact, Entry):
                    self._standing.enter(fact)
                    if self._way == "unwoken":  # an entry has no gateway time of ours, so it ends no timer
                        self._feed(TimePassed(**self._header(f"entered {number}")))
                self._feed(fact)
        lines = [self._show(line) for line in self._pending]
        played = Played(step, number, self._gt - _BEGIN, lines, trace=self._trace)
        played.failures = [*self._trouble, *self._compare(step, lines)]
        return played

    def _now(self) -> Now:
        self._count += 1
        return Now(number=self._count, gt=self._gt, wall=self._wall, standing=self._standing, world=self._world)

    def _wake_until(self, gt: int, *, also: bool) -> None:
        """Wake the engine at each moment it asked for, up to `gt` (`also` at that very moment)."""
        asked = 0
        while (wake := self._engine.next_wake()) is not None and (wake < gt or (also and wake == gt)):
            self._pass_to(wake)
            self._feed(TimePassed(**self._header(f"wake {wake} {asked}")))
            asked += 1
            if asked > 10_000:
                self._trouble.append("the engine asks to be woken again and again at the same moment")
                return

    def _pass_to(self, gt: int) -> None:
        passed = max(0, gt - self._gt)
        self._gt += passed
        self._wall += passed

    def _header(self, what: str) -> dict[str, Any]:
        return {"id": ids.derived("scenario", what), "gt": self._gt, "wall": self._wall}

    def _feed(self, fact: Event | Entry) -> None:
        if self._way == "restored":
            self._engine = self._restore(self._world)
        actions = self._engine.step(fact)
        self.log.append(fact)
        self._trace += self._engine.trace
        self._pending += self._lines.of(actions, gt=self._gt)
        self._standing.learn(actions)
        self.actions += [action for action in actions if not isinstance(action, WakeMe)]
        for action in actions:
            if isinstance(action, Append | Note):
                self._logged(action.entry if isinstance(action, Append) else action.event)

    def _logged(self, fact: Event | Entry) -> None:
        self.log.append(fact)
        if fact.id in self._seen:
            self._trouble.append(f"[{self._way}] the id of {fact.kind} is used twice")
        self._seen.add(fact.id)
        if self._way != "log":
            return
        try:
            record = wire.read(wire.encode(fact))
            again = wire.entry(record) if isinstance(fact, Entry) else wire.event(record)
        except WireError as error:
            self._trouble.append(f"[log] {fact.kind} does not survive its record: {error}")
            return
        if again != fact:
            self._trouble.append(f"[log] {fact} comes back from its record as {again}")
        if more := self._engine.step(fact):
            self._trouble.append(f"[log] {fact.kind} from the log makes {more}")

    def _show(self, line: Line) -> str:
        gt, text = line
        return text if gt == self._gt else f"{spoken(gt - _BEGIN)} {text}"

    def _compare(self, step: Step, lines: list[str]) -> Iterator[str]:
        if step.expect is not None and lines != step.expect:
            yield "other things became visible than expected"
        for pattern in step.expect_not:
            for line in lines:
                if fnmatchcase(line, pattern) or fnmatchcase(line.partition(" ")[2], pattern):
                    yield f"{line!r} became visible and must not ({pattern})"
        for subject, expected in step.states.items():
            if not self._standing.agrees(subject, expected, wall=self._wall):
                yield f"{subject} is {self._standing.of(subject, wall=self._wall)} and should be {expected}"


