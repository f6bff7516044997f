"""Conditions on the event itself, on readings, on what anybody did lately; and what explaining says of each."""

from __future__ import annotations

from typing import Any

import pytest

from rules.document.site import load_site
from rules.engine import Engine
from rules.turn import Turn
from tests.unit.playbook import GATEWAY, SECOND, Playbook, closed, nothing, opened, quiet, site, told

RANG = ["bolt on"]


def on_reading(condition: str) -> str:
    return quiet(condition).replace("event: contact.opened, device: door", "event: reading.temperature")


def warm(value: float, after: str = "1s", by: str = "live") -> Any:
    return told("reading.temperature", "thermometer", value=value, after=after, by=by)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("bounds", "value", "holds"),
    [
        ("above: 30", 30.0, False),
        ("above: 30", 30.000001, True),
        ("below: 5", 5.0, False),
        ("below: 5", 4.999999, True),
        ("above: 5, below: 30", 17, True),
        ("above: 5, below: 30", 31, False),
    ],
)
def test_a_value_is_beyond_its_bounds_and_not_at_them(bounds: str, value: float, holds: bool) -> None:
    play = Playbook(on_reading(f"{{value: {{{bounds}}}}}"))
    play >> warm(value) << (RANG if holds else nothing)


def test_the_last_reading_counts_and_one_never_heard_does_not() -> None:
    play = Playbook(quiet("{reading: {device: thermometer, above: 30}}"))
    play >> opened("door") << nothing >> closed("door") << nothing
    play >> warm(31) << nothing >> opened("door") << RANG >> closed("door") << nothing
    play >> warm(29) << nothing >> opened("door") << nothing >> closed("door") << nothing
    play >> warm(35, by="late") << nothing >> opened("door") << nothing >> closed("door") << nothing
    play >> warm(35, by="retained") << nothing >> opened("door") << RANG


def test_the_battery_is_a_reading_of_its_own() -> None:
    play = Playbook(quiet("{reading: {device: hatch, of: battery, below: 10}}"))
    play >> told("reading.battery", "hatch", value=9) << nothing >> opened("door") << RANG


@pytest.mark.parametrize(
    ("field", "on", "holds"),
    [
        ("{name: on, is: true}", True, True),
        ("{name: on, is: true}", False, False),
        ("{name: on, is: 1}", True, False),
        ("{name: on, is: [false, true]}", True, True),
        ("{name: device, is: [siren, bolt]}", True, True),
        ("{name: device, is: door}", True, False),
    ],
)
def test_a_field_of_the_event(field: str, on: bool, holds: bool) -> None:
    rule = quiet(f"{{field: {field}}}").replace("contact.opened, device: door", "output.reported, device: siren")
    Playbook(rule) >> told("output.reported", "siren", on=on) << (RANG if holds else nothing)


def test_a_field_with_bounds() -> None:
    play = Playbook(on_reading("{field: {name: value, above: 1.5}}"))
    play >> warm(1.5) << nothing >> warm(1.6) << RANG


def test_where_is_part_of_what_a_rule_listens_to() -> None:
    rule = quiet("{schedule: night}").replace("contact.opened, device: door", "output.reported, where: {on: false}")
    play = Playbook(rule)
    play >> told("output.reported", "siren", on=True) << nothing >> told("output.reported", "siren", on=False) << RANG


def test_a_rule_without_a_subject_listens_to_everybody() -> None:
    play = Playbook(quiet("{schedule: night}").replace(", device: door", ""))
    play >> opened("door") << RANG >> opened("hatch") << RANG


def test_a_rule_listens_to_several_kinds() -> None:
    play = Playbook(quiet("{schedule: night}").replace("contact.opened,", "[contact.opened, tamper.opened],"))
    play >> opened("door") << RANG >> told("tamper.opened", "door") << RANG >> opened("hatch") << nothing


@pytest.mark.parametrize(("gap", "holds"), [(30 * SECOND - 1, True), (30 * SECOND, True), (30 * SECOND + 1, False)])
def test_recent_of_anybody_reaches_to_its_edge(gap: int, holds: bool) -> None:
    play = Playbook(quiet("{recent: {event: [motion.started, tamper.opened], within: 30s}}"))
    play >> opened("door") << nothing >> closed("door") << nothing
    play >> told("tamper.opened", "hatch") << nothing >> opened("door", after=gap) << (RANG if holds else nothing)


def test_recent_of_an_event_with_these_fields() -> None:
    play = Playbook(quiet("{recent: {event: output.reported, device: siren, where: {on: true}, within: 1m}}"))
    play >> told("output.reported", "siren", on=False) << nothing >> opened("door") << nothing
    play >> closed("door") << nothing >> told("output.reported", "siren", on=True) << nothing >> opened("door") << RANG


# --- explaining ---


def explained(play: Playbook, **words: Any) -> list[str]:
    event = opened("door", after=0, **words)(play)
    turn = Turn(cause=event.id, seed=event.id, gt=event.gt or 0, wall=event.wall, clock=event.clock, trace=[])
    before = play.engine.snapshot()
    lines = play.engine._rulebook.explain("probe", event, turn)  # type: ignore[arg-type]
    assert play.engine.snapshot() == before, "asking changes nothing"
    return lines


HEAD = ["rule probe: Probe", "when matched: contact.opened of door"]


@pytest.mark.parametrize(
    ("condition", "line"),
    [
        ("{schedule: night}", "if.0 held: schedule night is on"),
        ("{not: {schedule: night}}", "if.0 did not hold: not (schedule night is on)"),
        (
            "{recent: {event: motion.started, device: eye, within: 30s}}",
            "if.0 held: motion.started of eye within 30 s: it came 4.5 s ago",
        ),
        (
            "{recent: {event: tamper.opened, within: 1m30s}}",
            "if.0 did not hold: tamper.opened within 90 s: it never came",
        ),
        ("{state: {device: eye, is: off}}", "if.0 did not hold: device eye is off: it is on"),
        (
            "{reading: {device: thermometer, above: 30}}",
            "if.0 did not hold: reading of thermometer above 30: it is 21.5",
        ),
        (
            "{reading: {device: hatch, of: battery, below: 9}}",
            "if.0 did not hold: reading of hatch below 9: never heard",
        ),
        ("{field: {name: device, is: [door, hatch]}}", "if.0 held: device is door or hatch: it is door"),
        (
            "{any: [{schedule: night}, {state: {device: eye, is: off}}]}",
            "if.0 held: any of [schedule night is on (held); device eye is off: it is on (did not hold)]",
        ),
    ],
)
def test_explaining_says_whether_a_condition_held_and_what_it_saw(condition: str, line: str) -> None:
    play = Playbook(quiet(condition))
    play >> warm(21.5) << nothing >> told("motion.started", "eye", after="0s") << nothing
    play.gt += 4_500_000
    assert explained(play) == [*HEAD, line]


def test_explaining_says_what_a_rule_listens_to_and_that_there_is_none() -> None:
    play = Playbook(quiet("{schedule: night}"))
    event = opened("hatch")(play)
    turn = Turn(cause="c", seed="c", gt=0, wall=0, clock="synced", trace=[])
    assert play.engine._rulebook.explain("probe", event, turn)[1] == (  # type: ignore[arg-type]
        "when did not match: contact.opened of hatch; it listens to contact.opened of door"
    )
    assert play.engine._rulebook.explain("nobody", event, turn) == ["there is no rule nobody"]  # type: ignore[arg-type]


def test_the_trace_names_the_first_condition_that_failed() -> None:
    condition = "{schedule: night}\n    - {state: {device: eye, is: on}}\n    - {state: {device: eye, is: off}}"
    play = Playbook(quiet(condition))
    play >> opened("door") << nothing
    assert [why.text for why in play.engine.trace if why.subject == "rule probe"] == [
        "rule probe: condition 1 did not hold"
    ]


def test_ten_thousand_rules_that_do_not_listen_are_not_looked_at() -> None:
    one = quiet("{schedule: night}")
    play = Playbook(one)
    many = site(one + one.replace("probe", "other").replace("device: door", "device: hatch"))
    engine = Engine(site=load_site(many, "many.yaml"), site_sha256="a" * 64, origin=GATEWAY)
    assert [each.id for each in engine._rulebook._index.of(opened("door")(play))] == ["probe"]  # type: ignore[arg-type]
