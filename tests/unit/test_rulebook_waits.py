"""Patterns of time: nothing came for so long, something has been so for so long; at their edges and over restarts."""

from __future__ import annotations

import json

import pytest

from rules.document.site import load_site
from rules.engine import Engine
from tests.unit.playbook import GATEWAY, SECOND, Playbook, Step, boots, closed, nothing, opened, passes, site, told

WOKE = ["note rule.woke", "bolt on"]


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


SILENT = waits("{absence: {event: motion.started, device: eye, for: 60s}}")
OPEN = waits("{holds: {device: door, is: open, for: 60s}}")
WARM = waits("{holds: {reading: {device: thermometer, above: 8}, for: 60s}}")
NOT_BACK = waits(
    "{absence: {event: contact.closed, device: door, for: 60s, after: {event: contact.opened, device: door}}}"
)


def warm(value: float, after: str = "1s") -> Step:
    return told("reading.temperature", "thermometer", value=value, after=after)


# --- absence ---


def test_silence_begins_with_the_first_fact() -> None:
    play = Playbook(SILENT)
    play >> opened("door") << ["wake 60s"]
    play >> passes(60 * SECOND - 1) << ["wake 0.000001s"] >> passes(1) << WOKE


def test_whatever_is_heard_begins_it_anew_even_when_it_is_no_news() -> None:
    play = Playbook(SILENT)
    play >> told("motion.started", "eye") << ["wake 60s"]
    play >> told("motion.started", "eye", after="59s") << ["wake 60s"]
    play >> told("motion.started", "eye", after="59s", by="redelivered") << ["wake 60s"]
    play >> passes(60 * SECOND - 1) << ["wake 0.000001s"] >> passes(1) << WOKE


@pytest.mark.parametrize("by", ["retained", "late"])
def test_what_the_broker_kept_or_a_newer_one_overtook_is_not_heard(by: str) -> None:
    play = Playbook(SILENT)
    play >> opened("door") << ["wake 60s"]
    play >> told("motion.started", "eye", after="59s", by=by) << nothing >> passes("1s") << WOKE  # type: ignore[arg-type]


def test_silence_rings_once_until_it_was_heard_again() -> None:
    play = Playbook(SILENT)
    play >> opened("door") << ["wake 60s"] >> passes("60s") << WOKE
    play >> opened("hatch", after="1h") << nothing
    play >> told("motion.started", "eye") << ["wake 60s"] >> passes("60s") << WOKE


def test_silence_after_something_runs_from_the_first_of_those() -> None:
    play = Playbook(NOT_BACK)
    play >> told("motion.started", "eye") << nothing
    play >> opened("door") << ["wake 60s"]
    play >> opened("door", after="30s") << nothing
    play >> passes("30s") << WOKE
    play >> opened("hatch", after="1h") << nothing
    play >> closed("door") << nothing >> opened("door") << ["wake 60s"] >> closed("door", after="59s") << nothing
    play >> passes("10m") << nothing


def test_time_off_is_no_silence() -> None:
    play = Playbook(SILENT)
    play >> opened("door") << ["wake 60s"]
    play >> boots(after=0, off="1h") << ["wake 60s"]
    play >> passes("60s") << WOKE


@pytest.mark.parametrize(("left", "rings"), [(1, False), (0, True)])
def test_what_was_due_before_the_power_went_is_not_put_off(left: int, rings: bool) -> None:
    play = Playbook(SILENT)
    play >> opened("door") << ["wake 60s"]
    play >> boots(after=60 * SECOND - left, off="1h")
    assert ("bolt on" in play.said()) == rings


def test_the_incident_says_whom_it_is_about() -> None:
    rule = SILENT.replace(
        "command: {device: bolt, set: on}", 'open_incident: {severity: low, title: "{{ device.name }}?"}'
    )
    play = Playbook(rule.replace("eye", "door").replace("motion.started", "contact.opened"))
    play >> opened("door") << ["wake 60s"] >> passes("60s") << ["note rule.woke", "opened Server room door? (low)"]
    (opening,) = play.entries()
    assert (opening.body["device"], opening.body["device_name"]) == ("door", "Server room door")


# --- holds ---


def test_a_state_holds_from_its_beginning_without_a_break() -> None:
    play = Playbook(OPEN)
    play >> opened("door") << ["wake 60s"] >> closed("door", after="59s") << nothing
    play >> opened("door", after="10m") << ["wake 60s"]
    play >> passes(60 * SECOND - 1) << ["wake 0.000001s"] >> passes(1) << WOKE
    play >> opened("door", after="1h") << nothing
    play >> closed("door") << nothing >> opened("door") << ["wake 60s"] >> passes("60s") << WOKE


def test_a_state_the_broker_kept_holds_too() -> None:
    play = Playbook(OPEN)
    play >> opened("door", by="retained") << ["wake 60s"]
    play >> opened("door", by="retained", after="30s") << nothing
    play >> passes("30s") << WOKE


def test_time_off_does_not_count_as_lasting() -> None:
    play = Playbook(OPEN)
    play >> opened("door") << ["wake 60s"] >> boots(after="10s", off="1h") << ["wake 50s"]
    play >> closed("door", by="retained") << nothing >> passes("10m") << nothing


def test_a_reading_holds_while_it_stays_beyond() -> None:
    play = Playbook(WARM)
    play >> warm(8.0) << nothing
    play >> warm(8.1) << ["wake 60s"] >> warm(20, after="30s") << nothing >> warm(8.0) << nothing
    play >> warm(9.0) << ["wake 60s"] >> warm(9.5, after="60s") << WOKE
    play >> warm(30, after="10m") << nothing


def test_conditions_are_asked_when_the_time_is_over() -> None:
    rule = waits("{holds: {device: door, is: open, for: 60s}}", "if: [{state: {device: hatch, is: open}}]")
    play = Playbook(rule)
    play >> opened("door") << ["wake 60s"] >> passes("60s") << ["note rule.woke"]
    play >> closed("door") << nothing >> opened("hatch") << nothing
    play >> opened("door") << ["wake 60s"] >> passes("60s") << WOKE


def test_the_incident_points_to_what_began_it() -> None:
    rule = OPEN.replace(
        "command: {device: bolt, set: on}", 'open_incident: {severity: low, title: "{{ device.name }}"}'
    )
    play = Playbook(rule)
    play >> opened("door") << ["wake 60s"]
    began = play.last
    play >> opened("hatch", after="2m") << ["note rule.woke", "opened Server room door (low)"]
    (opening,) = play.entries()
    assert began is not None
    assert opening.cause == began.id
    assert opening.gt == began.gt + 60 * SECOND  # type: ignore[operator]


# --- a changed document ---


def restored(play: Playbook, rules: str) -> Engine:
    changed = load_site(site(rules), "changed.yaml")
    return Engine.restore(play.engine.snapshot(), site=changed, site_sha256="b" * 64, origin=GATEWAY)


def test_a_rule_that_stays_goes_on_waiting() -> None:
    play = Playbook(OPEN)
    play >> opened("door") << ["wake 60s"]
    assert restored(play, OPEN + OPEN.replace("probe", "other")).next_wake() == play.gt + 60 * SECOND


def test_a_changed_pattern_begins_anew() -> None:
    play = Playbook(OPEN)
    play >> opened("door") << ["wake 60s"]
    engine = restored(play, OPEN.replace("60s", "50s"))
    assert engine.next_wake() is None
    assert opened("hatch", after="10s")(play).gt == play.gt
    engine.step(opened("hatch", after=0)(play))
    assert engine.next_wake() == play.gt + 50 * SECOND, "it holds already, and nobody knows better since when"


def test_a_rule_that_is_gone_is_forgotten() -> None:
    play = Playbook(OPEN)
    play >> opened("door") << ["wake 60s"]
    engine = restored(play, SILENT.replace("probe", "other"))
    assert engine.next_wake() is None
    assert json.loads(engine.snapshot())["state"]["rules"]["patterns"] == {}
