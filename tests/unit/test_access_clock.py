"""Doors and codes while the wall clock shows a time that cannot be: nothing stands open by it, and refusals say why."""

from __future__ import annotations

from typing import Any

import pytest

from rules.events import Boot, ClockDoubted, ClockStepped, ClockTrusted
from tests.unit.access_rig import WEDNESDAY_NOON, Rig, digest

BY_DAY = {"unlock_schedule": "hours"}


def doubted(rig: Rig) -> list[str]:
    return rig.step(ClockDoubted(floor=rig.wall, **rig._header("1s")))


def trusted(rig: Rig) -> list[str]:
    return rig.step(ClockTrusted(**rig._header("1s")))


def begun(*, doubted: bool = False, **parts: Any) -> tuple[Rig, list[str]]:
    rig = Rig(**parts)
    rig.closes(delivery="retained")
    boot = Boot(software="1", epoch="e", off_time=None, clean=False, doubted=doubted, **rig._header("1s"))
    return rig, rig.step(boot)


def test_a_door_is_locked_when_the_clock_falls_into_doubt_and_let_go_after_it() -> None:
    rig, _ = begun(door=BY_DAY)
    assert rig.memory.doors["front"].free == "schedule"
    assert doubted(rig) == ["lock off", "door.locked front (clock)"]
    assert rig.passes("1h") == []
    assert rig.step(ClockStepped(step=1, **rig._header("1s"))) == []
    assert trusted(rig) == ["lock on", "door.unlocked front (schedule)"]


def test_a_start_with_such_a_clock_lets_no_door_go() -> None:
    rig, lines = begun(doubted=True, door=BY_DAY)
    assert "door.unlocked front (schedule)" not in lines
    assert rig.memory.doors["front"].bolt == "locked"
    assert trusted(rig) == ["lock on", "door.unlocked front (schedule)"]


def test_it_is_forgotten_with_a_start_whose_clock_is_right() -> None:
    rig, _ = begun(door=BY_DAY)
    doubted(rig)
    assert rig.boots() == ["lock on", "door.unlocked front (schedule)"]


def test_the_first_one_in_opens_for_themselves_only() -> None:
    rig, _ = begun(door=BY_DAY | {"first_in": True})
    doubted(rig)
    assert rig.card()[0].startswith("access.granted front ada in")
    assert rig.memory.doors["front"].free == ""


def test_who_ordered_a_door_open_keeps_it_open() -> None:
    rig, _ = begun(door=BY_DAY)
    rig.order(lambda access, turn: access.unlock(turn, "front", by="Ada", stay=True))
    assert doubted(rig) == []


@pytest.mark.parametrize("dates", [{"until": "2026-01-10"}, {"from": "2026-02-01"}])
def test_a_card_that_is_over_by_this_clock_is_refused_for_the_clock(dates: dict[str, str]) -> None:
    rig, _ = begun(ada={"cards": [{"digest": digest("ada card"), **dates}]})
    assert rig.card() == ["access.denied front in (expired) ada"]
    doubted(rig)
    assert rig.card() == ["access.denied front in (clock) ada"]
    trusted(rig)
    assert rig.card() == ["access.denied front in (expired) ada"]


def test_so_is_one_outside_its_hours() -> None:
    rig, _ = begun(
        wall=WEDNESDAY_NOON + 10 * 3_600_000_000,
        access_levels=[{"id": "staff", "doors": ["front"], "schedule": "hours"}],
    )
    assert rig.card() == ["access.denied front in (schedule) ada"]
    doubted(rig)
    assert rig.card() == ["access.denied front in (clock) ada"]


def test_a_code_refused_for_the_clock_is_no_wrong_try() -> None:
    rig, _ = begun(ada={"codes": [{"digest": digest("ada code"), "until": "2026-01-10"}]})
    doubted(rig)
    for _ in range(20):
        assert rig.code("ada code", wish="disarm") == ["code.refused pad (clock)"]
    assert rig.memory.locked == {}


def test_without_times_nothing_changes() -> None:
    rig, _ = begun()
    doubted(rig)
    assert rig.card()[0].startswith("access.granted front ada in")
