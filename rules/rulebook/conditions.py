"""Conditions, compiled once into callables: a rule that was looked up costs one call per condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from rules.document.condition import Bounds, Condition, FieldIs, Reading, Recent
from rules.events import Event
from rules.rulebook import match
from rules.rulebook.asks import DeviceIs, Recently, RecentlySeen
from rules.rulebook.memory import RuleMemory
from rules.rulebook.world import World
from rules.state import State
from rules.timetable import Timetable

# Of an event, against what is known: memory and machines are the callable's own.
Test = Callable[[Event], bool]


class Saw(NamedTuple):
    """What a condition is, whether it held, and what it saw."""

    held: bool
    text: str


class Conditions:
    """Compiles and explains conditions of one site. `slots` are the selectors of `recent` that the engine's own
    memory of (kind, subject) cannot answer: any subject, several kinds, or fields."""

    def __init__(self, *, state: State, memory: RuleMemory, world: World, timetables: Mapping[str, Timetable]) -> None:
        self._state = state
        self._memory = memory
        self._world = world
        self._timetables = timetables
        self._made: dict[tuple[object, ...], Test] = {}
        self._durations: dict[int, int] = {}  # equal numbers as one object
        self._together: dict[tuple[Test, ...], tuple[Test, ...]] = {}
        self.slots: dict[str, Recent] = {}
        self.readings: set[str] = set()

    def all_of(self, conditions: list[Condition]) -> tuple[Test, ...]:
        """One test for each, in their order; what many rules ask alike is kept once."""
        tests = tuple(self.test(condition) for condition in conditions)
        return self._together.setdefault(tests, tests)

    def test(self, condition: Condition) -> Test:
        """One condition; two that ask the same share one closure."""
        if condition.schedule is not None:
            name = condition.schedule
            return self._once(("schedule", name), lambda: self._schedule(name))
        if condition.recent is not None:
            recent = condition.recent
            return self._once(("recent", match.said(recent), recent.within), lambda: self._recent(recent))
        if condition.state is not None:
            (field, name), word = condition.state.named[0], condition.state.state
            return self._once(("state", field, name, word), lambda: self._is(field, name, word))
        if condition.value is not None:
            return _value(condition.value)
        if condition.reading is not None:
            within = self.reading(condition.reading)
            return lambda event: within()
        if condition.field is not None:
            return _field(condition.field)
        if condition.not_ is not None:
            return self._not(condition.not_)
        branches = tuple(self.test(part) for part in condition.all_ or condition.any_ or [])
        wanted = condition.all_ is None  # what ends the search: the first that holds, or the first that does not
        return self._once((wanted, branches), lambda: _combined(branches, wanted))

    def reading(self, reading: Reading) -> Callable[[], bool]:
        """Whether the last reading is within; one never heard is not."""
        key = self._world.reading(reading)
        self.readings.add(key)
        memory = self._memory

        def within() -> bool:
            value = memory.readings.get(key)
            return value is not None and reading.hold(value)

        return within

    def look(self, condition: Condition, event: Event) -> Saw:
        """What this condition says of that event now."""
        held = self.test(condition)(event)
        if condition.schedule is not None:
            return Saw(held, f"schedule {condition.schedule} is {'on' if held else 'off'}")
        if condition.recent is not None:
            recent = condition.recent
            last = self._last(recent)
            seen = "it never came" if last is None else f"it came {_seconds(event.gt - last)} ago"
            return Saw(held, f"{match.said(recent)} within {_seconds(recent.within)}: {seen}")
        if condition.state is not None:
            (field, name), word = condition.state.named[0], condition.state.state
            found = self._world.ask(field, name)()
            return Saw(held, f"{field} {name} is {word}: it is {found}")
        if condition.value is not None:
            return Saw(held, f"value {condition.value.said}: it is {getattr(event, 'value', 'not there')}")
        if condition.reading is not None:
            value = self._memory.readings.get(self._world.reading(condition.reading))
            seen = "never heard" if value is None else f"it is {value:g}"
            return Saw(held, f"reading of {condition.reading.device} {condition.reading.said}: {seen}")
        if condition.field is not None:
            wanted = condition.field
            words = " or ".join(map(str, wanted.values or [])) or Bounds(above=wanted.above, below=wanted.below).said
            return Saw(held, f"{wanted.name} is {words}: it is {getattr(event, wanted.name, 'not there')}")
        if condition.not_ is not None:
            return Saw(held, f"not ({self.look(condition.not_, event).text})")
        word = "all" if condition.all_ is not None else "any"
        parts = [self.look(part, event) for part in condition.all_ or condition.any_ or []]
        shown = "; ".join(f"{part.text} ({'held' if part.held else 'did not hold'})" for part in parts)
        return Saw(held, f"{word} of [{shown}]")

    def _once(self, key: tuple[object, ...], make: Callable[[], Test]) -> Test:
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = make()
        return made

    def _schedule(self, name: str) -> Test:
        timetable = self._timetables[name]
        return lambda event: timetable.holds(event.wall)

    def _is(self, field: str, name: str, word: str) -> Test:
        if field == "device":
            return DeviceIs(self._state, match.copied(name), word).holds
        test = self._world.test(field, name, word)
        return lambda event: test()

    def _recent(self, recent: Recent) -> Test:
        key, within = _own_key(recent), self._durations.setdefault(recent.within, recent.within)
        if key is not None:
            return Recently(self._state, key, within).holds
        slot = match.said(recent)
        self.slots[slot] = recent
        return RecentlySeen(self._memory, slot, within).holds

    def _not(self, condition: Condition) -> Test:
        inner = self.test(condition)
        asks = getattr(inner, "__self__", None)
        if isinstance(asks, DeviceIs | Recently):
            return self._once(("not", inner), lambda: asks.fails)
        return self._once(("not", inner), lambda: lambda event: not inner(event))

    def _last(self, recent: Recent) -> int | None:
        key = _own_key(recent)
        return self._memory.seen.get(match.said(recent)) if key is None else self._state.last_seen.get(key)


def _combined(branches: tuple[Test, ...], wanted: bool) -> Test:
    def combined(event: Event) -> bool:
        for branch in branches:
            if branch(event) is wanted:
                return wanted
        return not wanted

    return combined


def _own_key(recent: Recent) -> str | None:
    """How the engine itself remembers such an event; None when it does not."""
    if len(recent.event) != 1 or recent.subject is None or recent.where:
        return None
    return f"{recent.event[0]} {recent.subject}"


def _value(bounds: Bounds) -> Test:
    return lambda event: bounds.hold(getattr(event, "value"))  # noqa: B009  checked when the document is read


def _field(wanted: FieldIs) -> Test:
    name = wanted.name
    if wanted.values is not None:
        return match.where({name: wanted.values}) or _never
    bounds = Bounds(above=wanted.above, below=wanted.below)

    def within(event: Event) -> bool:
        found = getattr(event, name, None)
        return isinstance(found, int | float) and bounds.hold(found)

    return within


def _never(event: Event) -> bool:
    return False


def _seconds(microseconds: int) -> str:
    return f"{microseconds / 1_000_000:.6f}".rstrip("0").rstrip(".") + " s"
