"""Ready to arm, and why not; force; and arming through restarts."""

from __future__ import annotations

import pytest

from tests.unit.panel_kit import ARMED, LEAVES, LOUD, NOTHING, House, arms, disarms, document, into, reports
from tests.unit.playbook import SECOND, Step, asked, boots, closed, opened, passes, told

# --- who may not, and why ---


def test_what_stands_in_the_way_is_said() -> None:
    play = House()
    play >> opened("window") << NOTHING
    reason = "kitchen-window is open"
    play >> arms() << [f"partition.refused house away by Ada ({reason})", f"refused: {reason}"]
    assert play.panel.ready("house", "away", gt=play.gt) == [reason]
    play >> closed("window") << NOTHING
    assert play.panel.ready("house", "away", gt=play.gt) == []
    play >> arms() << [LEAVES]


def test_every_reason_at_once_in_the_order_of_the_document() -> None:
    play = House(settled=False, partition="exit_delay: 0s")
    play >> opened("front", by="retained")
    reasons = play.panel.ready("house", "stay", gt=play.gt)
    assert reasons == [
        "front-door is open",
        "back-door is unknown: nothing was heard of it yet",
        "kitchen-window is unknown: nothing was heard of it yet",
        "skylight is unknown: nothing was heard of it yet",
        "loop is unknown: nothing was heard of it yet",
    ]


def test_the_way_out_may_be_open_and_people_may_move_while_there_is_an_exit_delay() -> None:
    play = House(partition="exit_delay: {away: 1m, stay: 0s}")
    for device in ("front", "hall", "lounge"):
        play >> opened(device) << NOTHING
    assert play.panel.ready("house", "away", gt=play.gt) == []
    assert play.panel.ready("house", "stay", gt=play.gt) == ["front-door is open"]


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (told("tamper.opened", "window"), "kitchen-window is tampered"),
        (told("device.lost", "window", reason="silent for 1h"), "kitchen-window is lost: silent for 1h"),
        (reports("line", "short"), "loop is tampered"),
        (opened("vault"), "safe is open"),
    ],
)
def test_other_reasons(step: Step, reason: str) -> None:
    play = House(partition="abort_window: 0s")
    play.walk(step)
    assert play.panel.ready("house", "stay", gt=play.gt) == [reason]


@pytest.mark.parametrize("kind", ["battery.low", "mains.lost"])
def test_what_does_not_stand_in_the_way(kind: str) -> None:
    play = House()
    play.walk(told(kind, "window"))
    assert play.panel.ready("house", "away", gt=play.gt) == []


def test_forced_it_leaves_out_what_is_not_ready() -> None:
    play = House()
    play >> opened("window") << NOTHING
    play >> arms(force="yes") << ["zone.bypassed kitchen-window by Ada (forced: kitchen-window is open)", LEAVES]
    play >> passes("1m") << ["partition.armed house away by Ada bypassed kitchen-window"]
    play >> closed("window") << NOTHING
    play >> opened("window") << ["zone.ignored kitchen-window (bypassed by Ada: forced: kitchen-window is open)"]
    play >> disarms() << ["partition.disarmed house by Ada", "zone.unbypassed kitchen-window by Ada"]


def test_not_even_force_arms_past_a_fire_that_is_not_reset() -> None:
    play = House()
    play.walk(opened("smoke"), closed("smoke"))
    reason = "smoke-detector is not reset after its alarm"
    play >> arms(force="yes") << [f"partition.refused house away by Ada ({reason})", f"refused: {reason}"]
    (
        play
        >> asked("clear", partition="house")
        << ["horn off", "alarm.silenced house by Ada", "alarm.cleared house by Ada"]
    )
    play >> arms() << [LEAVES]


def test_force_arms_past_a_smoke_detector_that_is_lost_and_leaves_it_in() -> None:
    play = House()
    play.walk(told("device.lost", "smoke", reason="flat"))
    play >> arms(force="yes") << [LEAVES]
    play >> opened("smoke")
    assert "zone.alarmed smoke-detector fire" in play.said()


@pytest.mark.parametrize(
    ("steps", "wish", "reason"),
    [
        ([], arms("away", partition="barn"), "there is no partition barn"),
        ([], disarms(partition="barn"), "there is no partition barn"),
    ],
)
def test_a_partition_that_is_not_there(steps: list[Step], wish: Step, reason: str) -> None:
    play = House()
    play.walk(*steps)
    play >> wish << [f"refused: {reason}"]


def test_a_mode_the_partition_does_not_have() -> None:
    play = House(text=document().replace("modes: [away, stay, night, custom]", "modes: [away]"))
    reason = "House is never armed in night"
    play >> arms("night") << [f"partition.refused house night by Ada ({reason})", f"refused: {reason}"]


def test_an_armed_partition_changes_its_mode_only_by_disarming() -> None:
    play = into("armed")
    reason = "house is armed in away: disarm it first".replace("house", "House")
    play >> arms("stay") << [f"partition.refused house stay by Ada ({reason})", f"refused: {reason}"]
    play >> arms("away") << NOTHING  # it is


def test_nobody_arms_while_somebody_comes_in() -> None:
    play = into("entering")
    reason = "somebody comes in to House: disarm it first"
    play >> arms("away") << [f"partition.refused house away by Ada ({reason})", f"refused: {reason}"]


def test_another_mode_while_leaving_begins_anew() -> None:
    play = into("exiting")
    play >> arms("stay", after="30s") << ["partition.exiting house stay for 1m by Ada"]
    play >> passes("30s") << NOTHING >> passes("30s") << ["partition.armed house stay by Ada"]


def test_the_same_mode_while_leaving_changes_nothing() -> None:
    play = into("exiting")
    play >> arms("away", after="30s") << NOTHING >> passes("30s") << [ARMED]


def test_disarming_what_is_disarmed_says_nothing() -> None:
    House() >> disarms() << NOTHING


# --- restarts ---


def test_the_arm_state_survives_a_power_cut() -> None:
    play = into("armed")
    play >> boots(off="10m") << NOTHING
    assert (play.panel.state("house"), play.panel.mode("house")) == ("armed", "away")


def test_delays_that_ended_while_it_was_off_ended_at_their_time() -> None:
    play = into("exiting")
    play >> boots(off="10m") << [ARMED]
    play = into("entering")
    play >> boots(off="10m")
    assert "zone.alarmed front-door entry_exit" in play.said()


def test_with_an_unknown_time_off_a_running_delay_is_over() -> None:
    play = into("exiting")
    play >> boots(off=None) << [ARMED]
    play = into("entering")
    play >> boots(off=None)
    assert play.said()[:2] == [LOUD, "zone.alarmed front-door entry_exit"]
    assert play.panel.state("house") == "armed"


def test_a_running_delay_goes_on_after_a_short_restart() -> None:
    play = into("entering")
    play >> boots(off="10s") << NOTHING
    play >> passes(18 * SECOND - 1) << NOTHING
    play >> passes(1)
    assert "zone.alarmed front-door entry_exit" in play.said()
