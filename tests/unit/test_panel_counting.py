"""Zones that ring too often, zones that confirm each other, calls for help, messages that were not just sent."""

from __future__ import annotations

import pytest

from tests.unit.panel_kit import DISARMED, LOUD, NOTHING, OFF, House, armed, arms, disarms, presses
from tests.unit.playbook import SECOND, asked, closed, opened, passes, told

WINDOW = "zone.alarmed kitchen-window perimeter"


# --- zones that ring too often ---


def test_the_second_alarm_of_an_arming_is_the_last() -> None:
    play = armed(partition="abort_window: 0s")
    play.walk(opened("window"), closed("window"))
    play >> opened("window")
    assert play.said() == [
        LOUD,
        WINDOW,
        "evidence Burglary: kitchen-window",
        "zone.shut_down kitchen-window alarms 2",
    ]
    play.walk(closed("window"))
    play >> opened("window") << ["zone.ignored kitchen-window (shut down after 2 alarms)"]
    play >> opened("lounge")
    assert "zone.alarmed lounge-motion interior" in play.said()
    play.walk(disarms(), closed("window"), closed("lounge"), arms(), passes("1m"))
    play >> opened("window")
    assert WINDOW in play.said()


@pytest.mark.parametrize(("words", "alarms"), [("swinger: 1", 1), ("swinger: 6", 6), ("swinger: 0", 9)])
def test_how_often_is_the_documents_affair(words: str, alarms: int) -> None:
    play = armed(zones={"kitchen-window": words})
    rung = 0
    for _ in range(9):
        play >> opened("window")
        rung += WINDOW in play.said()
        play.walk(closed("window"))
    assert rung == alarms


@pytest.mark.parametrize(
    ("device", "zone"), [("alarm-button", "panic"), ("smoke", "smoke-detector"), ("co", "co-detector")]
)
def test_some_zones_never_rest(device: str, zone: str) -> None:
    play = armed(partition="swinger: 1")
    for _ in range(4):
        play >> opened(device)
        assert any(line.startswith(f"zone.alarmed {zone}") for line in play.said())
        play.walk(closed(device))


def test_disarmed_nothing_is_counted() -> None:
    play = House(partition="swinger: 1")
    for _ in range(3):
        play >> opened("vault")
        assert "zone.alarmed safe 24h" in play.said()
        play.walk(closed("vault"))


# --- zones that confirm each other ---

CROSS = {
    "lounge-motion": "cross: {zones: [study-motion], within: 60s}",
    "study-motion": "cross: {zones: [lounge-motion], within: 60s}",
}


def test_one_of_two_is_no_alarm_and_that_is_said() -> None:
    play = armed(zones=CROSS)
    play >> opened("lounge") << NOTHING
    assert "zone lounge-motion: 1 of 2 zones: not confirmed yet" in play.trace
    play >> closed("lounge") << NOTHING
    play >> passes("59s") << ["zone.ignored lounge-motion (no other zone confirmed it in time (cross-zone))"]


def test_both_within_the_time_ring_first_come_first() -> None:
    play = armed(zones=CROSS)
    play >> opened("lounge") << NOTHING
    (
        play
        >> opened("study", after=60 * SECOND - 1)
        << [
            LOUD,
            "zone.alarmed lounge-motion interior",
            LOUD,
            "zone.alarmed study-motion interior",
            "alarm.confirmed house lounge-motion",
            "opened Burglary: lounge-motion (high)",
            "evidence Burglary: study-motion",
        ]
    )


def test_at_the_very_end_of_the_time_it_is_too_late() -> None:
    play = armed(zones=CROSS)
    play.walk(opened("lounge"), closed("lounge"))
    (
        play
        >> opened("study", after="60s")
        << ["zone.ignored lounge-motion (no other zone confirmed it in time (cross-zone))"]
    )
    assert "zone study-motion: 1 of 2 zones: not confirmed yet" in play.trace


def test_what_is_still_active_confirms_however_late() -> None:
    play = armed(zones=CROSS).walk(opened("lounge"), passes("5m"))
    play >> opened("study") << [LOUD, "zone.alarmed study-motion interior"]


def test_a_zone_does_not_wait_for_those_that_cannot_confirm_it() -> None:
    for blind in (asked("isolate", zone="study-motion", reason="cat"), told("device.lost", "study", reason="flat")):
        play = armed(zones=CROSS).walk(blind)
        play >> opened("lounge") << [LOUD, "zone.alarmed lounge-motion interior"]


def test_the_same_zone_twice_is_still_one_zone() -> None:
    play = armed(zones=CROSS)
    play.walk(opened("lounge"), closed("lounge"))
    play >> opened("lounge") << NOTHING


def test_a_zone_that_needs_nobody_rings_and_confirms() -> None:
    play = armed(zones={"lounge-motion": "cross: {zones: [kitchen-window]}"})
    play >> opened("lounge") << NOTHING
    (
        play
        >> opened("window")
        << [
            LOUD,
            "zone.alarmed lounge-motion interior",
            LOUD,
            WINDOW,
            "alarm.confirmed house lounge-motion",
            "opened Burglary: lounge-motion (high)",
            "evidence Burglary: kitchen-window",
        ]
    )


def test_n_of_m() -> None:
    play = armed(zones={"lounge-motion": "cross: {zones: [study-motion, hallway, skylight], count: 3}"})
    play >> opened("lounge") << NOTHING
    play.walk(opened("study"))
    assert not any("lounge" in line for line in play.said())
    play >> opened("pane")
    assert "zone.alarmed lounge-motion interior" in play.said()


def test_who_was_confirmed_once_does_not_ring_again_with_the_next() -> None:
    play = armed(zones=CROSS | {"hallway": "cross: {zones: [study-motion]}"})
    play.walk(opened("lounge"), opened("study"))
    play >> opened("hall")
    assert [line for line in play.said() if line.startswith("zone.alarmed")] == ["zone.alarmed hallway follower"]


def test_a_24_hour_zone_waits_for_others_through_a_disarming() -> None:
    play = armed(zones={"safe": "cross: {zones: [skylight], within: 30s}"}).walk(opened("vault"), disarms())
    play >> passes("30s") << ["zone.ignored safe (no other zone confirmed it in time (cross-zone))"]


def test_a_24_hour_zone_does_not_wait_for_those_that_rest() -> None:
    play = House(zones={"safe": "cross: {zones: [skylight], within: 30s}"})
    play >> opened("vault") << [LOUD, "zone.alarmed safe 24h"]


def test_disarming_ends_the_waiting_for_others() -> None:
    play = armed(zones=CROSS)
    play.walk(opened("lounge"), disarms())
    play >> passes("5m") << NOTHING


# --- calls for help ---


def test_a_button_has_no_memory_each_press_counts() -> None:
    play = House()
    play >> presses() << [LOUD, "zone.alarmed desk-button hold_up", "opened Hold-up: desk-button (critical)"]
    play >> presses() << [LOUD, "zone.alarmed desk-button hold_up", "evidence Hold-up: desk-button"]
    play >> presses(by="redelivered") << [LOUD, "zone.alarmed desk-button hold_up", "evidence Hold-up: desk-button"]
    play.walk(asked("clear", partition="house"))
    play >> presses() << [LOUD, "zone.alarmed desk-button hold_up", "opened Hold-up: desk-button (critical)"]


def test_panic_at_a_keypad() -> None:
    play = House()
    (
        play
        >> asked("holdup", partition="house", device="line", by="Bo", silent="no")
        << [
            LOUD,
            "opened Hold-up: Bo (critical)",
        ]
    )
    play >> asked("holdup", partition="house", device="line", by="Bo", silent="yes") << ["evidence Hold-up: Bo"]


def test_duress_shows_nothing_on_site() -> None:
    play = armed()
    play >> opened("window") << [LOUD, WINDOW]
    play >> asked("holdup", partition="house", device="line", by="Bo", kind="duress")
    assert play.said() == ["opened Duress: Bo (critical)"]
    assert play.entries()[0].body["covert"] is True
    play >> disarms() << [DISARMED, *OFF, "alarm.aborted house kitchen-window by Ada"]


def test_a_fire_called_at_a_keypad_is_latched_until_reset() -> None:
    play = House()
    play >> asked("holdup", partition="house", device="line", by="Bo", kind="fire")
    assert play.said() == ["horn on", "opened Fire: Bo (critical)"]
    assert play.panel.ready("house", "away", gt=play.gt) == ["a fire alarm is not reset"]
    play >> asked("clear", partition="house") << [*OFF, "alarm.cleared house by Ada"]
    assert play.panel.ready("house", "away", gt=play.gt) == []


# --- messages that were not just sent ---


def test_redelivered_may_be_an_alarm() -> None:
    play = armed()
    play >> opened("window", by="redelivered") << [LOUD, WINDOW]


def test_overtaken_may_be_an_alarm_and_is_not_what_the_zone_is_now() -> None:
    play = armed(partition="abort_window: 0s")
    play >> opened("window", by="late")
    assert play.said()[:2] == [LOUD, WINDOW]
    assert "zone.restored kitchen-window" in play.said()
    assert play.panel.describe("kitchen-window")["condition"] == "normal"
    play >> told("contact.closed", "window", by="late") << NOTHING
    assert "zone kitchen-window: was normal, as an overtaken message says" in play.trace
