"""Patterns of time: nothing came for so long, or something has been so for so long.

Theory of operation. A wait has one timer, `rule WHAT RULE`, and one bit, `rung`. A silence runs from the last such
event (with `after`: from the first `after`, and not again before the next one); a lasting state runs from the moment it
began. When the timer ends the fact `rule.woke` is made, to which the rule listens as to any other. Time the gateway was
off counts neither as silence nor as lasting: nobody listened. A wait whose rule has just come into the document begins
with the first fact after it.
"""

from __future__ import annotations

from collections.abc import Callable

from rules.document.rule import Rule
from rules.document.when import Absence, Holds
from rules.events import Event
from rules.rulebook.conditions import Conditions
from rules.rulebook.match import selects
from rules.rulebook.memory import Progress, RuleMemory
from rules.rulebook.world import World
from rules.timers import Timers
from rules.turn import Turn


class Wait:
    """What both have: a rule, a timer, and a memory of their own."""

    def __init__(self, *, rule: str, what: str, of: str, duration: int, timers: Timers, memory: RuleMemory) -> None:
        self.rule = rule
        self.what = what
        self.of = of  # whom it is about; "" for nobody in particular
        self.duration = duration
        self._key = f"rule {what} {rule}"
        self._timers = timers
        self._memory = memory

    def begin(self, turn: Turn) -> None:
        """The rule is new: what is so now is where it begins."""

    def shift(self, by: int, since: int) -> None:
        """The gateway was off for `by` µs from gateway time `since` on: the timer ends that much later, unless it was
        due by then."""
        timer = self._timers.get(self._key)
        if timer is not None and timer.at > since:
            self._timers.set(self._key, at=timer.at + by, cause=timer.cause)

    def ring(self) -> bool:
        """The timer ended. Whether that still means something."""
        progress = self._memory.patterns.get(self.rule)
        if progress is None:
            return False
        progress.rung = True
        return True

    def _start(self, turn: Turn) -> None:
        self._timers.set(self._key, at=turn.gt + self.duration, cause=turn.cause)

    def _progress(self) -> Progress:
        return self._memory.patterns[self.rule]


class Silence(Wait):
    """`absence`: rings once, and again only after it was heard (or, with `after`, asked for) anew."""

    def __init__(self, absence: Absence, *, rule: str, timers: Timers, memory: RuleMemory) -> None:
        super().__init__(
            rule=rule,
            what="absence",
            of=absence.subject or "",
            duration=absence.duration,
            timers=timers,
            memory=memory,
        )
        self._heard = selects(absence)
        self._after = selects(absence.after) if absence.after is not None else None

    def begin(self, turn: Turn) -> None:
        """Nothing was heard so far."""
        if self._after is None:
            self._start(turn)

    def hear(self, turn: Turn, event: Event) -> None:
        """An event it listens to."""
        progress = self._progress()
        if self._heard(event):
            self._timers.cancel(self._key)
            progress.rung = False
            if self._after is None:
                self._start(turn)
        elif self._after is not None and self._after(event) and self._timers.get(self._key) is None:
            progress.rung = False
            self._start(turn)


class Lasting(Wait):
    """`holds`: rings once for each time it becomes so."""

    def __init__(
        self, test: Callable[[], bool], *, rule: str, of: str, duration: int, timers: Timers, memory: RuleMemory
    ) -> None:
        super().__init__(rule=rule, what="holds", of=of, duration=duration, timers=timers, memory=memory)
        self._test = test

    def begin(self, turn: Turn) -> None:
        """It may be so already."""
        self.look(turn)

    def look(self, turn: Turn) -> None:
        """Something may have changed."""
        progress = self._progress()
        if not self._test():
            self._timers.cancel(self._key)
            progress.rung = False
        elif not progress.rung and self._timers.get(self._key) is None:
            self._start(turn)


class Waits:
    """All waits of a site: by rule, and by what wakes their interest."""

    def __init__(self, *, memory: RuleMemory, timers: Timers, world: World, conditions: Conditions) -> None:
        self._memory = memory
        self._timers = timers
        self._world = world
        self._conditions = conditions
        self.by_rule: dict[str, Wait] = {}
        self.silences: dict[str, list[Silence]] = {}  # by kind of event
        self.lasting: dict[tuple[str, str], list[Lasting]] = {}  # by what they look at: (field, name)

    def add(self, rule: Rule) -> str:
        """The wait of this rule; what it is about: device, zone, partition, door or ""."""
        if rule.when.absence is not None:
            return self._silence(rule.id, rule.when.absence)
        if rule.when.holds is not None:
            return self._holds(rule.id, rule.when.holds)
        return ""

    def _silence(self, rule: str, absence: Absence) -> str:
        silence = Silence(absence, rule=rule, timers=self._timers, memory=self._memory)
        self.by_rule[rule] = silence
        heard = [absence, *([absence.after] if absence.after is not None else [])]
        for kind in dict.fromkeys(kind for selector in heard for kind in selector.event):
            self.silences.setdefault(kind, []).append(silence)
        return absence.subject_field

    def _holds(self, rule: str, holds: Holds) -> str:
        field, name = holds.named or ("", "")
        if holds.reading is not None:
            test = self._conditions.reading(holds.reading)
        else:
            test = self._world.test(field, name, holds.state or "")
        lasting = Lasting(test, rule=rule, of=name, duration=holds.duration, timers=self._timers, memory=self._memory)
        self.by_rule[rule] = lasting
        looks_at = {(field, name), *(("device", device) for device in self._world.devices_of(field, name))}
        for looked_at in sorted(looks_at):
            self.lasting.setdefault(looked_at, []).append(lasting)
        return field
