"""The whole line, and what the way a message came does to it."""

from __future__ import annotations

from rules.actions import Pulse, SaveClip, SetLevel, TakeStill
from rules.casebook import CLIP_NOT_AFTER
from rules.events import BrokerLost, SiteApplied
from rules.incidents import fold
from rules.outputs import LEVEL_NOT_AFTER, PULSE_NOT_AFTER
from tests.unit.playbook import (
    GATEWAY,
    INCIDENT,
    SECOND,
    SIREN,
    WHOLE,
    Playbook,
    asked,
    closed,
    nothing,
    opened,
    quiet,
    told,
)

# --- the whole line ---


def test_a_door_at_night_does_everything_outputs_before_footage() -> None:
    play = Playbook(WHOLE)
    (
        play
        >> opened("door")
        << [
            "opened Server room door opened at The House (high) -> guards",
            "siren on 60s",
            "pulse bolt",
            "still cam",
            "clip cam -10s +30s",
            "evidence still of cam",
            "evidence clip of cam",
            "wake 60s",
        ]
    )
    opening, still, clip = play.entries()
    incident = fold([opening, still, clip], now=play.wall)
    assert opening.body == {
        "title": "Server room door opened at The House",
        "severity": "high",
        "rule": "alarm",
        "device": "door",
        "device_name": "Server room door",
        "site": "house",
        "site_name": "The House",
        "trigger": play.last.id if play.last else "",
        "policy": "guards",
    }
    assert (opening.by, opening.origin, opening.lamport) == ("Door opened at night", GATEWAY, 1)
    assert [still.lamport, clip.lamport] == [2, 3]
    assert [incident.stills, incident.clips] == [
        tuple(action.still for action in play.actions if isinstance(action, TakeStill)),
        tuple(action.clip for action in play.actions if isinstance(action, SaveClip)),
    ]


def test_every_effect_says_when_it_is_too_late() -> None:
    play = Playbook(WHOLE)
    play >> opened("door")
    limits = {
        type(action): action.not_after - play.gt
        for action in play.actions
        if isinstance(action, SetLevel | Pulse | SaveClip | TakeStill)
    }
    assert limits == {
        SetLevel: 60 * SECOND,
        Pulse: PULSE_NOT_AFTER,
        SaveClip: CLIP_NOT_AFTER,
        TakeStill: CLIP_NOT_AFTER,
    }


def test_a_level_without_an_end_is_tried_for_a_minute_and_off_for_as_long_as_it_takes() -> None:
    play = Playbook(quiet("{state: {device: eye, is: unknown}}"))
    play >> opened("door") << ["bolt on"]
    assert [action.not_after - play.gt for action in play.actions if isinstance(action, SetLevel)] == [LEVEL_NOT_AFTER]
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"] >> asked("silence", device="siren")
    assert [action.not_after for action in play.actions if isinstance(action, SetLevel)] == [2**62]


def test_an_incident_tells_its_one_policy_and_without_notify_none() -> None:
    Playbook(INCIDENT) >> opened("door") << ["opened Server room door opened (high)"]


def test_a_device_without_a_name_is_called_by_its_id() -> None:
    rules = INCIDENT.replace("device: door", "device: hatch")
    Playbook(rules) >> opened("hatch") << ["opened hatch opened (high)"]


def test_two_rules_on_one_event_act_each_in_document_order() -> None:
    play = Playbook(SIREN + INCIDENT.replace("id: alarm", "id: report"))
    play >> opened("door") << ["siren on 60s", "opened Server room door opened (high)", "wake 60s"]


def test_what_no_rule_listens_to_changes_nothing() -> None:
    play = Playbook(WHOLE)
    play >> opened("hatch") << nothing >> told("reading.temperature", "thermometer", value=21.5) << nothing
    play >> (
        lambda book: BrokerLost(id=f"{0:08}-0000-0000-0000-{0:012}", gt=book.gt, wall=book.wall, broker="b", reason="r")
    )
    play << nothing
    play >> (
        lambda book: SiteApplied(
            id=f"{1:08}-0000-0000-0000-{0:012}", gt=book.gt, wall=book.wall, version=1, sha256="a", who="w", why="y"
        )
    )
    play << nothing


# --- how a message came ---


def test_an_edge_fires_and_a_repeat_does_not() -> None:
    play = Playbook(INCIDENT.replace("title", "group: 0s, title"))
    play >> opened("door") << ["opened Server room door opened (high)"]
    play >> opened("door") << nothing >> opened("door", by="redelivered") << nothing
    play >> closed("door") << nothing
    play >> opened("door") << ["opened Server room door opened (high)"]


def test_a_kind_without_a_state_fires_each_time() -> None:
    rules = INCIDENT.replace("contact.opened, device: door", "reading.temperature, device: thermometer")
    play = Playbook(rules.replace("title", "group: 0s, title"))
    for _ in range(2):
        play >> told("reading.temperature", "thermometer", value=21.5) << ["opened thermometer opened (high)"]


def test_retained_state_is_remembered_and_fires_nothing() -> None:
    play = Playbook(INCIDENT)
    play >> opened("door", by="retained") << nothing
    play >> opened("door") << nothing
    play >> closed("door") << nothing >> opened("door") << ["opened Server room door opened (high)"]


def test_retained_is_no_recent_event() -> None:
    recent = "{recent: {event: motion.started, device: eye, within: 1h}}"
    Playbook(quiet(recent)) >> told("motion.started", "eye", by="retained") << nothing >> opened("door") << nothing


def test_redelivered_does_everything_but_pulses() -> None:
    play = Playbook(WHOLE)
    (
        play
        >> opened("door", by="redelivered")
        << [
            "opened Server room door opened at The House (high) -> guards",
            "siren on 60s",
            "expired bolt (redelivered)",
            "still cam",
            "clip cam -10s +30s",
            "evidence still of cam",
            "evidence clip of cam",
            "wake 60s",
        ]
    )


def test_late_raises_the_alarm_and_leaves_no_trace() -> None:
    play = Playbook(WHOLE)
    play >> closed("door") << nothing
    play >> opened("door", by="late")
    assert play.said()[:3] == [
        "opened Server room door opened at The House (high) -> guards",
        "siren on 60s",
        "expired bolt (redelivered)",
    ]
    play << play.said()
    # Had it set state, the newer truth "closed" would be gone, and this opening no edge.
    play >> opened("door", after="10m")
    assert play.said()[:2] == ["siren off", "opened Server room door opened at The House (high) -> guards"]


def test_late_raises_even_what_is_known_already() -> None:
    play = Playbook(INCIDENT.replace("title", "group: 0s, title"))
    play >> opened("door") << ["opened Server room door opened (high)"]
    play >> opened("door", by="late") << ["opened Server room door opened (high)"]


def test_late_is_not_recent() -> None:
    recent = "{recent: {event: motion.started, device: eye, within: 1h}}"
    Playbook(quiet(recent)) >> told("motion.started", "eye", by="late") << nothing >> opened("door") << nothing


def test_tamper_is_its_own_edge_beside_the_contact() -> None:
    rules = INCIDENT.replace("contact.opened", "tamper.opened").replace("title", "group: 0s, title")
    play = Playbook(rules)
    play >> opened("door") << nothing
    play >> told("tamper.opened", "door") << ["opened Server room door opened (high)"]
    play >> told("tamper.opened", "door") << nothing
    play >> closed("door") << nothing >> told("tamper.opened", "door") << nothing
    play >> told("tamper.closed", "door") << nothing
    play >> told("tamper.opened", "door") << ["opened Server room door opened (high)"]
