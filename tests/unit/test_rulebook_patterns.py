"""Patterns of events: so many within a time, one after another; at their edges and at their bounds."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.document.when import Count, When
from rules.events import ContactOpened, Event, MotionStarted
from rules.rulebook.memory import Progress
from rules.rulebook.patterns import MOST_GROUPS, Counting, Following
from tests.examples import examples
from tests.unit.playbook import SECOND, Playbook, Step, closed, nothing, opened, told

RANG = ["bolt on"]


def waits(when: str, more: str = "") -> str:
    """A rule that switches the bolt on when this happens."""
    return f"""
- id: probe
  name: Probe
  when: {when}
  {more}
  then:
    - command: {{device: bolt, set: on}}
"""


def moves(after: str | int = "1s", by: str = "live") -> Step:
    return told("motion.started", "eye", after=after, by=by)  # type: ignore[arg-type]


def rests() -> Step:
    return told("motion.ended", "eye", after=0)


THREE = "{count: {event: motion.started, device: eye, at_least: 3, within: 60s}}"


@pytest.mark.parametrize(("last", "rings"), [(40 * SECOND - 1, True), (40 * SECOND, True), (40 * SECOND + 1, False)])
def test_a_count_reaches_to_its_edge_and_not_a_microsecond_further(last: int, rings: bool) -> None:
    play = Playbook(waits(THREE))
    play >> moves() << nothing >> rests() << nothing
    play >> moves("20s") << nothing >> rests() << nothing
    play >> moves(last) << (RANG if rings else nothing)


def test_those_counted_are_used_up() -> None:
    play = Playbook(waits(THREE))
    for ring in (False, False, True, False, False, True):
        play >> moves("1s") << (RANG if ring else nothing) >> rests() << nothing


def test_a_window_slides() -> None:
    play = Playbook(waits(THREE))
    for after, ring in (("1s", False), ("50s", False), ("11s", False), ("40s", True)):
        play >> moves(after) << (RANG if ring else nothing) >> rests() << nothing


def test_a_message_that_says_it_again_is_not_counted() -> None:
    play = Playbook(waits(THREE))
    play >> moves() << nothing >> moves() << nothing >> moves() << nothing


def test_what_was_overtaken_completes_and_leaves_no_trace() -> None:
    play = Playbook(waits(THREE))
    play >> moves() << nothing >> moves(by="late") << nothing >> moves(by="late") << nothing
    play >> rests() << nothing >> moves() << nothing
    play >> moves(by="late") << RANG  # two on record and this one
    play >> moves(by="late") << nothing


def test_a_count_whose_conditions_fail_goes_on_counting() -> None:
    play = Playbook(waits(THREE, "if: [{state: {device: hatch, is: open}}]"))
    for _ in range(3):
        play >> moves() << nothing >> rests() << nothing
    play >> opened("hatch") << nothing >> moves() << RANG


def test_kinds_and_devices_may_be_several() -> None:
    play = Playbook(waits("{count: {event: [contact.opened, motion.started], at_least: 3, within: 1m}}"))
    play >> opened("door") << nothing >> moves() << nothing >> opened("hatch") << RANG


def test_only_events_with_these_fields_count() -> None:
    play = Playbook(
        waits("{count: {event: output.reported, device: siren, where: {on: true}, at_least: 2, within: 1m}}")
    )
    for on, ring in ((True, False), (False, False), (True, True)):
        play >> told("output.reported", "siren", on=on) << (RANG if ring else nothing)


def test_a_count_apart_for_each_device() -> None:
    play = Playbook(waits("{count: {event: contact.opened, at_least: 2, within: 1m, same: device}}"))
    play >> opened("door") << nothing >> opened("hatch") << nothing
    play >> closed("door") << nothing >> opened("door") << RANG
    play >> closed("hatch") << nothing >> opened("hatch") << RANG


# --- one after another ---

IN_ORDER = """
    sequence: [{event: contact.opened, device: door}, {event: motion.started, device: eye}]
    within: 30s"""


@pytest.mark.parametrize(("gap", "rings"), [(30 * SECOND - 1, True), (30 * SECOND, True), (30 * SECOND + 1, False)])
def test_a_sequence_reaches_to_its_edge(gap: int, rings: bool) -> None:
    play = Playbook(waits(IN_ORDER))
    play >> opened("door") << nothing >> moves(gap) << (RANG if rings else nothing)


def test_a_sequence_has_an_order() -> None:
    play = Playbook(waits(IN_ORDER))
    play >> moves() << nothing >> opened("door") << nothing >> rests() << nothing >> moves() << RANG


def test_what_comes_between_does_not_matter() -> None:
    play = Playbook(waits(IN_ORDER))
    play >> opened("door") << nothing >> opened("hatch") << nothing >> closed("door") << nothing >> moves() << RANG


def test_a_sequence_begins_anew_after_it_came_to_its_end() -> None:
    play = Playbook(waits(IN_ORDER))
    play >> opened("door") << nothing >> moves() << RANG >> rests() << nothing >> moves() << nothing


def test_the_latest_beginning_counts() -> None:
    play = Playbook(waits(IN_ORDER))
    play >> opened("door") << nothing >> closed("door") << nothing
    play >> opened("door", after="25s") << nothing >> moves("25s") << RANG


TWICE = """
    sequence: [{event: motion.started, device: eye}, {event: contact.opened}, {event: contact.opened}]
    within: 1m
    unless: {event: motion.started, device: eye}"""


def test_one_event_is_one_step() -> None:
    play = Playbook(waits(TWICE))
    play >> moves() << nothing >> opened("door") << nothing >> opened("hatch") << RANG


def test_unless_ends_what_began_and_may_begin_anew() -> None:
    play = Playbook(waits(TWICE))
    play >> moves() << nothing >> opened("door") << nothing >> rests() << nothing >> moves() << nothing
    play >> opened("hatch") << nothing >> closed("door") << nothing >> opened("door") << RANG


def test_a_sequence_of_the_same_device() -> None:
    both = "sequence: [{event: tamper.opened}, {event: contact.opened}]"
    play = Playbook(waits(f"\n    {both}\n    within: 1m\n    same: device"))
    play >> told("tamper.opened", "hatch") << nothing >> opened("door") << nothing >> opened("hatch") << RANG


def test_what_was_overtaken_is_no_step_but_may_be_the_last() -> None:
    play = Playbook(waits(IN_ORDER))
    play >> opened("door", by="late") << nothing >> moves() << nothing >> rests() << nothing
    play >> opened("door") << nothing >> moves(by="late") << RANG


# --- against a plain reading of the definition ---

EVENTS = st.lists(st.tuples(st.sampled_from("abx"), st.integers(0, 4)), max_size=12)


def event(name: str, gt: int) -> Event:
    kind = {"a": ("a", ContactOpened), "b": ("b", ContactOpened), "x": ("x", MotionStarted)}[name]
    return kind[1](id="i", gt=gt, wall=gt, device=kind[0])


@given(st.lists(st.sampled_from("ab"), min_size=2, max_size=4), st.integers(0, 8), st.booleans(), EVENTS)
@examples(300)
def test_a_sequence_is_what_its_definition_says(
    steps: list[str], within: int, with_unless: bool, told_: list[tuple[str, int]]
) -> None:
    unless = {"unless": [{"event": "motion.started"}]} if with_unless else {}
    chosen = [{"event": "contact.opened", "device": step} for step in steps]
    pattern = Following(When.model_validate({"sequence": chosen, "within": "1s", **unless}))
    pattern._within = within
    progress, gt = Progress(of=""), 0
    seen: list[tuple[str, int]] = []
    for name, passed in told_:
        gt += passed
        seen.append((name, gt))
        first = max((n for n, (each, _) in enumerate(seen) if each == "x"), default=-1) + 1 if with_unless else 0
        live = seen[first:]
        completed = any(
            [live[n][0] for n in chosen_] == steps
            and chosen_[-1] == len(live) - 1
            and live[chosen_[-1]][1] - live[chosen_[0]][1] <= within
            for chosen_ in combinations(range(len(live)), len(steps))
        )
        assert pattern.advance(event(name, gt), progress) == completed
        if completed:
            pattern.reset(event(name, gt), progress)
            seen.clear()


@given(st.integers(2, 4), st.integers(0, 8), st.lists(st.integers(0, 4), max_size=15))
@examples(150)
def test_a_count_is_what_its_definition_says(n: int, within: int, gaps: list[int]) -> None:
    pattern = Counting(Count.model_validate({"event": "contact.opened", "at_least": n, "within": "1s"}))
    pattern._within = within
    progress, gt = Progress(of=""), 0
    seen: list[int] = []
    for gap in gaps:
        gt += gap
        seen.append(gt)
        completed = len([at for at in seen if gt - at <= within]) >= n
        assert pattern.advance(event("a", gt), progress) == completed
        if completed:
            pattern.reset(event("a", gt), progress)
            seen.clear()


def test_what_is_remembered_is_bounded() -> None:
    one = {"event": "contact.opened", "at_least": 2, "within": "1h", "same": "device"}
    pattern, progress = Counting(Count.model_validate(one)), Progress(of="")
    for n in range(MOST_GROUPS + 1):
        assert not pattern.advance(ContactOpened(id="i", gt=n, wall=n, device=f"d{n}"), progress)
    assert len(progress.groups) == MOST_GROUPS
    assert "d0" not in progress.groups, "the one touched longest ago begins anew"
    assert pattern.advance(ContactOpened(id="i", gt=99, wall=99, device="d1"), progress)
    for n in range(500):
        pattern.advance(ContactOpened(id="i", gt=100 + n, wall=0, device="d1"), progress)
    assert len(progress.groups["d1"]) == 2
