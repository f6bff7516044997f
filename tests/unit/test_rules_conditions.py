"""When a rule holds: schedules, what was recent, what is, and their combinations."""

from __future__ import annotations

from typing import Any

import pytest

from rules.document.site import load_site
from tests.unit.playbook import SECOND, Playbook, closed, nothing, opened, quiet, site, told, wall

# --- conditions ---


@pytest.mark.parametrize(
    ("at", "on"),
    [
        ("2026-01-14 21:59:59.999999", False),
        ("2026-01-14 22:00:00", True),
        ("2026-01-15 05:59:59.999999", True),
        ("2026-01-15 06:00:00", False),
        ("2026-01-17 05:59:59", True),  # Saturday morning belongs to Friday's night
        ("2026-01-17 22:00:00", False),  # Saturday has no night of its own
        ("2026-01-19 05:59:59", False),  # nor has Sunday
        ("2026-01-19 22:00:00", True),
    ],
)
def test_a_schedule_is_on_from_its_first_moment_until_before_its_last(at: str, on: bool) -> None:
    Playbook(quiet("{schedule: night}")) >> opened("door", at=at) << (["bolt on"] if on else nothing)


def test_a_schedule_follows_wall_time_whatever_gateway_time_says() -> None:
    play = Playbook(quiet("{schedule: night}"), at="2026-01-14 12:00:00")
    play >> opened("door", after="0s", at="2026-01-14 23:00:00") << ["bolt on"]


@pytest.mark.parametrize(
    ("gap", "holds"),
    [(30 * SECOND - 1, True), (30 * SECOND, True), (30 * SECOND + 1, False)],
    ids=["before", "at", "after"],
)
def test_recent_reaches_back_to_its_edge_and_not_a_microsecond_further(gap: int, holds: bool) -> None:
    play = Playbook(quiet("{recent: {event: motion.started, device: eye, within: 30s}}"))
    play >> told("motion.started", "eye") << nothing
    play >> opened("door", after=gap) << (["bolt on"] if holds else nothing)


def test_recent_is_about_one_device_and_one_kind_and_counts_repeats() -> None:
    play = Playbook(quiet("{recent: {event: contact.opened, device: hatch, within: 10s}}"))
    play >> opened("door") << nothing >> closed("hatch") << nothing >> closed("door") << nothing
    play >> opened("door") << nothing >> closed("door") << nothing
    play >> opened("hatch", after="1m") << nothing
    play >> opened("hatch", after="8s") << nothing  # says it again: no edge, but it is there now
    play >> opened("door", after="8s") << ["bolt on"]


def test_recent_of_the_trigger_itself_is_the_time_before() -> None:
    play = Playbook(quiet("{recent: {event: contact.opened, device: door, within: 10s}}"))
    play >> opened("door") << nothing >> closed("door") << nothing >> opened("door") << ["bolt on"]


def test_state_is_what_was_known_before_the_event() -> None:
    play = Playbook(quiet("{state: {device: door, is: unknown}}"))
    play >> opened("door") << ["bolt on"] >> closed("door") << nothing >> opened("door") << nothing


@pytest.mark.parametrize(
    ("told_kind", "body", "word"),
    [
        ("motion.started", {}, "on"),
        ("motion.ended", {}, "off"),
        ("output.reported", {"on": True}, "on"),
        ("output.reported", {"on": False}, "off"),
    ],
)
def test_state_of_detectors_and_outputs(told_kind: str, body: dict[str, Any], word: str) -> None:
    device = "eye" if told_kind.startswith("motion") else "siren"
    for asked_for in ("on", "off"):
        play = Playbook(quiet(f"{{state: {{device: {device}, is: {asked_for}}}}}"))
        play >> opened("door") << nothing >> closed("door") << nothing
        play >> told(told_kind, device, **body) << nothing
        play >> opened("door") << (["bolt on"] if word == asked_for else nothing)


A, B = "{state: {device: hatch, is: open}}", "{state: {device: eye, is: on}}"


@pytest.mark.parametrize("a", [False, True])
@pytest.mark.parametrize("b", [False, True])
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (f"{{not: {A}}}", lambda a, b: not a),
        (f"{{all: [{A}, {B}]}}", lambda a, b: a and b),
        (f"{{any: [{A}, {B}]}}", lambda a, b: a or b),
        (f"{{not: {{all: [{A}, {{not: {B}}}]}}}}", lambda a, b: not (a and not b)),
        (f"{{any: [{{all: [{A}, {B}]}}, {{not: {{any: [{A}, {B}]}}}}]}}", lambda a, b: a == b),
    ],
)
def test_not_all_any(condition: str, holds: object, a: bool, b: bool) -> None:
    play = Playbook(quiet(condition))
    play >> (opened("hatch") if a else closed("hatch")) << nothing
    play >> told("motion.started" if b else "motion.ended", "eye") << nothing
    play >> opened("door") << (["bolt on"] if callable(holds) and holds(a, b) else nothing)


def test_several_conditions_must_all_hold() -> None:
    play = Playbook(quiet(f"{A}\n    - {B}"))
    play >> opened("hatch") << nothing >> opened("door") << nothing >> closed("door") << nothing
    play >> told("motion.started", "eye") << nothing >> opened("door") << ["bolt on"]


# --- the nights the clocks change ---


@pytest.mark.parametrize(
    ("moment", "on"),
    [
        # 29 March 2026: at 02:00 it is 03:00.
        (wall("2026-03-29 01:29:59.999999"), False),
        (wall("2026-03-29 01:30:00"), True),
        (wall("2026-03-29 01:59:59.999999"), True),
        (wall("2026-03-29 01:59:59.999999") + 1, True),  # the clocks show 03:00:00
        (wall("2026-03-29 03:29:59.999999"), True),
        (wall("2026-03-29 01:30:00") + 3600 * SECOND, False),  # one real hour later it is over, not two
        # 25 October 2026: at 03:00 it is 02:00 again.
        (wall("2026-10-25 01:29:59.999999"), False),
        (wall("2026-10-25 01:30:00"), True),
        (wall("2026-10-25 02:30:00"), True),
        (wall("2026-10-25 02:30:00", fold=1), True),
        (wall("2026-10-25 03:29:59.999999"), True),
        (wall("2026-10-25 01:30:00") + 3 * 3600 * SECOND - 1, True),  # three real hours
        (wall("2026-10-25 01:30:00") + 3 * 3600 * SECOND, False),
    ],
)
def test_both_nights_of_summer_time(moment: int, on: bool) -> None:
    rules = quiet("{schedule: early}")
    play = Playbook(quiet("{schedule: night}"))
    text = site(rules).replace("schedules:", "schedules:\n  early: {weekly: [{days: [sun], from: 01:30, to: 03:30}]}")
    play.site = load_site(text, "playbook.yaml")
    play.engine, play._from_log, play._shadows = play._new(), play._new(), [play._new()]
    play.wall = moment
    play >> opened("door", after=0) << (["bolt on"] if on else nothing)
