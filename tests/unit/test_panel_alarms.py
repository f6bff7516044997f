"""Alarms: who is told when, until when that can be taken back, and with which pictures."""

from __future__ import annotations

from itertools import product

import pytest

from rules.actions import TakeStill
from rules.panel.arming import TELLING, TELLING_EVENTS
from tests.unit.panel_kit import DISARMED, LOUD, NOTHING, OFF, House, armed, arms, disarms
from tests.unit.playbook import SECOND, Step, asked, boots, closed, entry, opened, passes

WINDOW = "zone.alarmed kitchen-window perimeter"
CONFIRMED = ["alarm.confirmed house kitchen-window", "opened Burglary: kitchen-window (high)"]


# --- who is told when: the life-cycle pair by pair ---


def telling(state: str) -> House:
    play = armed()
    if state != "quiet":
        play >> opened("window") << [LOUD, WINDOW]
    if state == "told":
        play >> passes("30s") << CONFIRMED
    return play


@pytest.mark.parametrize(("state", "event"), list(product(TELLING, TELLING_EVENTS)))
def test_every_pair_of_telling(state: str, event: str) -> None:
    play = telling(state)
    steps: dict[str, list[Step]] = {
        "alarm": [closed("window"), opened("window")],  # the same zone again
        "alarm_at_once": [opened("lounge")],  # another zone
        "confirmed": [passes("30s")],
        "disarm": [disarms()],
        "forgotten": [asked("clear", partition="house")],
    }
    before = len(play.incidents)
    play.walk(*steps[event])
    told_now = len(play.incidents) > before
    expected = {
        ("quiet", "alarm"): False,
        ("quiet", "alarm_at_once"): False,  # a first zone, whichever it is, waits
        ("waiting", "alarm_at_once"): True,
        ("waiting", "confirmed"): True,
    }
    assert told_now is expected.get((state, event), False)
    memory = play.engine._state.panel.partitions["house"]
    names = {"quiet": {"alarm": "waiting", "alarm_at_once": "waiting"}, "waiting": {"alarm_at_once": "told"}}
    assert memory.telling == names.get(state, {}).get(event, TELLING[state].get(event, state))


def test_the_pairs_are_all_there() -> None:
    assert {event for row in TELLING.values() for event in row} == set(TELLING_EVENTS)


# --- the abort window ---


def test_the_abort_window_to_the_microsecond() -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    play >> passes(30 * SECOND - 1) << NOTHING
    play >> passes(1) << CONFIRMED


def test_disarmed_one_microsecond_before_nobody_outside_is_told() -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    play >> disarms(after=30 * SECOND - 1) << [DISARMED, *OFF, "alarm.aborted house kitchen-window by Ada"]
    play >> passes("1h") << NOTHING
    assert play.incidents == []


def test_disarmed_at_the_very_end_they_are_told_and_told_that_it_is_over() -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    (
        play
        >> disarms(after="30s")
        << [
            *CONFIRMED,
            DISARMED,
            *OFF,
            "alarm.cancelled house kitchen-window by Ada",
            "cancelled",
        ]
    )


def test_a_second_zone_ends_the_waiting() -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    (
        play
        >> opened("lounge", after="5s")
        << [
            LOUD,
            "zone.alarmed lounge-motion interior",
            *CONFIRMED,
            "evidence Burglary: lounge-motion",
        ]
    )
    play >> passes("25s") << NOTHING


@pytest.mark.parametrize("device", ["alarm-button", "smoke", "co", "lid"])
def test_what_is_worse_ends_the_waiting(device: str) -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    play >> opened(device)
    assert "opened Burglary: kitchen-window (high)" in play.said()
    assert len(play.incidents) == 2


@pytest.mark.parametrize("device", ["wet", "boiler"])
def test_water_in_the_cellar_does_not(device: str) -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    play.walk(opened(device))
    assert len(play.incidents) == 1
    play >> passes("29s") << CONFIRMED


def test_without_an_abort_window_they_are_told_at_once() -> None:
    play = armed(partition="abort_window: 0s")
    play >> opened("window") << [LOUD, WINDOW, *CONFIRMED]


def test_a_24_hour_zone_can_be_aborted_by_a_code_although_nothing_is_armed() -> None:
    play = House()
    play >> opened("vault") << [LOUD, "zone.alarmed safe 24h"]
    play >> disarms() << [*OFF, "alarm.aborted house safe by Ada"]


def test_a_restart_with_an_unknown_time_off_ends_the_waiting() -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    play >> boots(off=None) << [LOUD, *CONFIRMED]


def test_a_changed_document_does_not_lose_an_alarm_that_waits() -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    state = play.engine._state
    kept = play.site.model_copy(update={"zones": [zone for zone in play.site.zones if zone.id != "kitchen-window"]})
    state.fit(kept)
    assert state.panel.partitions["house"].waiting is not None
    assert "panel abort house" in state.timers


# --- cancelling ---


@pytest.mark.parametrize(
    ("after", "soon"), [(300 * SECOND - 1, True), (300 * SECOND, False)], ids=["just in time", "too late"]
)
def test_the_cancel_window_to_the_microsecond(after: int, soon: bool) -> None:
    play = armed(partition="siren_for: 10s")
    play.walk(opened("window"), passes("10s"))
    play >> passes("20s") << CONFIRMED
    (
        play
        >> disarms(after=after)
        << [
            DISARMED,
            *(["alarm.cancelled house kitchen-window by Ada", "cancelled"] if soon else ["noted"]),
        ]
    )


def test_after_a_disarming_the_next_alarm_is_another_story() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"), closed("window"), disarms(after="10m"), arms(), passes("1m"))
    play >> opened("window")
    assert "opened Burglary: kitchen-window (high)" in play.said()


def test_further_alarms_join_for_ten_minutes_after_the_last() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"))
    play >> opened("lounge", after="9m59s")
    assert play.said()[-1] == "evidence Burglary: lounge-motion"
    play >> opened("study", after=600 * SECOND - 1)
    assert play.said()[-1] == "evidence Burglary: study-motion"
    play >> opened("hall", after=600 * SECOND)
    assert play.said()[-1] == "opened Burglary: hallway (high)"


def test_what_was_resolved_is_not_joined() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"), entry("resolved", lamport=9, reason="real"))
    play >> opened("lounge")
    assert play.said()[-1] == "opened Burglary: lounge-motion (high)"


def test_a_restore_is_written_into_the_incident() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"))
    play >> closed("window") << ["zone.restored kitchen-window", "evidence kitchen-window is normal again"]


# --- footage and policy ---


def test_footage_is_kept_from_the_alarm_on_and_shown_when_it_is_told() -> None:
    play = armed(partition="cameras: [cam], policy: guards")
    play >> opened("window") << [LOUD, WINDOW, "still cam", "clip cam -10s +30s"]
    (still,) = [action for action in play.actions if isinstance(action, TakeStill)]
    (
        play
        >> passes("30s")
        << [
            "alarm.confirmed house kitchen-window",
            "opened Burglary: kitchen-window (high) -> guards",
            "evidence still of cam",
            "evidence clip of cam",
        ]
    )
    assert [item.incident for item in play.entries()] == [still.incident] * 3


def test_the_cameras_are_asked_again_half_a_minute_later() -> None:
    play = armed(partition="cameras: [cam], abort_window: 0s")
    play.walk(opened("window"))
    play >> opened("lounge", after=30 * SECOND - 1)
    assert "still cam" not in play.said()
    play >> opened("study", after=1)
    assert play.said().count("still cam") == 1


def test_a_false_alarm_that_is_aborted_says_nothing_with_its_footage() -> None:
    play = armed(partition="cameras: [cam]")
    play.walk(opened("window"), disarms())
    assert play.incidents == []
