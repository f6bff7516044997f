"""What rules do, in which order, how often, and when they are held back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules.document.site import Site
from rules.engine import Engine
from rules.events import ContactOpened, RuleMuted, RuleUnmuted
from rules.rulebook.fire import MOST_WAKES
from rules.rulebook.storm import LIFE, NEVER_MUTED
from tests.unit.playbook import (
    GATEWAY,
    INCIDENT,
    SECOND,
    Playbook,
    asked,
    closed,
    entry,
    nothing,
    opened,
    passes,
    told,
)


def rule(name: str, then: str, *, when: str = "event: contact.opened, device: door", more: str = "") -> str:
    return f"""
- id: {name}
  name: Rule {name}
  when: {{{when}}}
  {more}
  then:
    - {then}
"""


BOLT, SIREN = "command: {device: bolt, set: on}", "command: {device: siren, set: on}"

# --- order ---


def test_the_highest_priority_acts_first_and_the_document_decides_between_equals() -> None:
    play = Playbook(
        rule("a", "pulse: {device: bolt}")
        + rule("b", SIREN, more="priority: 5")
        + rule("c", BOLT, when="event: contact.opened", more="priority: 5")
        + rule("d", "pulse: {device: siren}", when="event: contact.opened", more="priority: -1")
    )
    play >> opened("door") << ["siren on", "bolt on", "pulse bolt", "pulse siren"]
    play >> opened("hatch") << ["bolt on", "pulse siren"]


# --- wake ---

LATER = rule("start", "wake: {after: 30s, as: later}") + rule(
    "then", BOLT, when="event: rule.woke, rule: start, where: {name: later}"
)


def test_a_delay_wakes_another_rule() -> None:
    play = Playbook(LATER)
    play >> opened("door") << ["wake 30s"]
    play >> passes(30 * SECOND - 1) << ["wake 0.000001s"] >> passes(1) << ["note rule.woke", "bolt on"]


def test_asking_again_begins_a_delay_anew() -> None:
    play = Playbook(LATER)
    play >> opened("door") << ["wake 30s"] >> closed("door", after="20s") << nothing
    (
        play
        >> opened("door")
        << ["wake 30s"]
        >> passes("29s")
        << ["wake 1s"]
        >> passes("1s")
        << ["note rule.woke", "bolt on"]
    )


def test_each_subject_has_a_delay_of_its_own_and_a_name() -> None:
    start = rule("start", "wake: {after: 30s, as: later}", when="event: contact.opened")
    then = 'open_incident: {severity: low, group: 0s, title: "{{ subject.name }} after {{ rule.id }}"}'
    play = Playbook(start + rule("then", then, when="event: rule.woke, rule: start"))
    play >> opened("door") << ["wake 30s"] >> opened("hatch", after="10s") << nothing
    play >> passes("20s") << ["note rule.woke", "opened Server room door after then (low)", "wake 10s"]
    play >> passes("10s") << ["note rule.woke", "opened hatch after then (low)"]
    assert json.loads(play.engine.snapshot())["state"]["rules"]["wakes"] == {}


def test_a_rule_may_wake_itself() -> None:
    first = rule("tick", "wake: {after: 1m, as: tick}")
    play = Playbook(first + rule("tock", "wake: {after: 1m, as: tock}", when="event: rule.woke"))
    play >> opened("door") << ["wake 60s"]
    for _ in range(3):
        play >> passes("60s") << ["note rule.woke", "wake 60s"]


def test_delays_are_bounded() -> None:
    play = Playbook(rule("start", "wake: {after: 10h, as: later}", when="event: contact.opened"))
    for n in range(MOST_WAKES + 1):
        event = ContactOpened(id=f"{n:032}", gt=play.gt + n * 3 * SECOND, wall=play.wall, device=f"d {n}")
        play.engine.step(event)
    assert [why.text for why in play.engine.trace][-1] == (
        f"rule start: already waits for {MOST_WAKES} things: this delay is left out"
    )
    assert len(json.loads(play.engine.snapshot())["state"]["rules"]["wakes"]["start"]) == MOST_WAKES


# --- append ---

BACK = rule(
    "back",
    'append_incident: {rule: alarm, note: "{{ device.name }} closed again"}\n    - save_clip: {cameras: [cam]}',
    when="event: contact.closed, device: door",
)
CLIP = ["still cam", "clip cam -10s +30s", "evidence still of cam", "evidence clip of cam"]


def test_a_note_goes_to_the_open_incident_of_a_rule_and_footage_with_it() -> None:
    play = Playbook(INCIDENT + BACK)
    play >> closed("door") << nothing
    play >> opened("door") << ["opened Server room door opened (high)"]
    play >> closed("door") << ["noted", *CLIP]
    note = play.entries()[0]
    assert (note.body, note.by, note.lamport) == ({"note": "Server room door closed again"}, "Rule back", 2)


def test_what_is_resolved_gets_no_more_notes() -> None:
    play = Playbook(INCIDENT + BACK)
    play >> opened("door") << ["opened Server room door opened (high)"]
    play >> entry("resolved", lamport=2, reason="false_alarm") << nothing
    play >> closed("door") << nothing
    assert [why.text for why in play.engine.trace] == [
        "rule back: fired by contact.closed of door",
        "rule back: has nothing to add to: alarm has no open incident",
    ]


def test_two_notes_at_once_are_two() -> None:
    play = Playbook(INCIDENT + BACK.replace("save_clip: {cameras: [cam]}", BOLT) + BACK.replace("id: back", "id: too"))
    play >> opened("door") << ["opened Server room door opened (high)"]
    play >> closed("door") << ["noted", "bolt on", "noted", *CLIP]


# --- cool-down ---


@pytest.mark.parametrize(("gap", "acts"), [(60 * SECOND - 1, False), (60 * SECOND, True)])
def test_a_rule_cools_down_until_exactly_then(gap: int, acts: bool) -> None:
    play = Playbook(rule("a", "pulse: {device: bolt}", more="cool_down: 60s"))
    play >> opened("door") << ["pulse bolt"] >> closed("door", after=0) << nothing
    play >> opened("door", after=gap) << (["pulse bolt"] if acts else nothing)


def test_what_is_held_back_does_not_prolong_the_cool_down() -> None:
    play = Playbook(rule("a", "pulse: {device: bolt}", more="cool_down: 60s"))
    play >> opened("door") << ["pulse bolt"]
    for acts in (False, False, True):
        play >> closed("door", after=0) << nothing
        play >> opened("door", after="20s") << (["pulse bolt"] if acts else nothing)


# --- storm ---

STORM = rule("a", "pulse: {device: bolt}", more="storm: {more_than: 3, within: 10s, rest: 60s}")


def storm(play: Playbook, times: int, after: str | int = "1s") -> Playbook:
    for _ in range(times):
        play >> opened("door", after=after) << ["pulse bolt"] >> closed("door", after=0) << nothing
    return play


def test_a_rule_that_acts_too_often_rests_and_is_counted() -> None:
    play = storm(Playbook(STORM), 3)
    play >> opened("door") << ["note rule.muted", "wake 60s"]
    play >> closed("door", after=0) << nothing >> opened("door") << nothing >> closed("door", after=0) << nothing
    play >> passes(59 * SECOND - 1) << ["wake 0.000001s"] >> passes(1) << ["note rule.unmuted"]
    (made,) = [action.event for action in play.actions if hasattr(action, "event")]
    assert isinstance(made, RuleUnmuted)
    assert (made.rule, made.count) == ("a", 2)
    storm(play, 3)


@pytest.mark.parametrize(("gap", "muted"), [(8 * SECOND, True), (8 * SECOND + 1, False)])
def test_the_storm_counts_what_was_within_its_time(gap: int, muted: bool) -> None:
    play = storm(Playbook(STORM), 3)
    play >> opened("door", after=gap) << (["note rule.muted", "wake 60s"] if muted else ["pulse bolt"])


def test_others_may_listen_to_a_storm() -> None:
    told_ = 'open_incident: {severity: low, title: "{{ subject.name }} was held back"}'
    play = storm(Playbook(STORM + rule("watch", told_, when="event: rule.muted")), 3)
    play >> opened("door") << ["note rule.muted", "opened Rule a was held back (low)", "wake 60s"]


def test_without_a_word_thirty_a_minute_are_enough() -> None:
    play = storm(Playbook(rule("a", "pulse: {device: bolt}")), 30, after=0)
    play >> opened("door", after="60s") << ["note rule.muted", "wake 300s"]
    assert isinstance(play.actions[0].event, RuleMuted)  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", sorted(NEVER_MUTED - {"panic.raised"}))
def test_fire_and_gas_are_never_held_back(kind: str) -> None:
    play = Playbook(STORM.replace("contact.opened, device: door", kind))
    for _ in range(10):
        play >> told(kind, "detector") << ["pulse bolt"]
        play >> told(kind.replace("detected", "cleared"), "detector", after=0) << nothing


@pytest.mark.parametrize("zone_type", ["hold_up", "fire", "co", "technical"])
def test_what_a_zone_for_life_says_is_never_held_back(zone_type: str) -> None:
    data: dict[str, Any] = {
        "site": {"id": "house", "name": "House"},
        "devices": [
            {"id": "button", "type": "button", "mqtt": {"topic": "a", "on": 1, "off": 0}},
            {"id": "bolt", "type": "output", "mqtt": {"topic": "b", "on": 1, "off": 0, "command": {
                "topic": "c", "on": "1", "off": "0"}}},
        ],
        "partitions": [{"id": "hall"}],
        "zones": [{"id": "help", "device": "button", "type": "technical", "partition": "hall"}],
        "rules": [{
            "id": "a", "name": "A", "when": {"event": ["button.pressed", "zone.alarmed"]},
            "storm": {"more_than": 1}, "then": [{"pulse": {"device": "bolt"}}],
        }],
    }  # fmt: skip
    data["zones"][0]["type"] = zone_type
    engine = Engine(site=Site.model_validate(data), site_sha256="a" * 64, origin=GATEWAY)
    guard = engine._rulebook._storms
    assert guard.spares(told("button.pressed", "button")(Playbook(INCIDENT))) == (zone_type in LIFE)  # type: ignore[arg-type]


# --- titles ---


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("{{ device.name }} / {{ device.id }}", "Server room door / door"),
        ("{{ subject.name }} at {{ site.name }} ({{ site.id }})", "Server room door at The House (house)"),
        ("{{rule.name}} {{ rule.id }} {{ event.kind }}", "Door opened alarm contact.opened"),
        ("nothing to fill", "nothing to fill"),
    ],
)
def test_blanks(title: str, text: str) -> None:
    Playbook(INCIDENT.replace("{{ device.name }} opened", title)) >> opened("door") << [f"opened {text} (high)"]


def test_a_reading_is_written_short() -> None:
    play = Playbook(
        INCIDENT.replace("contact.opened, device: door", "reading.temperature")
        .replace("opened}}", "x")
        .replace("{{ device.name }} opened", "{{ event.value }} degrees")
    )
    play >> told("reading.temperature", "thermometer", value=21.50) << ["opened 21.5 degrees (high)"]


def test_a_rule_that_silences_is_no_order_of_a_person() -> None:
    play = Playbook(rule("a", "command: {device: siren, set: on, for: 60s}"))
    play >> opened("door") << ["siren on 60s", "wake 60s"] >> asked("silence", device="siren")
    assert "siren off" in play.said()
