"""After a start: what is only state, what is found, what settles, and what nobody can know."""

from __future__ import annotations

from typing import Any

import pytest

from rules.events import Boot, ClockStepped, Delivery, Event
from tests.unit.panel_kit import LOUD, NOTHING, House, arms, disarms, presses
from tests.unit.playbook import SECOND, Playbook, Step, asked, boots, closed, fresh, opened, passes, told

FOUND = [LOUD, "zone.alarmed kitchen-window perimeter after_restart"]


def starts(*, after: str = "1s", clean: bool = True, off: int | None = 0) -> Step:
    """The agent starts, after an orderly stop unless told otherwise."""

    def boot(book: Playbook) -> Event:
        book.gt += SECOND + (off or 0)
        book.wall += SECOND + (off or 0)
        return Boot(id=fresh(book), gt=book.gt, wall=book.wall, software="1", epoch="e", off_time=off, clean=clean)

    return boot


def armed(**words: Any) -> House:
    play = House(**words)
    return play.walk(arms(), passes("1m"))


# --- state is not an event ---


@pytest.mark.parametrize("by", ["retained", "live"])
def test_the_first_word_after_a_start_that_says_what_was_known_is_nothing(by: Delivery) -> None:
    play = armed().walk(starts())
    play >> closed("window", by=by) << NOTHING


def test_state_that_differs_while_armed_is_the_zones_alarm_found_after_restart() -> None:
    play = armed().walk(starts())
    play >> opened("window", by="retained") << FOUND
    (
        play
        >> passes("30s")
        << [
            "alarm.confirmed house kitchen-window",
            "opened Burglary: kitchen-window (found after restart) (high)",
        ]
    )


def test_a_first_live_word_that_differs_is_marked_as_found_too() -> None:
    play = armed().walk(starts())
    play >> opened("window") << FOUND
    play.walk(closed("window"))
    play >> opened("window")
    assert "zone.alarmed kitchen-window perimeter" in play.said()  # seen as it happened


def test_an_entry_door_that_was_opened_while_nobody_looked_has_no_entry_delay() -> None:
    play = armed().walk(starts())
    play >> opened("front", by="retained") << [LOUD, "zone.alarmed front-door entry_exit after_restart"]


def test_who_comes_home_after_a_restart_still_has_the_entry_delay() -> None:
    play = armed().walk(starts())
    play >> opened("front", after="3h") << ["partition.entering house front-door for 30s"]


def test_state_while_disarmed_is_only_state() -> None:
    play = House().walk(starts())
    play >> opened("window", by="retained") << NOTHING
    assert play.panel.ready("house", "away", gt=play.gt) == ["kitchen-window is open"]


def test_state_kept_by_the_broker_is_state_at_any_time() -> None:
    play = armed()
    play >> opened("window", by="retained") << FOUND


# --- no known past ---


@pytest.mark.parametrize("by", ["live", "retained", "redelivered", "late"])
def test_with_no_known_past_an_armed_zone_is_ignored_and_that_is_said(by: Delivery) -> None:
    play = House(settled=False)
    for device in ("front", "back", "window", "hall", "lounge", "study"):
        play.walk(closed(device))
    play.walk(told("input.reported", "line", state="normal"))
    play.walk(arms(force="yes"), passes("1m"))
    bypassed = "bypassed by Ada: forced: skylight is unknown: nothing was heard of it yet"
    play >> opened("pane", by=by)
    assert play.said() == ["zone.ignored skylight (nothing was known of it before)"]
    play.walk(closed("pane"))
    play >> opened("pane") << [f"zone.ignored skylight ({bypassed})"]


@pytest.mark.parametrize("device", ["smoke", "alarm-button", "co", "vault", "wet", "lid", "boiler"])
def test_the_first_word_of_its_life_may_be_a_call_for_help(device: str) -> None:
    play = House(settled=False)
    play >> opened(device)
    assert any(line.startswith("zone.alarmed") for line in play.said())


@pytest.mark.parametrize("device", ["smoke", "alarm-button", "co", "vault", "wet", "lid", "boiler"])
def test_but_not_if_the_broker_kept_it_for_nobody_knows_how_long(device: str) -> None:
    play = House(settled=False)
    play >> opened(device, by="retained")
    assert len(play.said()) == 1 and play.said()[0].endswith("(nothing was known of it before)")


# --- settling after a power loss ---


def test_what_is_still_active_when_inputs_have_settled_is_found() -> None:
    play = armed().walk(boots(off="1s"))
    play >> opened("window", after="10s") << NOTHING
    assert "zone kitchen-window: active while inputs settle: held until they have" in play.trace
    play >> passes(50 * SECOND - 1) << NOTHING
    play >> passes(1) << FOUND


def test_what_came_and_went_meanwhile_is_ignored_and_that_is_said() -> None:
    play = armed().walk(boots(off="1s"))
    play.walk(opened("window"))
    play >> closed("window") << ["zone.ignored kitchen-window (active only while inputs settled after a power loss)"]
    play >> passes("2m") << NOTHING


def test_what_becomes_active_at_the_very_end_is_live() -> None:
    play = armed().walk(boots(off="1s"), closed("window"))
    play >> opened("window", after="59s") << [LOUD, "zone.alarmed kitchen-window perimeter"]


def test_an_entry_door_opened_while_inputs_settle_has_no_entry_delay() -> None:
    play = armed().walk(boots(off="1s"), opened("front"))
    play >> passes("59s") << [LOUD, "zone.alarmed front-door entry_exit after_restart"]


def test_disarmed_meanwhile_nothing_rings() -> None:
    play = armed().walk(boots(off="1s"), opened("window"), disarms())
    play >> passes("2m") << NOTHING


@pytest.mark.parametrize("device", ["smoke", "co", "alarm-button"])
def test_some_zones_never_settle(device: str) -> None:
    play = armed().walk(boots(off="1s"))
    play >> opened(device, by="retained")
    assert any(line.startswith("zone.alarmed") and "after_restart" in line for line in play.said())


def test_a_24_hour_zone_settles_like_the_others() -> None:
    play = House().walk(boots(off="1s"), opened("vault"))
    play >> passes("59s") << [LOUD, "zone.alarmed safe 24h after_restart"]


def test_a_24_hour_zone_that_is_held_is_not_forgotten_by_disarming_or_arming() -> None:
    play = armed().walk(boots(off="1s"), opened("vault"), disarms())
    play >> passes("58s") << [LOUD, "zone.alarmed safe 24h after_restart"]
    play = House().walk(boots(off="1s"), opened("vault"), arms(force="yes"))
    play >> passes("58s") << ["zone.ignored safe (bypassed by Ada: forced: safe is open)"]


def test_nothing_settles_where_the_document_says_so_or_the_stop_was_orderly() -> None:
    play = armed(partition="settle: 0s").walk(boots(off="1s"))
    play >> opened("window") << FOUND
    play = armed().walk(starts())
    play >> opened("window") << FOUND


def test_held_and_put_on_test_meanwhile_it_is_a_test() -> None:
    play = House().walk(boots(off="1s"), opened("vault"), asked("test", zone="safe", until=str(600 * SECOND)))
    play >> passes("58s") << ["zone.tested safe"]


def test_a_second_power_cut_begins_the_settling_anew() -> None:
    play = armed().walk(boots(off="1s"), boots(off="1s", after="30s"), opened("window"))
    play >> passes(59 * SECOND - 1) << NOTHING
    play >> passes(1) << FOUND


def test_power_that_is_cut_again_and_again_puts_off_nothing() -> None:
    play = armed().walk(boots(off="1s"), opened("window"), boots(off="1s", after="30s"), boots(off="1s", after="20s"))
    play >> passes(7 * SECOND - 1) << NOTHING
    play >> passes(1) << FOUND


def test_a_key_is_not_turned_by_inputs_that_settle() -> None:
    play = armed().walk(boots(off="1s"))
    play >> opened("key") << ["zone.ignored key (a key is not turned by state: inputs settle)"]
    assert play.panel.state("house") == "armed"


# --- what stays ---


def test_bypasses_isolations_and_the_memory_of_alarms_stay() -> None:
    play = House(partition="abort_window: 0s")
    play.walk(asked("bypass", zone="kitchen-window", reason="wind"))
    play.walk(asked("isolate", zone="skylight", reason="glass"), arms(), passes("1m"), opened("lounge"))
    before = play.panel.describe("kitchen-window"), play.panel.describe("skylight")
    play.walk(boots(off="9h"))
    after = play.panel.describe("kitchen-window"), play.panel.describe("skylight")
    for one, other in zip(before, after, strict=True):
        assert {key: one[key] for key in ("bypassed", "isolated", "mode")} == {
            key: other[key] for key in ("bypassed", "isolated", "mode")
        }
    assert play.engine._state.panel.partitions["house"].memory == ["lounge-motion"]


def test_a_press_is_a_press_right_after_a_start() -> None:
    play = House().walk(boots(off=None))
    play >> presses()
    assert "zone.alarmed desk-button hold_up after_restart" in play.said()


# --- the wall clock ---


@pytest.mark.parametrize("step", [3600, -3600, 86_400, -86_400, -1_768_417_200])
def test_a_wall_clock_that_steps_changes_nothing(step: int) -> None:
    def steps(book: Playbook) -> Event:
        book.gt += SECOND
        book.wall += SECOND + step * SECOND
        return ClockStepped(id=fresh(book), gt=book.gt, wall=book.wall, step=step * SECOND)

    play = House()
    until = str(600 * SECOND)
    play.walk(asked("isolate", zone="skylight", reason="glass", until=until))
    play.walk(asked("test", zone="cellar-water", until=until))
    play.walk(arms(), steps)
    play >> passes(59 * SECOND - 1) << NOTHING
    play >> passes(1) << ["partition.armed house away by Ada bypassed skylight"]
    play >> opened("front") << ["partition.entering house front-door for 30s"]
    play.walk(steps)
    play >> passes(29 * SECOND - 1) << NOTHING
    play >> passes(1) << [LOUD, "zone.alarmed front-door entry_exit"]
    play.walk(steps, closed("front"))
    play.walk(disarms())
    left = play.panel.describe("skylight")["timers"]["isolated skylight"] - play.gt
    play >> passes(left - 1)
    assert "zone.unisolated skylight by its time was over" not in play.said()
    play >> passes(1)
    assert play.said() == ["zone.unisolated skylight by its time was over"]
