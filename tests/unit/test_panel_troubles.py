"""Tamper, lines, supervision, batteries: trouble is not alarm, and each has its end."""

from __future__ import annotations

from typing import Any

import pytest

from rules.events import Delivery
from tests.unit.panel_kit import LOUD, NOTHING, House, arms, disarms, document, reports
from tests.unit.playbook import SECOND, asked, boots, closed, opened, passes, told

SUPERVISED = {"kitchen-window": "supervision: {armed: 10m, disarmed: 1h}"}
SILENT = [
    "zone.troubled kitchen-window silent (was not heard of for longer than it may be silent)",
    "opened Trouble: kitchen-window was not heard of for longer than it may be silent (low)",
]


def armed(**words: Any) -> House:
    return House(**words).walk(arms(), passes("1m"))


# --- unavailable is trouble ---


@pytest.mark.parametrize("play", [House(), armed()], ids=["disarmed", "armed"])
@pytest.mark.parametrize(
    ("begin", "end", "trouble", "reason"),
    [
        ("device.lost", "device.restored", "lost", "is lost: radio silence"),
        ("battery.low", "battery.restored", "battery", "has a low battery"),
        ("mains.lost", "mains.restored", "mains", "has no mains supply"),
    ],
)
def test_each_trouble_begins_and_ends(play: House, begin: str, end: str, trouble: str, reason: str) -> None:
    play = House() if play.panel.state("house") == "disarmed" else armed()
    body: dict[str, Any] = {"reason": "radio silence"} if begin == "device.lost" else {}
    (
        play
        >> told(begin, "window", **body)
        << [
            f"zone.troubled kitchen-window {trouble} ({reason})",
            f"opened Trouble: kitchen-window {reason} (low)",
        ]
    )
    play >> told(begin, "window", **body) << NOTHING
    (
        play
        >> told(end, "window")
        << [
            f"zone.untroubled kitchen-window {trouble}",
            f"evidence kitchen-window: {trouble} is over",
        ]
    )
    play >> told(end, "window") << NOTHING


def test_troubles_within_an_hour_are_one_incident() -> None:
    play = House().walk(told("battery.low", "window"))
    play >> told("battery.low", "pane", after=3600 * SECOND - 1)
    assert play.said()[-1] == "evidence Trouble: skylight has a low battery"
    play >> told("battery.low", "hall", after="1h")
    assert play.said()[-1] == "opened Trouble: hallway has a low battery (low)"


def test_a_device_may_say_at_length_why_it_was_lost() -> None:
    play = House()
    play >> told("device.lost", "window", reason="x" * 900)
    assert len(play.entries()[0].body["title"]) == 200
    assert play.entries()[0].body["partition"] == "house"


def test_two_troubles_of_a_zone_at_once() -> None:
    play = House().walk(told("battery.low", "window"))
    play >> told("mains.lost", "window")
    assert play.said()[0] == "zone.troubled kitchen-window mains (has no mains supply)"


# --- tamper ---


def test_an_opened_case_is_an_incident_when_disarmed_and_an_alarm_when_armed() -> None:
    play = House()
    (
        play
        >> told("tamper.opened", "window")
        << [
            "zone.tampered kitchen-window (case opened)",
            "opened Tamper: kitchen-window: case opened (medium)",
        ]
    )
    (
        play
        >> told("tamper.closed", "window")
        << [
            "zone.untampered kitchen-window",
            "evidence kitchen-window is whole again",
        ]
    )
    play = armed()
    (
        play
        >> told("tamper.opened", "window")
        << [
            "zone.tampered kitchen-window (case opened)",
            LOUD,
            "opened Tamper: kitchen-window: case opened (high)",
        ]
    )


@pytest.mark.parametrize("by", ["live", "retained"])
def test_the_same_case_again_is_nothing(by: Delivery) -> None:
    play = House().walk(told("tamper.opened", "window"))
    play >> told("tamper.opened", "window", by=by) << NOTHING


def test_a_case_that_was_open_before_anybody_knew_is_not_ready_and_no_alarm() -> None:
    play = House()
    (
        play
        >> told("tamper.opened", "window", by="retained")
        << ["zone.ignored kitchen-window (case open, nothing known before)"]
    )
    assert play.panel.ready("house", "away", gt=play.gt) == ["kitchen-window is tampered"]
    play >> told("tamper.closed", "window") << ["zone.untampered kitchen-window"]


def test_a_case_found_open_by_an_overtaken_message_is_told_and_leaves_no_trace() -> None:
    play = House().walk(told("tamper.closed", "window"))
    play >> told("tamper.opened", "window", by="late") << ["opened Tamper: kitchen-window: case opened (medium)"]
    assert play.panel.ready("house", "away", gt=play.gt) == []


@pytest.mark.parametrize("state", ["short", "open"])
def test_a_broken_line_is_tamper(state: str) -> None:
    play = armed()
    (
        play
        >> reports("line", state)
        << [
            f"zone.tampered loop (line {state})",
            LOUD,
            f"opened Tamper: loop: line {state} (high)",
        ]
    )
    play >> reports("line", "normal") << ["zone.untampered loop", "evidence loop is whole again"]


def test_from_one_fault_to_the_other_is_the_same_tamper_until_the_line_is_whole() -> None:
    play = House().walk(reports("line", "short"))
    play >> reports("line", "open") << NOTHING
    assert play.trace == ["zone loop: tampered again: line open"]
    play >> reports("line", "active")
    assert play.said()[0] == "zone.untampered loop"


def test_a_line_that_is_active_after_a_fault_while_armed_rings() -> None:
    play = armed().walk(reports("line", "short"))
    play >> reports("line", "active")
    assert "zone.alarmed loop perimeter" in play.said()


def test_a_case_that_is_open_stays_tampered_when_the_line_is_whole_again() -> None:
    play = House().walk(told("tamper.opened", "line"), reports("line", "short"))
    play >> reports("line", "normal") << NOTHING
    play >> told("tamper.closed", "line")
    assert play.said()[0] == "zone.untampered loop"


def test_a_line_that_was_broken_for_a_moment_as_an_overtaken_message_says() -> None:
    play = House()
    play >> reports("line", "short", by="late") << ["opened Tamper: loop: line short (medium)"]
    assert play.panel.ready("house", "away", gt=play.gt) == []
    play = House().walk(asked("isolate", zone="loop", reason="works"))
    play >> reports("line", "short", by="late") << NOTHING


def test_the_broken_line_of_a_smoke_detector_is_trouble() -> None:
    text = document().replace("  - {id: loop, device: line, type: perimeter, partition: house}\n", "")
    play = House(text=text.replace("device: smoke, type: fire", "device: line, type: fire"))
    (
        play
        >> reports("line", "open")
        << [
            "zone.troubled smoke-detector line (has a line that is open)",
            "opened Trouble: smoke-detector has a line that is open (low)",
        ]
    )
    play >> reports("line", "active")
    assert "zone.alarmed smoke-detector fire" in play.said()


def test_a_case_that_flaps_rests_like_any_zone_that_rings_too_often() -> None:
    play = armed(partition="swinger: 2")
    for _ in range(2):
        play.walk(told("tamper.opened", "window"), told("tamper.closed", "window"))
    play >> told("tamper.opened", "window") << ["zone.tampered kitchen-window (case opened)"]


# --- supervision ---


def test_supervision_to_the_microsecond_disarmed() -> None:
    play = House(zones=SUPERVISED)
    play >> closed("window") << NOTHING
    play >> passes(3600 * SECOND - 1) << NOTHING
    play >> passes(1) << SILENT
    play >> passes("9h") << NOTHING
    (
        play
        >> closed("window")
        << [
            "zone.untroubled kitchen-window silent",
            "evidence kitchen-window: silent is over",
        ]
    )


def test_armed_the_window_is_another() -> None:
    play = armed(zones=SUPERVISED)
    play >> closed("window") << NOTHING
    play >> passes(600 * SECOND - 1) << NOTHING
    play >> passes(1) << SILENT


def test_any_word_is_proof_of_life_but_what_the_broker_kept() -> None:
    play = House(zones=SUPERVISED)
    play.walk(closed("window"))
    play >> told("reading.battery", "window", after="59m", value=50.0) << NOTHING
    play >> closed("window", after="59m", by="retained") << NOTHING
    play >> passes("1m") << SILENT


def test_arming_shortens_the_window_that_runs() -> None:
    play = House(zones=SUPERVISED)
    play.walk(closed("window"))
    play >> arms(after="5m") << ["partition.exiting house away for 1m by Ada"]
    play >> passes("1m") << ["partition.armed house away by Ada"]
    play >> passes(240 * SECOND - 1) << NOTHING >> passes(1) << SILENT


def test_disarming_lengthens_it() -> None:
    play = armed(zones=SUPERVISED)
    play.walk(closed("window"))
    play.walk(disarms(after="9m"))
    play >> passes(51 * 60 * SECOND - 1) << NOTHING >> passes(1) << SILENT


def test_too_long_unheard_to_be_armed() -> None:
    play = House(zones=SUPERVISED).walk(closed("window"))
    play >> arms(after="10m")
    assert play.said()[-1] == "refused: kitchen-window was not heard of for too long to be armed"
    play = House(zones=SUPERVISED).walk(closed("window"))
    play >> arms(after=600 * SECOND - 1) << ["partition.exiting house away for 1m by Ada"]


def test_while_the_gateway_was_off_nobody_could_be_heard() -> None:
    play = House(zones=SUPERVISED).walk(closed("window"))
    play >> boots(off="9h") << NOTHING
    play >> passes(3600 * SECOND - 1) << NOTHING
    play >> passes(1) << SILENT


def test_a_device_that_never_said_a_word_is_missed() -> None:
    play = House(settled=False, zones=SUPERVISED)
    play >> boots(off=None) << NOTHING
    play >> passes("1h") << SILENT


def test_a_lost_device_on_test_is_a_fact_and_no_incident() -> None:
    play = House().walk(asked("test", zone="kitchen-window", until=str(600 * SECOND)))
    play >> told("device.lost", "window", reason="flat") << ["zone.troubled kitchen-window lost (is lost: flat)"]


def test_a_lost_device_is_no_intrusion_and_one_that_comes_back_open_is() -> None:
    play = armed()
    play.walk(told("device.lost", "window", reason="radio silence"), told("device.restored", "window"))
    play >> opened("window") << [LOUD, "zone.alarmed kitchen-window perimeter"]
