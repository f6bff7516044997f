"""The rules of a site: looked up by what they listen to, tested against the memory, turned into actions.

Theory of operation. `matching` says which rules act on an event, tested against what is known then (of a device's
message: what was known before it), and lets patterns take it in. `sense` and `hear` come after the memory and the other
machines have: silences are heard, lasting states looked at, readings and what `recent` asks for remembered. `fire`
acts, unless a rule cools down or rests after a storm. A wait that ends makes the fact `rule.woke`, to which its rule
listens as to any other.
"""

from __future__ import annotations

from rules.casebook import Casebook
from rules.document.rule import Rule
from rules.document.site import Site
from rules.events import Boot, DeviceEvent, Event, MadeEvent, Reading, RuleWoke
from rules.machine import Machine
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.rulebook.compile import Compiled, More, compile_rule, listens
from rules.rulebook.conditions import Conditions
from rules.rulebook.fire import Firing
from rules.rulebook.index import Index
from rules.rulebook.match import Predicate, selects
from rules.rulebook.memory import Progress
from rules.rulebook.names import Names
from rules.rulebook.storm import StormGuard
from rules.rulebook.waits import Waits
from rules.rulebook.world import World
from rules.state import State
from rules.timers import Timers
from rules.turn import Turn


class Rulebook(Machine):
    """All rules of a site, indexed by (kind, subject): what does not listen costs nothing. Timer keys are
    `rule WHAT RULE`."""

    def __init__(
        self, *, site: Site, state: State, timers: Timers, outputs: Outputs, casebook: Casebook, panel: Panel
    ) -> None:
        self._memory = memory = state.rules
        self._timers = timers
        self._world = world = World(site=site, state=state, panel=panel)
        self._conditions = Conditions(state=state, memory=memory, world=world, timetables=site.timetables())
        self._storms = StormGuard(site=site, memory=memory, timers=timers)
        self._firing = Firing(
            site=site,
            memory=memory,
            names=Names(site),
            timers=timers,
            outputs=outputs,
            casebook=casebook,
            panel=panel,
        )
        self._waits = Waits(memory=memory, timers=timers, world=world, conditions=self._conditions)
        compiled = [compile_rule(rule, self._conditions, self._waits) for rule in site.rules]
        self._rules = {each.id: each for each in compiled}
        ordered = sorted(compiled, key=lambda each: -each.rule.priority)  # of one priority: as in the document
        self._index = Index(key for each in ordered for key in listens(each))
        self._slots: dict[str, list[tuple[str, Predicate]]] = {}  # by kind of event
        for slot, recent in self._conditions.slots.items():
            for kind in dict.fromkeys(recent.event):
                self._slots.setdefault(kind, []).append((slot, selects(recent)))
        self._forget_changed()
        self._unborn = [wait for rule, wait in self._waits.by_rule.items() if rule not in memory.patterns]

    # --- what the engine asks ---

    def begin(self, turn: Turn) -> None:
        """The first fact under this document: what waits, begins to."""
        for wait in self._unborn:
            self._memory.patterns[wait.rule] = Progress(of=self._pattern(wait.rule))
            wait.begin(turn)
        self._unborn = []

    def starting(self, boot: Boot) -> None:
        """Time off counts neither as silence nor as lasting."""
        if boot.off_time:
            for wait in self._waits.by_rule.values():
                wait.shift(boot.off_time, boot.gt - boot.off_time)

    def matching(self, event: Event, turn: Turn) -> list[Compiled]:
        """The rules that listen to this and whose conditions hold now, in the order in which they act."""
        matched: list[Compiled] = []
        fired = turn.fired
        for compiled in self._index.of(event):
            if compiled.more is not None and not self._completes(compiled.more, compiled.rule.id, event):
                continue
            if fired and _acted(compiled, event) in fired:
                continue
            for test in compiled.tests:
                if not test(event):
                    turn.why(compiled.label, "condition {} did not hold", compiled.tests.index(test))
                    break
            else:
                matched.append(compiled)
                if compiled.more is not None and compiled.more.pattern is not None:
                    compiled.more.pattern.reset(event, self._memory.patterns[compiled.rule.id])
        return matched

    def sense(self, turn: Turn, event: DeviceEvent) -> None:
        """A device told something: of what was kept (`retained`) only the state counts, of what was overtaken (`late`)
        nothing."""
        if event.delivery != "late":
            self._take_in(turn, event, lately=event.delivery != "retained")

    def hear(self, turn: Turn, fact: MadeEvent) -> None:
        """A machine made something known."""
        self._take_in(turn, fact, lately=True)

    def fire(self, turn: Turn, matched: list[Compiled], event: Event) -> None:
        """Do what they say, because of this event."""
        for compiled in matched:
            rule = compiled.rule
            before = len([each for each in turn.fired if each.startswith(f"{rule.id} ")])
            turn.fired.add(_acted(compiled, event))
            if rule.cool_down is not None and not self._cooled(turn, rule, rule.cool_down):
                continue
            if not self._storms.allows(turn, rule, event):
                continue
            if rule.cool_down is not None:
                self._memory.acted[rule.id] = turn.gt
            turn.why(compiled.label, "fired by {} of {}", event.kind, event.about)
            field = compiled.more.field if compiled.more is not None else ""
            self._firing.fire(turn, rule, event, field, before)

    def lapse(self, turn: Turn, what: str, subject: str) -> None:
        """A timer of ours ended."""
        rule = subject
        if what == "mute":
            self._storms.lapse(turn, rule)
        elif what in ("absence", "holds"):
            wait = self._waits.by_rule.get(rule)
            if wait is not None and wait.ring():
                turn.make(RuleWoke, rule, ordinal=what, what=wait.what, of=wait.of)
        elif what.startswith("wake:"):
            waiting = self._memory.wakes.get(rule, {})
            of = waiting.pop(what, None)
            if not waiting:
                self._memory.wakes.pop(rule, None)
            if of is not None:
                turn.make(RuleWoke, rule, ordinal=what, what="wake", name=what.split(":")[1], of=of)

    def explain(self, rule: str, event: Event, turn: Turn) -> list[str]:
        """Why this rule would act on that event now, or why it would not: a line for each thing that decides. Changes
        nothing; ask before the event is stepped."""
        compiled = self._rules.get(rule)
        if compiled is None:
            return [f"there is no rule {rule}"]
        lines = [f"rule {rule}: {compiled.rule.name}", *self._explain_when(compiled, event)]
        for n, condition in enumerate(compiled.rule.if_):
            saw = self._conditions.look(condition, event)
            lines.append(f"if.{n} {'held' if saw.held else 'did not hold'}: {saw.text}")
        acted, cool_down = self._memory.acted.get(rule), compiled.rule.cool_down
        if cool_down is not None and acted is not None and turn.gt - acted < cool_down:
            lines.append(f"it cools down: it acted {(turn.gt - acted) // 1000} ms ago")
        storm = self._memory.storms.get(rule)
        if storm is not None and storm.until is not None:
            spared = self._storms.spares(event)
            lines.append("it rests after a storm, which never holds this back" if spared else "it rests after a storm")
        return lines

    # --- inside ---

    def _explain_when(self, compiled: Compiled, event: Event) -> list[str]:
        if compiled not in self._index.of(event):
            listening = "; ".join(dict.fromkeys(f"{kind} of {who or 'any'}" for kind, who, _ in listens(compiled)))
            return [f"when did not match: {event.kind} of {event.about or 'the site'}; it listens to {listening}"]
        more = compiled.more
        if more is not None and more.where is not None and not more.where(event):
            return ["when did not match: the event is of the kind, but its fields are not"]
        if more is None or more.pattern is None:
            return [f"when matched: {event.kind} of {event.about or 'the site'}"]
        seen = self._memory.patterns.get(compiled.id)
        copy = Progress(of=more.of, groups=dict(seen.groups) if seen is not None else {})
        done = more.pattern.advance(event, copy)
        so_far = sum(len([at for at in moments if at >= 0]) for moments in copy.groups.values())
        return [f"when {'is complete' if done else 'is not complete'}: {so_far} moments are remembered"]

    def _take_in(self, turn: Turn, event: Event, *, lately: bool) -> None:
        """What waits and remembers takes it in. `lately`: it happened just now, and is not only how things are."""
        if isinstance(event, Reading):
            key = f"{event.kind} {event.device}"
            if key in self._conditions.readings:
                self._memory.readings[key] = float(event.value)
        if lately:
            for slot, selected in self._slots.get(event.kind, ()):
                if selected(event):
                    self._memory.seen[slot] = event.gt
            for silence in self._waits.silences.get(event.kind, ()):
                silence.hear(turn, event)
        if self._waits.lasting:
            for lasting in self._waits.lasting.get((event.subject_field, event.about), ()):
                lasting.look(turn)

    def _cooled(self, turn: Turn, rule: Rule, cool_down: int) -> bool:
        acted = self._memory.acted.get(rule.id)
        if acted is None or turn.gt - acted >= cool_down:
            return True
        turn.why(f"rule {rule.id}", "cools down until {}", acted + cool_down)
        return False

    def _completes(self, more: More, rule: str, event: Event) -> bool:
        """Whether this event is meant, and completes the rule's pattern if it has one."""
        if more.where is not None and not more.where(event):
            return False
        if more.pattern is None:
            return True
        patterns = self._memory.patterns
        progress = patterns.get(rule)
        if progress is None:
            progress = patterns[rule] = Progress(of=more.of)
        return more.pattern.advance(event, progress)

    def _pattern(self, rule: str) -> str:
        """Which pattern this rule waits for; "" for none, or no such rule."""
        compiled = self._rules.get(rule)
        return compiled.more.of if compiled is not None and compiled.more is not None else ""

    def _forget_changed(self) -> None:
        """What is remembered of a pattern that is another one now, or of what no condition asks for any more: under a
        changed document or library."""
        memory, patterns = self._memory, self._memory.patterns
        memory.seen = {slot: at for slot, at in memory.seen.items() if slot in self._conditions.slots}
        memory.readings = {key: value for key, value in memory.readings.items() if key in self._conditions.readings}
        for rule in [rule for rule, progress in patterns.items() if self._pattern(rule) != progress.of]:
            del patterns[rule]
            for what in ("absence", "holds"):
                self._timers.cancel(f"rule {what} {rule}")


def _acted(compiled: Compiled, event: Event) -> str:
    """That a rule acted on this: it does so once a turn for each kind and subject, so none can chase its own tail."""
    return f"{compiled.id} {event.kind} {event.about}"
