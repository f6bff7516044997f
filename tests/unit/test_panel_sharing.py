"""Partitions that share a hall, keys that arm, and what somebody is told who asks a zone why."""

from __future__ import annotations

from rules.events import Delivery
from tests.unit.panel_kit import NOTHING, House, arms, disarms
from tests.unit.playbook import SECOND, asked, boots, closed, opened, passes

FLATS = """
site: {id: flats, name: The Flats, timezone: Europe/Zurich}
devices:
  - {id: lobby, type: contact, mqtt: {topic: b/lobby, field: contact, open: false, closed: true}}
  - {id: skylight, type: contact, mqtt: {topic: b/sky, field: contact, open: false, closed: true}}
  - {id: left-door, type: contact, mqtt: {topic: b/left, field: contact, open: false, closed: true}}
  - {id: right-door, type: contact, mqtt: {topic: b/right, field: contact, open: false, closed: true}}
partitions:
  - {id: left, name: Left, exit_delay: 0s}
  - {id: right, name: Right}
  - {id: hall, name: Hall, owners: [left, right], entry_delay: 20s}
zones:
  - {id: left-entry, device: left-door, type: entry_exit, partition: left}
  - {id: right-entry, device: right-door, type: entry_exit, partition: right}
  - {id: lobby-door, device: lobby, type: entry_exit, partition: hall}
  - {id: lobby-window, device: skylight, type: perimeter, partition: hall, modes: [away]}
rules: []
"""
LEFT = "partition.armed left {} by Ada"
HALL = "partition.armed hall {} by Left and Right"


def flats() -> House:
    return House(text=FLATS)


def armed() -> House:
    play = flats().walk(arms("away", partition="left"), arms("away", partition="right"))
    play >> passes("1m") << ["partition.armed right away by Ada", HALL.format("away")]
    return play


def test_the_hall_is_armed_when_both_are() -> None:
    play = flats()
    play >> arms("away", partition="left") << [LEFT.format("away")]
    play >> arms("away", partition="right") << ["partition.exiting right away for 1m by Ada"]
    play >> passes(60 * SECOND - 1) << NOTHING
    play >> passes(1) << ["partition.armed right away by Ada", HALL.format("away")]


def test_where_one_stays_the_hall_is_armed_to_stay() -> None:
    play = flats().walk(arms("stay", partition="left"), arms("away", partition="right"))
    play >> passes("1m") << ["partition.armed right away by Ada", HALL.format("stay")]


def test_the_first_to_come_home_disarms_the_hall() -> None:
    play = armed()
    play >> opened("lobby") << ["partition.entering hall lobby-door for 20s"]
    play >> disarms(partition="right") << ["partition.disarmed right by Ada", "partition.disarmed hall by Ada"]
    play >> passes("1m") << NOTHING
    assert play.panel.mode("left") == "away"


def test_nobody_came_home_to_the_hall() -> None:
    play = armed().walk(opened("lobby"))
    play >> passes("20s") << ["zone.alarmed lobby-door entry_exit"]


def test_the_hall_may_be_disarmed_alone_and_is_armed_with_the_next() -> None:
    play = armed()
    play >> disarms(partition="hall") << ["partition.disarmed hall by Ada"]
    play.walk(disarms(partition="left"))
    play >> arms("away", partition="left") << [LEFT.format("away"), HALL.format("away")]


def test_nobody_arms_the_hall_alone() -> None:
    reason = "Hall is armed when Left and Right are"
    play = flats()
    play >> arms("away", partition="hall") << [f"partition.refused hall away by Ada ({reason})", f"refused: {reason}"]


def test_what_is_open_in_the_hall_is_left_out() -> None:
    play = flats().walk(opened("skylight"), arms("away", partition="left"), arms("away", partition="right"))
    play >> passes("58s") << NOTHING
    (
        play
        >> passes("2s")
        << [
            "partition.armed right away by Ada",
            "zone.bypassed lobby-window by Left and Right (forced: lobby-window is open)",
            "partition.armed hall away by Left and Right bypassed lobby-window",
        ]
    )


def test_a_fire_in_the_hall_keeps_it_disarmed_and_says_so() -> None:
    text = FLATS.replace("type: perimeter, partition: hall, modes: [away]", "type: fire, partition: hall")
    play = House(text=text).walk(opened("skylight"), arms("away", partition="left"), arms("away", partition="right"))
    play.walk(passes("58s"))
    play >> passes("2s")
    reason = "lobby-window is not reset after its alarm"
    assert f"partition.refused hall away by Left and Right ({reason})" in play.said()


def test_an_unknown_time_off_arms_the_hall_with_the_last_of_them() -> None:
    play = flats().walk(arms("away", partition="left"), arms("away", partition="right"))
    play >> boots(off=None) << ["partition.armed right away by Ada", HALL.format("away")]


# --- keys ---


def test_each_turn_of_a_momentary_key_arms_or_disarms() -> None:
    play = House()
    play >> opened("key") << ["partition.exiting house away for 1m by key"]
    play >> closed("key") << NOTHING
    play >> opened("key") << ["partition.disarmed house by key"]


def test_the_position_of_a_maintained_key_arms_and_disarms() -> None:
    play = House(zones={"key": "momentary: false, arms: night"})
    play >> opened("key") << ["partition.exiting house night for 1m by key"]
    play >> closed("key") << ["partition.disarmed house by key"]
    play >> arms("away") << ["partition.exiting house away for 1m by Ada"]
    play >> opened("key") << NOTHING  # armed it is


def test_a_key_is_turned_by_nothing_but_a_hand() -> None:
    play = House().walk(arms(), passes("1m"))
    unsure: list[Delivery] = ["retained", "redelivered", "late"]
    for by in unsure:
        play >> opened("key", by=by) << [f"zone.ignored key (a key is not turned by state: its message is {by})"]
        play.walk(closed("key"))
    assert play.panel.state("house") == "armed"


def test_a_key_of_which_nothing_is_known_turns_nothing() -> None:
    play = House(settled=False)
    play >> opened("key") << ["zone.ignored key (nothing was known of it before)"]


def test_a_key_that_cannot_arm_says_why() -> None:
    play = House().walk(opened("window"))
    play >> opened("key") << ["partition.refused house away by key (kitchen-window is open)"]


def test_a_key_on_test_turns_nothing() -> None:
    play = House().walk(asked("test", zone="key", until=str(600 * SECOND)))
    play >> opened("key") << ["zone.tested key"]


# --- asking why ---


def test_a_zone_can_say_everything_that_decides() -> None:
    play = House().walk(arms(), asked("bypass", zone="kitchen-window", reason="wind"))
    seen = play.panel.describe("kitchen-window")
    assert seen["condition"] == "normal" and seen["answer"] == "alarm" and seen["mode"] == "away"
    assert seen["left_out"] == "bypassed by Ada: wind"
    assert seen["timers"] == {"exit house": play.gt - SECOND + 60 * SECOND}
    assert play.panel.describe("attic") == {}
