"""What an alarm at a door or keypad is made of: the whole incident, the footage, the sirens, and in whose name."""

from __future__ import annotations

from typing import Any

import pytest

from rules import ids
from rules.actions import Append, Note, Pulse, SaveClip, SetLevel, TakeStill
from rules.events import EffectCommanded
from tests.unit.access_rig import SECOND, Rig, digest

FILMED: dict[str, Any] = {"name": "Front door", "partition": "office", "cameras": ["cam"], "policy": "guards"}


def opened(rig: Rig) -> dict[str, Any]:
    """The body of the incident that was opened in the last step, and who opened it."""
    (entry,) = [
        action.entry for action in rig.actions if isinstance(action, Append) and action.entry.kind == "incident.opened"
    ]
    return {"by": entry.by, **entry.body}


def fact(rig: Rig, kind: str) -> str:
    """The id of the fact of this kind that was made in the last step."""
    (found,) = [a.event.id for a in rig.actions if isinstance(a, Note) and a.event.kind == kind]
    return found


def filmed(rig: Rig, maker: str) -> None:
    stills = [action for action in rig.actions if isinstance(action, TakeStill)]
    clips = [action for action in rig.actions if isinstance(action, SaveClip)]
    assert [(still.camera, still.rule) for still in stills] == [("cam", maker)]
    assert [(clip.camera, clip.pre, clip.post) for clip in clips] == [("cam", 10 * SECOND, 30 * SECOND)]


def sounding(rig: Rig) -> list[tuple[str, str, str, int | None]]:
    return [(a.device, a.value, a.rule, a.until) for a in rig.actions if isinstance(a, SetLevel)]


def of_the_site(fact_id: str, **words: Any) -> dict[str, Any]:
    return {"by": "Nightporter", "site": "house", "site_name": "The House", "trigger": fact_id, **words}


def test_a_forced_door_is_an_incident_with_everything_in_it() -> None:
    rig = Rig(door=FILMED | {"sirens": ["siren"], "siren_for": "1m"})
    rig.closes()
    rig.opens()
    assert opened(rig) == of_the_site(
        fact(rig, "door.forced"),
        title="Front door forced open",
        severity="high",
        rule="door front forced",
        device="leaf",
        device_name="Front door",
        partition="office",
        policy="guards",
    )
    filmed(rig, "door front forced")
    assert sounding(rig) == [("siren", "on", "door front forced", rig.gt + 60 * SECOND)]
    rig.closes()
    assert sounding(rig) == [], "who came in is in: it sounds on"


def test_a_held_door_is_an_incident_with_everything_in_it() -> None:
    rig = Rig(door=FILMED | {"sirens": ["siren"]})
    rig.card()
    rig.opens()
    rig.passes("30s")
    assert opened(rig) == of_the_site(
        fact(rig, "door.held"),
        title="Front door held open",
        severity="medium",
        rule="door front held",
        device="leaf",
        device_name="Front door",
        partition="office",
        policy="guards",
    )
    filmed(rig, "door front held")
    assert sounding(rig) == [("siren", "on", "door front held", rig.gt + 180 * SECOND)]
    rig.closes()
    assert sounding(rig) == [("siren", "off", "door front held", None)]


def test_closing_a_held_door_ends_nobody_elses_siren() -> None:
    rig = Rig(door={"sirens": ["siren"]}, partitions=[{"id": "office", "sirens": ["siren"]}])
    rig.card()
    rig.opens()
    rig.passes("30s")
    rig.tells("key.pressed", "pad", key="panic")
    rig.closes()
    assert sounding(rig) == []


def test_what_a_door_does_not_say_its_incident_leaves_out() -> None:
    rig = Rig()
    rig.closes()
    rig.opens()
    assert not {"policy", "partition"} & set(opened(rig))
    assert not any(isinstance(action, TakeStill | SaveClip | SetLevel) for action in rig.actions)


def test_a_door_without_a_policy_has_that_of_its_partition() -> None:
    rig = Rig(door={"partition": "office"}, partitions=[{"id": "office", "policy": "guards"}])
    rig.closes()
    rig.opens()
    assert opened(rig)["policy"] == "guards"


@pytest.mark.parametrize("what", ["forced", "held"])
def test_an_alarm_joins_the_one_before_within_five_minutes(what: str) -> None:
    rig = Rig(door={"held_after": "20s", "warn_before": "0s"})
    rig.closes()

    def alarm(after: int) -> list[str]:
        if what == "forced":
            return rig.opens(after=after)
        rig.card(after=after - 22 * SECOND)
        rig.opens(after="2s")
        return rig.passes("20s")

    assert alarm(60 * SECOND)[-1].startswith("opened ")
    rig.closes(after=SECOND)
    assert alarm(299 * SECOND - 1)[-1].startswith("evidence again: front ")
    rig.closes(after=SECOND)
    assert alarm(299 * SECOND)[-1].startswith("opened ")


def test_duress_is_an_incident_with_everything_in_it() -> None:
    codes = [{"digest": digest("ada duress"), "duress": True}]
    keypad = {"device": "pad", "partition": "office", "cameras": ["cam"]}
    rig = Rig(ada={"codes": codes}, keypads=[keypad], partitions=[{"id": "office", "policy": "police"}])
    rig.code("ada duress")
    assert opened(rig) == of_the_site(
        fact(rig, "duress.raised"),
        title="Duress: Ada at pad",
        severity="critical",
        covert=True,
        rule="duress ada",
        device="pad",
        device_name="pad",
        policy="police",
    )
    filmed(rig, "duress ada")


@pytest.mark.parametrize(("keypad", "expected"), [({}, "police"), ({"policy": "wardens"}, "wardens")])
def test_the_keypads_own_policy_comes_first(keypad: dict[str, str], expected: str) -> None:
    rig = Rig(
        keypads=[{"device": "pad", "partition": "office"} | keypad],
        partitions=[{"id": "office", "policy": "police", "cameras": ["cam"], "sirens": ["siren"]}],
    )
    rig.tells("key.pressed", "pad", key="help")
    assert opened(rig) == of_the_site(
        fact(rig, "panic.raised"),
        title="Help called at pad",
        severity="critical",
        rule="keypad pad help",
        device="pad",
        device_name="pad",
        partition="office",
        policy=expected,
    )
    filmed(rig, "keypad pad help")
    assert sounding(rig) == [], "help is called in silence unless the document says otherwise"


def test_help_that_is_audible_sounds_for_the_partitions_time() -> None:
    rig = Rig(
        keypads=[{"device": "pad", "partition": "office", "panic": {"help": "audible"}}],
        partitions=[{"id": "office", "sirens": ["siren"], "siren_for": "90s"}],
    )
    rig.tells("key.pressed", "pad", key="help")
    assert sounding(rig) == [("siren", "on", "keypad pad help", rig.gt + 90 * SECOND)]


@pytest.mark.parametrize(("key", "title"), [("panic", "hold_up"), ("fire", "fire")])
@pytest.mark.parametrize("how", ["audible", "silent", "off"])
def test_panic_and_fire_are_the_panels_alarms(key: str, title: str, how: str) -> None:
    rig = Rig(
        keypads=[{"device": "pad", "partition": "office", "panic": {key: how}}],
        partitions=[{"id": "office", "sirens": ["siren"]}],
    )
    lines = rig.tells("key.pressed", "pad", key=key)
    if how == "off":
        assert lines == []
        return
    assert lines[0] == f"panic.raised pad {key}"
    body = opened(rig)
    assert (body["severity"], body["rule"]) == ("critical", f"panel office {title}")
    assert "pad" in body["title"]
    assert bool(sounding(rig)) is (how == "audible")


@pytest.mark.parametrize("delivery", ["redelivered", "late"])
def test_a_cry_for_help_counts_however_late_it_comes(delivery: Any) -> None:
    assert Rig().tells("key.pressed", "pad", key="help", delivery=delivery)[0] == "panic.raised pad help"
    assert Rig().tells("key.pressed", "pad", key="help", delivery="retained") == []


# --- the lock ------------------------------------------------------------------------------------------------------


def test_letting_go_is_one_pulse_in_the_doors_name() -> None:
    rig = Rig()
    rig.card()
    (pulse,) = [action for action in rig.actions if isinstance(action, Pulse)]
    assert pulse == Pulse(
        id=ids.derived(pulse.cause, "front", "unlock"),
        cause=pulse.cause,
        rule="door front",
        device="lock",
        value="on",
        not_after=rig.gt + 5 * SECOND,
    )
    noted = [a.event for a in rig.actions if isinstance(a, Note) and isinstance(a.event, EffectCommanded)]
    assert [(note.action, note.rule, note.value) for note in noted] == [(pulse.id, "door front", "pulse")]


def test_locking_is_a_level_that_is_owed_for_as_long_as_it_takes() -> None:
    rig = Rig()
    rig.card()
    rig.passes("5s")
    (level,) = [action for action in rig.actions if isinstance(action, SetLevel)]
    assert (level.device, level.value, level.rule, level.until) == ("lock", "off", "door front", None)
    assert level.not_after > rig.gt + 10**12
