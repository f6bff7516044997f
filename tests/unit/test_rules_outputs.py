"""Outputs held and let go, also across restarts, and what people may say to them."""

from __future__ import annotations

import pytest

from rules.actions import SetLevel
from rules.events import CommandDecided, EffectCommanded
from tests.unit.playbook import SECOND, SIREN, Playbook, asked, boots, closed, nothing, opened, passes

# --- outputs ---


def test_the_siren_sounds_its_time_and_stops() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> passes("60s") << ["siren off"]
    assert play.engine.next_wake() is None


def test_a_timer_that_rings_too_early_is_set_again() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> passes(60 * SECOND - 1) << ["wake 0.000001s"] >> passes(1) << ["siren off"]


def test_a_second_trigger_prolongs() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> closed("door", after="20s") << nothing >> opened("door", after="20s") << ["siren on 60s", "wake 60s"]
    play >> passes("20s") << ["wake 40s"] >> passes("40s") << ["siren off"]


def test_a_shorter_second_trigger_does_not_shorten_nor_its_length_after_a_power_cut() -> None:
    play = Playbook(
        SIREN + SIREN.replace("alarm", "short").replace("device: door", "device: hatch").replace("60s", "5s")
    )
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> opened("hatch", after="10s") << ["siren on 50s"]
    play >> boots(off=None) << ["siren on 60s", "wake 60s"]


def test_on_until_told_otherwise_is_not_ended_by_on_for_a_while() -> None:
    rules = SIREN.replace(", for: 60s", "") + SIREN.replace("alarm", "short").replace("device: door", "device: hatch")
    play = Playbook(rules)
    play >> opened("door") << ["siren on"] >> opened("hatch") << ["siren on"]
    play >> passes("1h") << nothing >> asked("silence", device="siren")
    assert play.said()[0] == "siren off"


def test_a_rule_may_end_what_another_began() -> None:
    rules = SIREN + SIREN.replace("alarm", "calm").replace("contact.opened", "contact.closed").replace(
        "on, for: 60s", "off"
    )
    play = Playbook(rules)
    play >> opened("door") << ["siren on 60s", "wake 60s"] >> closed("door") << ["siren off"]
    assert play.engine.next_wake() is None
    play >> passes("59s") << nothing


def test_off_for_a_while_goes_on_again_and_stays_on_through_a_restart() -> None:
    play = Playbook(SIREN.replace("siren, set: on, for: 60s", "bolt, set: off, for: 5s"))
    play >> opened("door") << ["bolt off 5s", "wake 5s"] >> passes("5s") << ["bolt on"]
    play >> boots(off="1m") << ["bolt on"]


def test_two_levels_wake_one_after_the_other() -> None:
    play = Playbook(
        SIREN + SIREN.replace("alarm", "second").replace("siren, set: on, for: 60s", "bolt, set: on, for: 90s")
    )
    play >> opened("door") << ["siren on 60s", "bolt on 90s", "wake 60s"]
    play >> passes("60s") << ["siren off", "wake 30s"] >> passes("30s") << ["bolt off"]


def test_both_at_one_moment() -> None:
    play = Playbook(SIREN + SIREN.replace("alarm", "second").replace("siren, set", "bolt, set"))
    play >> opened("door") << ["siren on 60s", "bolt on 60s", "wake 60s"]
    play >> passes("2m") << ["bolt off", "siren off"]


# --- restart ---


def test_a_level_is_restated_after_a_restart_with_its_own_id() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    (first,) = [action for action in play.actions if isinstance(action, SetLevel)]
    play >> boots(off="10s") << ["siren on 49s", "wake 49s"]
    (again,) = [action for action in play.actions if isinstance(action, SetLevel)]
    assert (again.id, again.until) == (first.id, first.until)
    play >> passes("49s") << ["siren off"]


def test_a_level_that_ended_while_it_was_off_is_ended_at_the_start() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> boots(off="2m") << ["siren off"]


def test_a_level_that_ends_at_the_very_moment_of_the_start_is_not_begun_again() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> boots(after="1s", off="59s") << ["siren off"]


def test_with_an_unknown_time_off_the_cut_off_restarts() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> boots(after="30s", off=None) << ["siren on 60s", "wake 60s"]
    play >> passes("60s") << ["siren off"]


def test_a_pulse_is_never_repeated_by_a_restart() -> None:
    play = Playbook(SIREN.replace("command: {device: siren, set: on, for: 60s}", "pulse: {device: bolt}"))
    play >> opened("door") << ["pulse bolt"] >> boots(off="1s") << nothing >> boots(off=None) << nothing


# --- people ---


def test_silence_stops_the_siren_and_says_who() -> None:
    play = Playbook(SIREN)
    play >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> asked("silence", device="siren") << ["siren off", "done: siren told to be silent"]
    notes = [getattr(action, "event", None) for action in play.actions]
    assert [note.rule for note in notes if isinstance(note, EffectCommanded)] == ["command by guard-1"]
    assert [note.command for note in notes if isinstance(note, CommandDecided)]
    play >> passes("59s") << nothing >> boots(off=None) << nothing


def test_silence_of_a_silent_siren_is_sent_all_the_same() -> None:
    Playbook(SIREN) >> asked("silence", device="siren") << ["siren off", "done: siren told to be silent"]


@pytest.mark.parametrize("args", [{}, {"device": "door"}, {"device": "nothing"}, {"device": "bolt"}, {"device": ""}])
def test_silence_is_for_sirens(args: dict[str, str]) -> None:
    Playbook(SIREN) >> asked("silence", **args) << ["refused: name a siren of this site as `device`"]


@pytest.mark.parametrize("name", ["disarm", "unlock", "bypass"])
def test_what_lowers_protection_is_refused_without_a_code(name: str) -> None:
    play = Playbook(SIREN) >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> asked(name, device="siren") << [
        f"refused: {name} lowers protection: it takes a code, typed at a keypad or at the relay on the box"
    ]


@pytest.mark.parametrize("name", ["SILENCE", ""])
def test_what_nobody_knows_is_refused(name: str) -> None:
    play = Playbook(SIREN) >> opened("door") << ["siren on 60s", "wake 60s"]
    play >> asked(name, device="siren") << [f"refused: {name} is not a command this gateway takes from a relay"]
