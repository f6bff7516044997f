"""A relay that has taken nothing for a week is told of once; time here is a number."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.clock import Clock
from agent.intake import Intake
from agent.outlets.silence import TOO_LONG, Silence
from agent.store.database import Database
from rules.events import OutletSilent

DAY = 86_400_000_000


class Gateway:
    """A clock that a test moves, and a pipeline that keeps what it is told."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.intake = Intake()
        self.clock = Clock.start(last_gt=1000 * DAY, off_time=0)
        self.told: list[OutletSilent] = []

    def silence(self) -> Silence:
        return Silence(outlet="cloud", clock=self.clock, intake=self.intake, database=self.database)

    def passes(self, time: int) -> None:
        self.clock.base += time

    @asynccontextmanager
    async def deciding(self) -> AsyncIterator[None]:
        async def pipeline() -> None:
            while True:
                for item in await self.intake.take(10):
                    assert isinstance(item.fact, OutletSilent)
                    assert item.also is not None and item.decided is not None
                    async with self.database.transaction() as transaction:
                        await item.also(transaction)
                    self.told.append(item.fact)
                    item.decided.set_result([])

        task = asyncio.create_task(pipeline())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    database = Database(path=tmp_path / "log.db")
    await database.open()
    made = Gateway(database)
    async with made.deciding():
        yield made
    await database.close()


async def test_a_week_is_told_once(gateway: Gateway) -> None:
    silence = gateway.silence()
    await silence.load()
    for _ in range(6):
        gateway.passes(DAY)
        await silence.look()
    assert gateway.told == []
    for _ in range(5):
        gateway.passes(DAY)
        await silence.look()
    assert [(event.outlet, event.days) for event in gateway.told] == [("cloud", 7)]
    assert silence.told


async def test_one_that_answers_is_not_silent(gateway: Gateway) -> None:
    silence = gateway.silence()
    await silence.load()
    for _ in range(30):
        gateway.passes(DAY)
        silence.heard()
        await silence.look()
    assert gateway.told == []
    gateway.passes(TOO_LONG)
    await silence.look()
    silence.heard()
    gateway.passes(TOO_LONG)
    await silence.look()
    assert len(gateway.told) == 2  # two silences


async def test_a_restart_neither_forgets_nor_repeats(gateway: Gateway) -> None:
    silence = gateway.silence()
    await silence.load()
    gateway.passes(5 * DAY)
    silence = gateway.silence()
    await silence.load()
    gateway.passes(2 * DAY)
    await silence.look()
    assert len(gateway.told) == 1
    silence = gateway.silence()
    await silence.load()
    gateway.passes(9 * DAY)
    await silence.look()
    assert len(gateway.told) == 1


async def test_who_is_heard_while_it_is_loaded_is_heard(gateway: Gateway) -> None:
    silence = gateway.silence()
    await silence.load()
    gateway.passes(30 * DAY)
    silence = gateway.silence()
    gateway.passes(1)
    silence.heard()
    await silence.load()
    await silence.look()
    assert gateway.told == []
