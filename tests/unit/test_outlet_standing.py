"""How an outlet's condition becomes events: once each, never a storm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Clock
from agent.intake import Intake
from agent.outlets.standing import Standing
from agent.store.database import Database


class Told:
    """A standing whose pipeline writes down the kinds it is told."""

    def __init__(self, database: Database, **options: Any) -> None:
        self.intake = Intake()
        self.kinds: list[str] = []
        self.database = database
        self.standing = Standing(
            outlet="cloud",
            links=("alarms", "records"),
            intake=self.intake,
            clock=Clock.start(last_gt=0, off_time=0),
            database=database,
            **({"grace": 0.0, "settle": 3600.0} | options),
        )

    async def pipeline(self) -> None:
        while True:
            for item in await self.intake.take(10):
                self.kinds.append(item.fact.kind)
                assert item.also is not None and item.decided is not None
                async with self.database.transaction() as transaction:
                    await item.also(transaction)
                item.decided.set_result([])

    async def turn(self) -> None:
        """Let everything that can happen now happen."""
        for _ in range(3):
            await self.database.read("SELECT 1")
            async with self.database.transaction():
                pass
            for _ in range(5):
                await asyncio.sleep(0)

    @asynccontextmanager
    async def going(self) -> AsyncIterator[Standing]:
        tasks = [asyncio.create_task(self.pipeline()), asyncio.create_task(self.standing.run())]
        await self.turn()
        try:
            yield self.standing
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    made = Database(path=tmp_path / "log.db")
    await made.open()
    yield made
    await made.close()


async def test_it_stands_as_badly_as_its_worst_connection(database: Database) -> None:
    standing = Told(database).standing
    assert (standing.condition, standing.reachable) == ("unknown", False)
    standing.up("alarms")
    assert standing.condition == "unknown"
    standing.up("records")
    assert standing.reachable
    standing.lost("records", "gone")
    assert (standing.condition, standing.reason, standing.last_error) == ("lost", "gone", "gone")
    standing.refused("alarms", "no")
    standing.lost("alarms", "gone too")  # a refusal stays one until it is lifted
    assert (standing.condition, standing.reason) == ("refused", "no")
    standing.up("alarms")
    standing.up("records")
    assert standing.reachable


async def test_each_change_is_told_once(database: Database) -> None:
    told = Told(database)
    async with told.going() as standing:
        for link in ("alarms", "records"):
            standing.up(link)
        await told.turn()
        assert told.kinds == []  # it was never lost
        for _ in range(3):
            for link in ("alarms", "records"):
                standing.lost(link, "gone")
                await told.turn()
        assert told.kinds == ["outlet.lost"]
        standing.up("alarms")
        await told.turn()
        assert told.kinds == ["outlet.lost"]
        standing.up("records")
        await told.turn()
        assert told.kinds == ["outlet.lost", "outlet.restored"]
        standing.refused("alarms", "no")
        await told.turn()
        standing.up("alarms")
        await told.turn()
    assert told.kinds == ["outlet.lost", "outlet.restored", "outlet.refused", "outlet.restored"]


async def test_nothing_is_told_in_the_first_moments(database: Database) -> None:
    told = Told(database, grace=3600.0)
    async with told.going() as standing:
        standing.lost("alarms", "not up yet")
        await told.turn()
        for link in ("alarms", "records"):
            standing.up(link)
        await told.turn()
        assert told.kinds == []
        standing.lost("alarms", "gone")  # the moments are over once it was up
        await told.turn()
        assert told.kinds == ["outlet.lost"]


async def test_what_was_told_is_remembered_over_a_restart(database: Database) -> None:
    before = Told(database)
    async with before.going() as standing:
        standing.lost("alarms", "gone")
        await before.turn()
    after = Told(database)
    async with after.going() as standing:
        standing.lost("alarms", "gone")
        await after.turn()
        assert after.kinds == []
        standing.up("alarms")
        standing.up("records")
        await after.turn()
    assert (before.kinds, after.kinds) == (["outlet.lost"], ["outlet.restored"])


async def test_one_that_flaps_is_not_told_as_restored_again_and_again(database: Database) -> None:
    told = Told(database)
    async with told.going() as standing:
        standing.up("records")
        for _ in range(20):
            standing.lost("alarms", "gone")
            await told.turn()
            standing.up("alarms")
            await told.turn()
    assert len(told.kinds) <= 6
    assert told.kinds[-1] == "outlet.lost"


async def test_another_reason_is_told_once_and_not_at_every_attempt(database: Database) -> None:
    told = Told(database, steady=0.0)
    async with told.going() as standing:
        for link in ("alarms", "records"):
            standing.lost(link, "connection refused")
        await told.turn()
        assert told.kinds == ["outlet.lost"]
        standing.lost("alarms", "the certificate expired at 12:10, now is 12:11")
        await told.turn()
        assert told.kinds == ["outlet.lost"] * 2
        standing.lost("alarms", "the certificate expired at 12:10, now is 12:12")
        standing.lost("alarms", "no answer")
        await told.turn()
        assert told.kinds == ["outlet.lost"] * 2, "the next reason is told when ten minutes are over"
