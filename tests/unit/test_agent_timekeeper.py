"""A clock on the wall that jumps, stands in 1970 or runs away: facts stay in order, nothing is old at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable
from typing import Any

import pytest

from agent import clock as clocks
from agent import timekeeper as timekeepers
from agent.clock import SETTLED, Clock
from agent.drift import FAR, HELD, WINDOW, Drift
from agent.floor import CORRECTION, WRITTEN, Floor
from agent.intake import Intake
from agent.store import floors
from agent.timekeeper import DOUBT, Timekeeper
from rules.events import ClockDrifted

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
YEAR = 365 * DAY
NOW = 1_800_000_000 * SECOND  # January 2027


class Machine:
    """The clocks of a machine, moved by hand."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.boot, self.wall, self.good = 1000 * SECOND, NOW, False
        for module in (clocks, timekeepers, floors):
            for name, value in (
                ("boot_now", lambda: self.boot), ("wall_now", lambda: self.wall), ("synced", lambda: self.good),
                ("boot_id", lambda: "one"),
            ):  # fmt: skip
                if hasattr(module, name):
                    patch.setattr(module, name, value)

    def passes(self, micros: int, *, drift: int = 0) -> None:
        self.boot += micros
        self.wall += micros + drift


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


class Watch:
    """A timekeeper and what it told."""

    def __init__(self, machine: Machine, *, kept: str | None = None, told: dict[str, str] | None = None) -> None:
        self.machine = machine
        self.intake = Intake()
        floor = Floor.start(kept, boot=machine.boot, boot_id="one")
        self.clock = Clock.start(last_gt=0, off_time=None, at=machine.boot, floor=floor)
        self.issued: list[int] = []
        self.keeper = Timekeeper(clock=self.clock, intake=self.intake, told=told or {}, issued=self._issued)

    def _issued(self) -> Iterable[int]:
        return self.issued

    async def passes(self, micros: int, *, every: int = 60 * SECOND, drift: int = 0) -> None:
        """Time passes, and the timekeeper looks now and then."""
        end = self.machine.boot + micros
        while self.machine.boot < end:
            step = min(every, end - self.machine.boot)
            self.machine.passes(step, drift=drift * step // micros)
            await self.keeper.look()

    async def told(self) -> list[Any]:
        facts = []
        while len(self.intake):
            facts += [item.fact for item in await self.intake.take(100)]
        return facts

    async def kinds(self) -> list[str]:
        return [fact.kind for fact in await self.told()]


async def settled(machine: Machine) -> Watch:
    """A gateway that ran for an hour with a right clock."""
    watch = Watch(machine)
    await watch.passes(HOUR)
    assert await watch.told() == []
    return watch


# --- the twelve cases ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [DAY, -DAY, 10 * YEAR, -10 * YEAR, -57 * YEAR])
async def test_a_jump_is_told_and_no_fact_goes_back(machine: Machine, step: int) -> None:
    watch = await settled(machine)
    before = watch.clock.header()
    machine.wall += step
    during = watch.clock.header()
    assert during["clock"] == "unsynced", "at once, before anybody looked"
    assert during["gt"] == before["gt"]
    await watch.keeper.look()
    told = await watch.told()
    if step < -CORRECTION:  # it cannot be: facts are dated on from what was known
        assert [fact.kind for fact in told] == ["clock.doubted"]
        assert abs(during["wall"] - before["wall"]) < SECOND
    else:
        assert [fact.kind for fact in told] == ["clock.stepped"]
        assert told[0].step == step
        assert during["wall"] == before["wall"] + step
    machine.passes(5 * SECOND)
    assert watch.clock.header()["gt"] == before["gt"] + 5 * SECOND


async def test_a_start_in_1970_is_dated_from_the_floor(machine: Machine) -> None:
    kept = Floor(WRITTEN, NOW, machine.boot).kept(machine.boot, "another")
    machine.wall = 40 * SECOND
    watch = Watch(machine, kept=kept)
    header = watch.clock.header()
    assert (header["wall"], header["clock"]) == (NOW, "unsynced")
    await watch.keeper.look()
    (doubted,) = await watch.told()
    assert (doubted.kind, doubted.floor) == ("clock.doubted", NOW)
    await watch.passes(HOUR)
    assert watch.clock.header()["wall"] == NOW + HOUR, "it goes on with the boot-time clock"
    assert await watch.told() == []
    machine.wall = NOW + 9 * HOUR  # a time server is found
    machine.good = True
    await watch.keeper.look()
    assert await watch.kinds() == ["clock.stepped", "clock.trusted"]
    assert watch.clock.header()["wall"] == NOW + 9 * HOUR


async def test_without_memory_the_program_knows_when_it_was_written(machine: Machine) -> None:
    machine.wall = 0
    watch = Watch(machine)
    assert watch.clock.header()["wall"] == WRITTEN


async def test_the_certificate_is_a_witness(machine: Machine) -> None:
    machine.wall = WRITTEN + YEAR
    watch = Watch(machine)
    assert not watch.clock.doubted
    watch.issued = [NOW]
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.1):
            await watch.keeper.run()
    assert (await watch.kinds())[-1] == "clock.doubted"
    assert watch.clock.header()["wall"] == NOW


@pytest.mark.parametrize("smear", [SECOND, -SECOND])
async def test_a_smeared_leap_second_and_summer_time_are_nothing(machine: Machine, smear: int) -> None:
    """Summer time moves no clock of the kernel; a second smeared over a day, or given at once, is no step."""
    watch = await settled(machine)
    await watch.passes(DAY, drift=smear)
    machine.wall += smear
    await watch.keeper.look()
    assert await watch.told() == []


async def test_an_hours_drift_is_told_against_the_relay(machine: Machine) -> None:
    watch = await settled(machine)
    for _ in range(50):
        true = machine.wall + HOUR
        watch.keeper.heard("cloud", true + SECOND // 50, machine.boot, machine.boot + SECOND // 25)
        await watch.passes(20 * SECOND)
    (drifted,) = await watch.told()
    assert isinstance(drifted, ClockDrifted)
    assert abs(drifted.offset - HOUR) < SECOND // 10
    assert watch.keeper.offset("cloud") is not None
    machine.wall += HOUR  # somebody sets it
    for _ in range(50):
        watch.keeper.heard("cloud", machine.wall, machine.boot, machine.boot + SECOND // 25)
        await watch.passes(20 * SECOND)
    assert await watch.kinds() == ["clock.stepped", "clock.agreed"]


async def test_a_suspended_machine_counts_the_time(machine: Machine) -> None:
    watch = await settled(machine)
    before = watch.clock.gt()
    machine.passes(3 * HOUR)  # both clocks run through it
    await watch.keeper.look()
    assert await watch.told() == []
    assert watch.clock.gt() == before + 3 * HOUR


# --- what gives way to what ------------------------------------------------------------------------------------------


async def test_a_wrong_future_that_was_remembered_gives_way(machine: Machine) -> None:
    """Ten years ahead for a day, then set right: a clock that is kept right wins over our memory of the wrong one."""
    watch = await settled(machine)
    machine.wall += 10 * YEAR
    await watch.passes(DAY)
    await watch.told()
    machine.wall -= 10 * YEAR
    await watch.keeper.look()
    assert "clock.doubted" in await watch.kinds()
    machine.good = True
    await watch.passes(SETTLED + 60 * SECOND)
    assert "clock.trusted" in await watch.kinds()
    assert watch.clock.header()["wall"] == machine.wall


async def test_so_it_does_to_a_relay_that_agrees_and_to_a_day(machine: Machine) -> None:
    for how in ("relay", "day"):
        watch = await settled(machine)
        machine.wall += 10 * YEAR
        await watch.passes(HOUR)
        machine.wall -= 10 * YEAR
        await watch.keeper.look()
        assert watch.clock.doubted
        if how == "relay":
            watch.keeper.heard("cloud", machine.wall, machine.boot, machine.boot)
            await watch.keeper.look()
        else:
            await watch.passes(DAY + HOUR, every=600 * SECOND)
        assert not watch.clock.doubted


async def test_the_facts_never_give_way(machine: Machine) -> None:
    machine.wall, machine.good = WRITTEN - 2 * DAY, True
    watch = Watch(machine)
    watch.keeper.heard("cloud", machine.wall, machine.boot, machine.boot)
    await watch.passes(3 * DAY, every=HOUR)
    assert watch.clock.doubted


async def test_a_correction_of_up_to_a_day_is_believed(machine: Machine) -> None:
    watch = await settled(machine)
    machine.wall -= 3 * HOUR
    await watch.keeper.look()
    assert await watch.kinds() == ["clock.stepped"]
    assert not watch.clock.doubted


async def test_a_doubt_told_before_a_restart_is_ended_after_it(machine: Machine) -> None:
    watch = Watch(machine, told={DOUBT: "1", "clock_told.drift.cloud": "1", "clock_told.drift.box": ""})
    await watch.keeper.look()
    assert await watch.kinds() == ["clock.trusted"]
    for _ in range(4):
        watch.keeper.heard("cloud", machine.wall, machine.boot, machine.boot)
        await watch.passes(30 * SECOND)
    assert await watch.kinds() == ["clock.agreed"]


# --- ages and certificates -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [DAY, -DAY, 10 * YEAR, -57 * YEAR])
async def test_no_jump_makes_anything_old(machine: Machine, step: int) -> None:
    watch = await settled(machine)
    made = watch.clock.gt()
    await watch.passes(HOUR)
    machine.wall += step
    await watch.keeper.look()
    assert watch.clock.gt() - made == HOUR


async def test_certificates_are_judged_by_what_is_certain(machine: Machine) -> None:
    machine.good = True
    watch = Watch(machine)
    await watch.keeper.look()
    before = watch.clock.unsure_since
    assert before is None
    machine.wall += 10 * YEAR
    assert watch.clock.unsure_since == WRITTEN, "it was set a moment ago"
    machine.wall -= 10 * YEAR
    machine.good = False
    await watch.keeper.look()
    watch.clock.floor.issued(NOW - DAY)
    assert watch.clock.unsure_since == NOW - DAY


# --- writing it down -------------------------------------------------------------------------------------------------


class Written:
    def __init__(self) -> None:
        self.values: list[tuple[str, str]] = []

    async def executemany(self, sql: str, values: list[tuple[str, str]]) -> None:
        self.values += values


async def test_the_floor_is_written_with_a_commit_every_ten_minutes(machine: Machine) -> None:
    watch = await settled(machine)
    transaction: Any = Written()
    await floors.keep(transaction, watch.clock)
    assert len(transaction.values) == 1
    await floors.keep(transaction, watch.clock)
    machine.passes(floors.EVERY - 1)
    await floors.keep(transaction, watch.clock)
    assert len(transaction.values) == 1
    machine.passes(1)
    await floors.keep(transaction, watch.clock)
    name, kept = transaction.values[-1]
    assert name == "floor"
    again = Floor.start(kept, boot=machine.boot + HOUR, boot_id="one")
    assert again.at(machine.boot + HOUR) == machine.wall + HOUR, "one boot: the time since has passed, too"
    assert Floor.start(kept, boot=0, boot_id="two").at(0) == machine.wall


async def test_what_was_told_is_noted_with_it(machine: Machine) -> None:
    watch = await settled(machine)
    machine.wall = 0
    await watch.keeper.look()
    (item,) = await watch.intake.take(10)
    transaction: Any = Written()
    assert item.also is not None
    await item.also(transaction)
    assert transaction.values == [(DOUBT, "1")]


# --- drift -----------------------------------------------------------------------------------------------------------


def test_the_quickest_answer_counts() -> None:
    drift = Drift()
    drift.heard(wall=NOW + 20 * SECOND, sent=0, received=30 * SECOND)  # slow: 5 s wrong, and it may be 15
    drift.heard(wall=NOW + 31 * SECOND, sent=31 * SECOND, received=31 * SECOND + 1000)
    offset = drift.offset(wall=NOW + 31 * SECOND, boot=31 * SECOND)
    assert offset is not None
    assert abs(offset) < 1000


def test_what_a_slow_answer_leaves_open_is_no_drift() -> None:
    drift = Drift()
    for number in range(20):
        at = number * 10 * SECOND
        drift.heard(wall=NOW + at + 8 * SECOND, sent=at, received=at + 8 * SECOND)
        assert drift.change(wall=NOW + at, boot=at) is None


def test_it_must_last() -> None:
    drift = Drift()
    drift.heard(wall=NOW + 2 * FAR, sent=0, received=0)
    assert drift.change(wall=NOW, boot=0) is None
    assert drift.change(wall=NOW + HELD - 1, boot=HELD - 1) is None
    assert drift.change(wall=NOW + HELD, boot=HELD) == 2 * FAR
    assert drift.change(wall=NOW + HELD, boot=HELD) is None, "once"


def test_who_says_nothing_is_not_compared() -> None:
    drift = Drift()
    drift.heard(wall=NOW, sent=0, received=0)
    assert drift.offset(wall=NOW, boot=WINDOW + 1) is None
    assert drift.change(wall=0, boot=WINDOW + 1) is None


@pytest.mark.parametrize("kept", ["", "x", "1 2", "a b c", "1 2 3 4"])
def test_a_note_that_cannot_be_read_is_none(kept: str) -> None:
    assert Floor.start(kept, boot=5, boot_id="one") == Floor.start(None, boot=5, boot_id="one")


def test_samples_are_few() -> None:
    drift = Drift()
    for number in range(10_000):
        drift.heard(wall=NOW, sent=number, received=number)
    assert len(drift._samples) <= 64
