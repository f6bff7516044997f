"""Conditions, compiled once into closures: a rule that was looked up costs one call per condition."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rules.document.rule import Condition
from rules.state import State
from rules.timetable import Timetable


@dataclass(frozen=True, slots=True)
class Moment:
    """What a condition may look at: the memory as it was before the event, gateway time and wall time (µs)."""

    state: State
    gt: int
    wall: int


Test = Callable[[Moment], bool]


def compile_all(conditions: list[Condition], timetables: Mapping[str, Timetable]) -> Test:
    """One test that holds when all conditions do."""
    tests = tuple(_compile(condition, timetables) for condition in conditions)
    return lambda moment: all(test(moment) for test in tests)


def _compile(condition: Condition, timetables: Mapping[str, Timetable]) -> Test:
    if condition.schedule is not None:
        timetable = timetables[condition.schedule]
        return lambda moment: timetable.holds(moment.wall)
    if condition.recent is not None:
        key, within = f"{condition.recent.event} {condition.recent.device}", condition.recent.within

        def recently(moment: Moment) -> bool:
            last = moment.state.last_seen.get(key)
            return last is not None and moment.gt - last <= within

        return recently
    if condition.state is not None:
        device, wanted = condition.state.device, condition.state.state
        return lambda moment: moment.state.devices.get(device, "unknown") == wanted
    if condition.not_ is not None:
        inner = _compile(condition.not_, timetables)
        return lambda moment: not inner(moment)
    branches = [_compile(part, timetables) for part in condition.all_ or condition.any_ or []]
    combine = all if condition.all_ is not None else any
    return lambda moment: combine(branch(moment) for branch in branches)
