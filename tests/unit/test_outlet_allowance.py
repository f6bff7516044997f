"""Schedules, rates and budgets of recordings, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.config.outlets import BudgetConfig, OutletConfig, PacedHours
from agent.intake import Intake
from agent.outlets.allowance import Allowance
from agent.outlets.bucket import Bucket
from agent.outlets.budget import Budget, Month
from agent.outlets.schedule import Schedule
from agent.store.blobs import PICTURES, PRE_ROLL, REST, STILL
from agent.store.database import Database
from rules.events import BudgetAmple, BudgetLow, BudgetSpent
from rules.units import DAY, HOUR

ZURICH = ZoneInfo("Europe/Zurich")
MBIT = 125_000


def at(text: str) -> int:
    """Wall µs of a local time in Zurich."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZURICH).timestamp() * 1e6)


def hours(**values: Any) -> PacedHours:
    return PacedHours.model_validate(values)


OFFICE = hours(days="mon-fri", **{"from": "08:00", "to": "18:00"}, rate="2Mbit")
NIGHT = hours(**{"from": "22:00", "to": "06:00"}, rate="8Mbit")


# --- schedule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "rate"),
    [
        ("2026-11-23T07:59:59", None),
        ("2026-11-23T08:00:00", 2 * MBIT),
        ("2026-11-23T17:59:59", 2 * MBIT),
        ("2026-11-23T18:00:00", None),
        ("2026-11-22T12:00:00", None),
        ("2026-11-22T23:00:00", 8 * MBIT),
        ("2026-11-23T05:59:59", 8 * MBIT),
        ("2026-07-20T08:00:00", 2 * MBIT),
    ],
)
def test_the_rate_goes_by_the_clock_on_the_sites_wall(moment: str, rate: int | None) -> None:
    assert Schedule([OFFICE, NIGHT], zone=ZURICH).rate(at(moment), sure=True) == rate


def test_where_two_hold_the_slower_counts() -> None:
    both = Schedule([hours(rate="8Mbit"), hours(days=["sat", "sun"], rate="1Mbit")], zone=ZURICH)
    assert both.rate(at("2026-11-21T12:00"), sure=True) == MBIT
    assert both.rate(at("2026-11-23T12:00"), sure=True) == 8 * MBIT


def test_a_clock_that_may_be_wrong_does_not_open_the_tap() -> None:
    plan = Schedule([OFFICE, NIGHT], zone=ZURICH)
    for moment in ("1970-01-01T12:00", "2026-11-22T12:00", "2036-01-01T00:00"):
        assert plan.rate(at(moment), sure=False) == 2 * MBIT


@pytest.mark.parametrize(
    ("outlet", "says"),
    [
        ({"schedule": [{"days": "mon-fry", "rate": "2Mbit"}]}, "'mon-fry' is not a day"),
        ({"schedule": [{"from": "8:00", "rate": "2Mbit"}]}, "'8:00' is not a time of day"),
        ({"schedule": [{"rate": "2MB"}]}, "'2MB' is not a rate"),
        ({"budget": {"monthly": "5Gbit"}}, "'5Gbit' is not a size"),
        ({"budget": {"monthly": "5GB", "resets_on": 31}}, "less than or equal to 28"),
        ({"budget": {"monthly": "5GB"}, "keeps_copy": False}, "schedule and budget are for an outlet with a url"),
    ],
)
def test_mistakes_in_the_configuration_are_named(outlet: dict[str, Any], says: str) -> None:
    values = {"name": "cloud", "url": "https://relay.example:8443", "identity": "x"} | outlet
    with pytest.raises(ValueError, match=says.replace("(", r"\(")):
        OutletConfig.model_validate(values)


# --- the bucket ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [64_000 // 8, 2 * MBIT, 100 * MBIT])
@pytest.mark.parametrize("piece", [16_384, 300_000, 4_194_304])
def test_what_leaves_in_a_minute_is_the_rate_within_a_tenth(rate: int, piece: int) -> None:
    bucket, now, left = Bucket(now=0.0), 0.0, 0
    for _ in range(1_000_000):
        granted, wait = bucket.grant(piece, rate=rate, now=now)
        if granted:
            bucket.spend(granted)
            left += granted
            now += granted / (1000 * MBIT)  # the line itself is fast
        else:
            now += wait
        if now >= 60.0:
            break
    assert left == pytest.approx(60 * rate, rel=0.1)


def test_what_is_not_held_back_is_paid_back() -> None:
    bucket = Bucket(now=0.0)
    bucket.spend(1_000_000)  # stills
    granted, wait = bucket.grant(100_000, rate=100_000, now=5.0)
    assert granted == 0
    assert wait == pytest.approx(6.0)
    assert bucket.grant(100_000, rate=100_000, now=11.5) == (100_000, 0.0)


# --- the month -------------------------------------------------------------------------------------------------------


def budget(*, monthly: int = 1_000_000_000, resets_on: int = 1) -> Budget:
    return Budget(monthly=monthly, resets_on=resets_on, zone=ZURICH)


def test_a_month_begins_at_local_midnight() -> None:
    month = budget(resets_on=15).begin(at("2026-11-23T10:00"), 0)
    assert month.since == at("2026-11-15T00:00")
    assert budget(resets_on=15).ends(month) == at("2026-12-15T00:00")
    january = budget(resets_on=15).begin(at("2026-01-14T23:59"), 0)
    assert january.since == at("2025-12-15T00:00")


def test_it_begins_anew_with_the_month_and_only_then() -> None:
    one = budget()
    month = Month(since=at("2026-11-01T00:00"), since_gt=0, counting=at("2026-11-01T00:00"), used=77)
    assert one.roll(month, wall=at("2026-11-30T23:59:59"), gt=0, sure=True) == month
    rolled = one.roll(month, wall=at("2026-12-01T00:00"), gt=5, sure=True)
    assert (rolled.used, rolled.since) == (0, at("2026-12-01T00:00"))


@pytest.mark.parametrize("wrong", ["1970-01-01T00:00", "2036-01-01T00:00"])
def test_a_doubted_clock_begins_no_month(wrong: str) -> None:
    one = budget()
    begin = at("2026-11-01T00:00")
    month = Month(since=begin, since_gt=0, counting=begin, used=77)
    assert one.roll(month, wall=at(wrong), gt=29 * DAY, sure=False).used == 77
    assert one.roll(month, wall=at(wrong), gt=31 * DAY, sure=False).used == 0, "gateway time says it is over"


def test_a_month_that_a_wrong_clock_put_into_the_future_is_set_right_and_costs_nothing_more() -> None:
    one = budget()
    month = Month(since=at("2036-01-01T00:00"), since_gt=0, counting=at("2036-01-01T00:00"), used=77)
    back = one.roll(month, wall=at("2026-11-10T00:00"), gt=DAY, sure=True)
    assert (back.since, back.used) == (at("2026-11-01T00:00"), 77)
    assert one.roll(back, wall=at("2026-12-01T00:00"), gt=30 * DAY, sure=True).used == 0


def test_the_forecast_is_the_rate_so_far() -> None:
    one, begin = budget(), at("2026-11-01T00:00")
    month = Month(since=begin, since_gt=0, counting=begin, used=500_000_000)
    assert one.runs_out(month, begin + 10 * DAY) == begin + 20 * DAY
    assert one.judge(month, begin + 10 * DAY) == "low"
    assert one.judge(month, begin + 20 * DAY) == "ample"
    assert one.runs_out(Month(since=begin, since_gt=0, counting=begin, used=0), begin + DAY) is None


def test_an_hour_of_much_is_no_forecast_and_nearly_all_is_always_low() -> None:
    one, begin = budget(), at("2026-11-01T00:00")
    early = Month(since=begin, since_gt=0, counting=begin, used=200_000_000)
    assert one.judge(early, begin + 2 * HOUR) == "ample"
    nearly = Month(since=begin, since_gt=0, counting=begin, used=900_000_000)
    assert one.judge(nearly, begin + 29 * DAY) == "low"
    assert one.judge(Month(since=begin, since_gt=0, counting=begin, used=10**9), begin + DAY) == "spent"


# --- all of it -------------------------------------------------------------------------------------------------------


@dataclass
class Hands:
    """A clock the test moves; gateway time and boot-time are wall time here."""

    wall: int
    sure: bool = True

    @property
    def unsure_since(self) -> int | None:
        return None if self.sure else 0

    def gt(self) -> int:
        return self.wall

    def header(self) -> dict[str, Any]:
        self.wall += 1
        return {"id": f"id-{self.wall}", "gt": self.wall, "wall": self.wall}


class Scene:
    """An allowance, and what it told."""

    def __init__(self, database: Database, begin: int, **values: Any) -> None:
        self.database = database
        self.hands = Hands(begin)
        self.intake = Intake()
        self.told: list[Any] = []
        self.changes = 0
        self.options = values
        self.allowance = self.fresh()

    def fresh(self) -> Allowance:
        """As after a restart."""
        self.allowance = Allowance(
            outlet="cloud",
            database=self.database,
            intake=self.intake,
            clock=self.hands,  # type: ignore[arg-type]
            changed=self._changed,
            wall=lambda: self.hands.wall,
            boot=lambda: self.hands.wall,
            **self.options,
        )
        return self.allowance

    def _changed(self) -> None:
        self.changes += 1

    async def look(self) -> None:
        """One look at the month, with a pipeline that commits what is told."""

        async def decide() -> None:
            for item in await self.intake.take(10):
                async with self.database.transaction() as transaction:
                    assert item.also is not None
                    await item.also(transaction)
                self.told.append(item.fact)
                assert item.decided is not None
                item.decided.set_result([])

        deciding = asyncio.create_task(decide())
        await self.allowance._look()
        deciding.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await deciding


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(path=tmp_path / "log.db")
    await opened.open()
    yield opened
    await opened.close()


BEGIN = at("2026-11-01T00:00")


async def test_stills_ask_nobody_and_everything_else_waits_for_its_hour(database: Database) -> None:
    closed = Schedule([hours(days="mon-fri", **{"from": "08:00", "to": "18:00"}, rate="0kbit")], zone=ZURICH)
    scene = Scene(database, at("2026-11-23T12:00"), schedule=closed)
    assert scene.allowance.grant(STILL, 5_000_000) == (5_000_000, 0.0)
    assert scene.allowance.grant(PICTURES, 100).bytes == 0
    assert not scene.allowance.admits(PRE_ROLL)
    scene.hands.wall = at("2026-11-23T18:00")
    assert scene.allowance.grant(REST, 5_000_000) == (5_000_000, 0.0)


async def test_a_spent_budget_lets_only_pictures_of_grave_incidents_through(database: Database) -> None:
    scene = Scene(database, BEGIN + DAY, budget=budget(monthly=10_000_000))
    assert scene.allowance.grant(STILL, 9).bytes == 9, "a still does not wait for the disk"
    assert scene.allowance.grant(REST, 9).bytes == 0
    await scene.look()
    assert scene.allowance.grant(REST, 9).bytes == 9
    scene.allowance.count(10_000_000)
    assert scene.allowance.spent
    assert scene.allowance.grant(REST, 9).bytes == 0
    assert scene.allowance.grant(PICTURES, 9).bytes == 9
    await scene.look()
    assert [type(fact) for fact in scene.told] == [BudgetSpent]
    scene.hands.wall = at("2026-12-01T00:00:01")
    before = scene.changes
    await scene.look()
    assert scene.allowance.grant(REST, 9).bytes == 9
    assert scene.changes == before + 1, "whoever waited is told"
    assert [type(fact) for fact in scene.told] == [BudgetSpent, BudgetAmple]


async def test_low_is_told_once_with_the_day_on_which_it_ends(database: Database) -> None:
    scene = Scene(database, BEGIN, budget=budget())
    await scene.look()
    scene.allowance.count(500_000_000)
    scene.hands.wall = BEGIN + 10 * DAY
    await scene.look()
    await scene.look()
    assert [type(fact) for fact in scene.told] == [BudgetLow]
    assert scene.told[0].runs_out == pytest.approx(BEGIN + 20 * DAY, abs=HOUR)
    scene.hands.wall = BEGIN + 25 * DAY
    await scene.look()
    assert [type(fact) for fact in scene.told] == [BudgetLow, BudgetAmple]


async def test_what_was_used_survives_a_restart_and_is_not_written_byte_by_byte(database: Database) -> None:
    scene = Scene(database, BEGIN + DAY, budget=budget())
    await scene.look()
    for _ in range(20):
        scene.allowance.count(1_000_000)
    commits: list[int] = []
    save = scene.allowance._save

    async def counted() -> None:
        commits.append(1)
        await save()

    scene.allowance._save = counted  # type: ignore[method-assign]
    for _ in range(100):
        scene.allowance.count(1_000)
        await scene.look()
    assert len(commits) == 1
    scene.allowance.count(500)
    await scene.allowance._last_save()
    scene.fresh()
    scene.allowance.count(7)  # before it has read what was used
    await scene.look()
    assert scene.allowance.used == 20_000_000 + 100_000 + 500 + 7


async def test_a_budget_that_is_taken_out_of_the_configuration_ends_its_trouble(database: Database) -> None:
    scene = Scene(database, BEGIN + DAY, budget=budget(monthly=10_000_000))
    await scene.look()
    scene.allowance.count(10_000_000)
    await scene.look()
    scene.options = {}
    scene.fresh()
    assert scene.allowance.grant(REST, 9).bytes == 9
    looking = asyncio.create_task(scene.allowance._look())
    item = (await scene.intake.take(1))[0]
    assert isinstance(item.fact, BudgetAmple)
    assert item.decided is not None
    item.decided.set_result([])
    await looking
    assert list(await database.read("SELECT 1 FROM outlet_budget")) == []


def test_the_example_of_the_readme_reads() -> None:
    config = OutletConfig.model_validate(
        {
            "name": "cloud",
            "url": "https://relay.example:8443",
            "identity": "x",
            "schedule": [{"days": "mon-fri", "from": "08:00", "to": "18:00", "rate": "2Mbit"}],
            "budget": {"monthly": "5GB", "resets_on": 1},
        }
    )
    assert config.schedule[0].rate == 2 * MBIT
    assert config.budget == BudgetConfig(monthly="5GB", resets_on=1)  # type: ignore[arg-type]
    assert datetime.fromtimestamp(BEGIN / 1e6, UTC).day == 31, "the site's midnight is not UTC's"
