"""Bypassed, isolated, on test: who, why, until when, and that nothing is swallowed meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.panel_kit import LOUD, NOTHING, House, arms, disarms
from tests.unit.playbook import SECOND, asked, boots, closed, opened, passes, told

WINDOW = [LOUD, "zone.alarmed kitchen-window perimeter"]
TEN = str(600 * SECOND)
OVER = "its time was over"


def armed(**words: Any) -> House:
    return House(**words).walk(arms(), passes("1m"))


def bypasses(zone: str = "kitchen-window", **words: str):  # type: ignore[no-untyped-def]
    return asked("bypass", zone=zone, **{"reason": "wind", **words})


def isolates(zone: str = "kitchen-window", **words: str):  # type: ignore[no-untyped-def]
    return asked("isolate", zone=zone, **{"reason": "broken glass", **words})


# --- bypass ---


def test_a_bypass_lasts_until_the_next_disarming() -> None:
    play = House()
    play >> bypasses() << ["zone.bypassed kitchen-window by Ada (wind)"]
    play >> bypasses() << NOTHING
    play.walk(arms())
    play >> passes("1m") << ["partition.armed house away by Ada bypassed kitchen-window"]
    play >> opened("window") << ["zone.ignored kitchen-window (bypassed by Ada: wind)"]
    play >> closed("window") << NOTHING
    play >> disarms() << ["partition.disarmed house by Ada", "zone.unbypassed kitchen-window by Ada"]
    play.walk(arms(), passes("1m"))
    play >> opened("window") << WINDOW


def test_a_bypass_ended_by_hand() -> None:
    play = armed().walk(bypasses())
    play >> asked("unbypass", zone="kitchen-window") << ["zone.unbypassed kitchen-window by Ada"]
    play >> asked("unbypass", zone="kitchen-window") << ["refused: kitchen-window is not bypassed"]
    play >> opened("window") << WINDOW


@pytest.mark.parametrize("zone", ["panic", "smoke-detector", "co-detector", "panel-lid"])
def test_what_is_not_bypassed(zone: str) -> None:
    kind = {"panic": "hold_up", "smoke-detector": "fire", "co-detector": "co", "panel-lid": "tamper"}[zone]
    refused = f"refused: {zone} is a {kind} zone that is not bypassed; isolate it if you must"
    House() >> bypasses(zone) << [refused]


def test_the_document_decides_what_may_be_bypassed() -> None:
    play = House(zones={"kitchen-window": "bypassable: false", "smoke-detector": "bypassable: true"})
    play >> bypasses()
    assert play.said()[0].startswith("refused")
    play >> bypasses("smoke-detector") << ["zone.bypassed smoke-detector by Ada (wind)"]
    play >> opened("smoke") << ["zone.ignored smoke-detector (bypassed by Ada: wind)"]


def test_a_zone_that_is_open_and_not_bypassable_stands_in_the_way_of_force() -> None:
    play = House(zones={"safe": "bypassable: false"}).walk(opened("vault"))
    play >> arms(force="yes")
    assert play.said() == [
        "partition.refused house away by Ada (safe is open)",
        "refused: safe is open",
    ]


@pytest.mark.parametrize("word", ["bypass", "unbypass", "isolate", "unisolate", "test", "end_test"])
def test_zones_that_are_not_there(word: str) -> None:
    words = {"bypass": {"reason": "x"}, "isolate": {"reason": "x"}, "test": {"until": TEN}}.get(word, {})
    House() >> asked(word, zone="attic", **words) << ["refused: there is no zone attic"]


# --- isolation ---


def test_an_isolation_lasts_through_disarmings() -> None:
    play = House()
    play >> isolates() << ["zone.isolated kitchen-window by Ada (broken glass)"]
    play.walk(arms(), passes("1m"), disarms(), arms(), passes("1m"))
    play >> opened("window") << ["zone.ignored kitchen-window (isolated by Ada: broken glass)"]
    play >> closed("window") << NOTHING
    play >> asked("unisolate", zone="kitchen-window") << ["zone.unisolated kitchen-window by Ada"]
    play >> asked("unisolate", zone="kitchen-window") << ["refused: kitchen-window is not isolated"]
    play >> opened("window") << WINDOW


def test_an_isolation_to_the_microsecond() -> None:
    play = armed(partition="exit_delay: 0s")
    play.walk(isolates(until=TEN))
    play >> passes(600 * SECOND - 1) << NOTHING
    play >> passes(1) << [f"zone.unisolated kitchen-window by {OVER}"]
    play >> opened("window") << WINDOW


def test_a_window_open_when_its_isolation_ends_counts_from_its_next_opening() -> None:
    play = armed().walk(isolates(until=TEN), opened("window"))
    (
        play
        >> passes("599s")
        << [
            f"zone.unisolated kitchen-window by {OVER}",
            "zone.ignored kitchen-window (open already when its isolation ended)",
        ]
    )
    play.walk(closed("window"))
    play >> opened("window") << WINDOW


def test_a_fire_that_burns_when_its_isolation_ends_rings() -> None:
    play = House().walk(isolates("smoke-detector", until=TEN))
    play >> opened("smoke") << ["zone.ignored smoke-detector (isolated by Ada: broken glass)"]
    play >> passes("599s")
    assert play.said()[:3] == [
        f"zone.unisolated smoke-detector by {OVER}",
        "horn on",
        "zone.alarmed smoke-detector fire",
    ]


def test_isolating_again_sets_another_end() -> None:
    play = House().walk(isolates(until=TEN))
    (
        play
        >> isolates(until=str(60 * SECOND))
        << ["zone.isolated kitchen-window by Ada (broken glass) until 2026-01-14 20:01:02"]
    )
    play >> passes("60s") << [f"zone.unisolated kitchen-window by {OVER}"]
    play >> passes("1h") << NOTHING


def test_a_moment_that_is_over() -> None:
    House() >> isolates(until="0") << ["refused: that moment is over already"]
    House() >> asked("test", zone="safe", until="0") << ["refused: that moment is over already"]


def test_an_isolation_goes_on_after_an_unknown_time_off() -> None:
    play = House().walk(isolates(until=TEN), boots(off=None))
    play >> passes(599 * SECOND - 1) << NOTHING
    play >> passes(1) << [f"zone.unisolated kitchen-window by {OVER}"]


def test_an_isolated_zone_is_no_obstacle() -> None:
    play = House().walk(opened("window"), isolates())
    assert play.panel.ready("house", "away", gt=play.gt) == []


def test_tamper_of_an_isolated_zone_is_a_fact_and_no_alarm() -> None:
    play = armed().walk(isolates())
    play >> told("tamper.opened", "window") << ["zone.tampered kitchen-window (case opened)"]


def test_tamper_of_a_bypassed_zone_is_an_alarm_all_the_same() -> None:
    play = armed().walk(bypasses())
    (
        play
        >> told("tamper.opened", "window")
        << [
            "zone.tampered kitchen-window (case opened)",
            LOUD,
            "opened Tamper: kitchen-window: case opened (high)",
        ]
    )


# --- test ---


def test_on_test_it_is_logged_and_nobody_is_told() -> None:
    play = armed()
    (
        play
        >> asked("test", zone="kitchen-window", until=TEN)
        << ["zone.on_test kitchen-window by Ada until 2026-01-14 20:11:02"]
    )
    play >> opened("window") << ["zone.tested kitchen-window"]
    play >> closed("window") << NOTHING
    play >> opened("pane") << [LOUD, "zone.alarmed skylight perimeter"]


def test_a_test_to_the_microsecond() -> None:
    play = House().walk(asked("test", zone="safe", until=TEN))
    play >> opened("vault", after=600 * SECOND - 1) << ["zone.tested safe"]
    play >> passes(1)
    assert play.said() == [f"zone.off_test safe by {OVER}", LOUD, "zone.alarmed safe 24h"]


def test_a_whole_partition_on_test() -> None:
    play = House()
    play >> asked("test", zone="house", until=TEN)
    assert len(play.said()) == 17
    for device in ("smoke", "alarm-button", "vault", "lid", "key"):
        play >> opened(device)
        assert [line.partition(" ")[0] for line in play.said()] == ["zone.tested"], device
    play >> asked("end_test", zone="house")
    assert sum(line.startswith("zone.off_test") for line in play.said()) == 17
    play >> asked("end_test", zone="house") << ["refused: nothing of it is on test"]


def test_a_test_lasts_a_day_at_most() -> None:
    House() >> asked("test", zone="safe", until=str(86_401 * SECOND)) << ["refused: a test lasts a day at most"]


def test_a_test_is_over_after_an_unknown_time_off() -> None:
    play = House().walk(asked("test", zone="safe", until=TEN))
    play >> boots(off=None) << ["zone.off_test safe by the start of the gateway"]
    play = House().walk(asked("test", zone="safe", until=TEN))
    play >> boots(off="1m") << NOTHING
