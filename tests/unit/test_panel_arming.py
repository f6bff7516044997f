"""Arming and disarming: the life-cycle pair by pair, exit and entry delays to the microsecond, who may not and why."""

from __future__ import annotations

from itertools import product

import pytest

from rules.panel.arming import ARMING, ARMING_EVENTS
from tests.unit.panel_kit import ARMED, ENTERS, LEAVES, LOUD, NOTHING, House, arms, disarms, into
from tests.unit.playbook import SECOND, Step, asked, closed, opened, passes

BEFORE = "zone.ignored hallway (open since before it was armed: counts from its next activity)"

# How each thing is made to happen where it cannot, and where it can.
BACK_AND_FORTH = [opened("front"), closed("front"), opened("front"), closed("front")]
CAUSES: dict[str, list[Step]] = {
    "arm": [arms("stay")],
    "arm_at_once": [arms("night")],
    "exit_restarted": BACK_AND_FORTH,
    "exit_over": [passes("1m")],
    "exit_failed": [opened("front"), passes("1m")],
    "enter": [opened("front"), closed("front")],
    "entry_over": [passes("31s")],
    "disarm": [disarms()],
}
# What cannot happen leaves the state as it is, but for what the same acts mean there.
OTHERWISE = {
    ("armed", "exit_restarted"): "entering",
    ("armed", "exit_failed"): "armed",  # an entry, and then its end
    ("exiting", "enter"): "exiting",
    ("exiting", "entry_over"): "exiting",
    ("entering", "exit_over"): "armed",
    ("entering", "exit_failed"): "armed",
    ("entering", "exit_restarted"): "entering",
}


@pytest.mark.parametrize(("state", "event"), list(product(ARMING, ARMING_EVENTS)))
def test_every_pair_of_arming(state: str, event: str) -> None:
    play = into(state)
    play.walk(*CAUSES[event])
    expected = OTHERWISE.get((state, event)) or ARMING[state].get(event, state)
    assert play.panel.state("house") == expected
    assert (play.panel.mode("house") == "disarmed") is (expected == "disarmed")


def test_the_pairs_are_all_there() -> None:
    assert {event for row in ARMING.values() for event in row} == set(ARMING_EVENTS)
    for (state, event), _ in OTHERWISE.items():
        assert event not in ARMING[state]


@pytest.mark.parametrize(("state", "event"), list(product(ARMING, ["disarm", "arm_at_once"])))
def test_what_ended_does_not_come_back_later(state: str, event: str) -> None:
    play = into(state).walk(*CAUSES[event])
    ended = play.panel.state("house")
    if ended != "entering":
        play >> passes("1h") << NOTHING
        assert play.panel.state("house") == ended


# --- the exit delay ---


def test_the_exit_delay_to_the_microsecond() -> None:
    play = House()
    play >> arms() << [LEAVES]
    play >> passes(60 * SECOND - 1) << NOTHING
    play >> passes(1) << [ARMED]


def test_what_opens_one_microsecond_before_the_end_is_on_the_way_out() -> None:
    play = House()
    play >> arms() << [LEAVES]
    play >> opened("hall", after=60 * SECOND - 1) << NOTHING
    play >> closed("hall", after=2) << [ARMED, BEFORE]


def test_what_opens_at_the_very_end_is_too_late() -> None:
    play = House()
    play >> arms() << [LEAVES]
    play >> opened("hall", after=60 * SECOND) << [ARMED, LOUD, "zone.alarmed hallway follower"]


def test_coming_back_restarts_the_exit_delay_once() -> None:
    play = House()
    play >> arms() << [LEAVES]
    play >> opened("front", after="10s") << NOTHING >> closed("front", after="5s") << NOTHING
    play >> opened("front", after="20s") << ["partition.exiting house away for 1m by Ada"]
    play >> closed("front", after="5s") << NOTHING
    play >> opened("front", after="5s") << NOTHING >> closed("front", after="5s") << NOTHING
    play >> passes(45 * SECOND - 1) << NOTHING >> passes(1) << [ARMED]


def test_leaving_once_restarts_nothing() -> None:
    play = House()
    play >> arms() << [LEAVES]
    play >> opened("front", after="10s") << NOTHING >> closed("front", after="5s") << NOTHING
    play >> passes("45s") << [ARMED]


def test_no_restart_where_the_document_wants_none() -> None:
    play = House(partition="exit_restart: false")
    play >> arms() << [LEAVES]
    play.walk(*BACK_AND_FORTH)
    play >> passes("56s") << [ARMED]


def test_a_way_out_left_open_is_an_exit_error_and_a_last_warning() -> None:
    play = House()
    play >> arms() << [LEAVES] >> opened("front") << NOTHING
    play >> passes("59s") << [ARMED, "exit.failed house front-door", ENTERS]
    play >> disarms(after="29s") << ["partition.disarmed house by Ada"]
    play >> passes("1h") << NOTHING


def test_an_exit_error_nobody_minds_rings() -> None:
    play = House(partition="abort_window: 0s")
    play >> arms() << [LEAVES] >> opened("front") << NOTHING
    play >> passes("59s") << [ARMED, "exit.failed house front-door", ENTERS]
    (
        play
        >> passes("30s")
        << [
            LOUD,
            "zone.alarmed front-door entry_exit",
            "alarm.confirmed house front-door",
            "opened Burglary: front-door (exit error) (high)",
        ]
    )


def test_an_exit_error_without_entry_delay_rings_at_once() -> None:
    play = House(partition="entry_delay: 0s")
    play >> arms() << [LEAVES] >> opened("front") << NOTHING
    (
        play
        >> passes("59s")
        << [
            ARMED,
            "exit.failed house front-door",
            LOUD,
            "zone.alarmed front-door entry_exit",
        ]
    )


def test_two_ways_out_left_open() -> None:
    play = House()
    play >> arms() << [LEAVES] >> opened("front") << NOTHING >> opened("back") << NOTHING
    (
        play
        >> passes("58s")
        << [
            ARMED,
            "exit.failed house front-door",
            "exit.failed house back-door",
            "partition.entering house front-door for 10s",  # the shorter of both
        ]
    )


def test_a_detector_still_active_when_everybody_left_counts_from_its_next_activity() -> None:
    play = House()
    play >> arms() << [LEAVES] >> opened("hall") << NOTHING
    play >> passes("59s") << [ARMED, BEFORE]
    play >> closed("hall") << NOTHING >> opened("hall") << [LOUD, "zone.alarmed hallway follower"]


# --- auto-stay ---


def test_nobody_left_so_somebody_stays() -> None:
    play = House(partition="auto_stay: true")
    play >> arms() << [LEAVES] >> passes("1m") << ["partition.armed house stay by Ada"]
    assert play.panel.mode("house") == "stay"


def test_somebody_left() -> None:
    play = House(partition="auto_stay: true")
    play >> arms() << [LEAVES] >> opened("back") << NOTHING >> closed("back") << NOTHING
    play >> passes("58s") << [ARMED]


def test_a_timetable_knows_that_nobody_is_there() -> None:
    play = House(partition="auto_stay: true")
    play >> arms(by="schedule night") << ["partition.exiting house away for 1m by schedule night"]
    play >> passes("1m") << ["partition.armed house away by schedule night"]


# --- the entry delay ---


def test_the_entry_delay_to_the_microsecond() -> None:
    play = into("entering")
    play >> passes(29 * SECOND - 1) << NOTHING
    play >> passes(1) << [LOUD, "zone.alarmed front-door entry_exit", "zone.restored front-door"]


def test_disarming_one_microsecond_before_the_end() -> None:
    play = into("entering")
    play >> disarms(after=29 * SECOND - 1) << ["partition.disarmed house by Ada"]
    play >> passes("1h") << NOTHING


def test_disarming_at_the_very_end_is_too_late_for_the_neighbours_but_not_for_the_centre() -> None:
    play = into("entering")
    (
        play
        >> disarms(after=29 * SECOND)
        << [
            LOUD,
            "zone.alarmed front-door entry_exit",
            "zone.restored front-door",
            "partition.disarmed house by Ada",
            "horn off",
            "alarm.silenced house by Ada",
            "alarm.aborted house front-door by Ada",
        ]
    )


def test_each_mode_and_each_zone_has_its_own_delay() -> None:
    play = House(
        partition="entry_delay: {away: 40s, stay: 20s}, exit_delay: 0s",
        zones={"front-door": "entry_delay: {stay: 5s}"},
    )
    for mode, wait in (("away", "40s"), ("stay", "5s"), ("night", "30s")):
        play >> arms(mode) << [f"partition.armed house {mode} by Ada"]
        play >> opened("front") << [f"partition.entering house front-door for {wait}"]
        play >> closed("front") << NOTHING
        play >> disarms() << ["partition.disarmed house by Ada"]


def test_an_entry_delay_of_nothing_is_an_alarm() -> None:
    play = House(partition="entry_delay: 0s")
    play >> arms() << [LEAVES] >> passes("1m") << [ARMED]
    play >> opened("front") << [LOUD, "zone.alarmed front-door entry_exit"]


def test_a_second_entry_zone_may_shorten_the_delay() -> None:
    play = into("entering")
    play >> opened("back") << ["partition.entering house back-door for 10s"]
    (
        play
        >> passes("10s")
        << [
            LOUD,
            "zone.alarmed front-door entry_exit",
            "zone.restored front-door",
            LOUD,
            "zone.alarmed back-door entry_exit",
        ]
    )


def test_a_second_entry_zone_never_prolongs_it() -> None:
    play = into("armed")
    play >> opened("back") << ["partition.entering house back-door for 10s"]
    play >> opened("front", after="5s") << NOTHING
    play >> passes("5s")
    assert play.said()[1] == "zone.alarmed back-door entry_exit"


def test_the_way_in_rings_with_the_entry_and_is_one_alarm() -> None:
    play = into("entering")
    play >> opened("hall") << NOTHING
    (
        play
        >> passes("28s")
        << [
            LOUD,
            "zone.alarmed front-door entry_exit",
            "zone.restored front-door",
            LOUD,
            "zone.alarmed hallway follower",
        ]
    )
    (
        play
        >> disarms(after="29s")
        << [
            "partition.disarmed house by Ada",
            "horn off",
            "alarm.silenced house by Ada",
            "alarm.aborted house front-door by Ada",
        ]
    )


def test_who_walks_on_along_the_way_in_confirms_nothing() -> None:
    play = into("entering").walk(opened("hall"), passes("28s"), closed("hall"))
    play >> opened("hall") << [LOUD, "zone.alarmed hallway follower", "zone.shut_down hallway alarms 2"]
    play >> opened("lounge")
    assert "alarm.confirmed house front-door" in play.said()


def test_a_follower_without_an_entry_is_an_alarm() -> None:
    play = into("armed")
    play >> opened("hall") << [LOUD, "zone.alarmed hallway follower"]


def test_leaving_the_way_in_rings_at_once() -> None:
    play = into("entering")
    play >> opened("lounge") << [LOUD, "zone.alarmed lounge-motion interior"]
    (
        play
        >> disarms()
        << [
            "partition.disarmed house by Ada",
            "horn off",
            "alarm.silenced house by Ada",
            "alarm.aborted house lounge-motion by Ada",
        ]
    )


def test_a_zone_of_the_way_in_that_is_isolated_meanwhile_does_not_ring() -> None:
    play = into("entering")
    play.walk(asked("isolate", zone="front-door", reason="storm"))
    play >> passes("30s") << NOTHING
    assert play.panel.state("house") == "armed"
