"""An outlet that a person takes out of service while the agent runs, and the wrapping that lets it be stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.retirement import Request, Retirable, Retirement, folder
from rules.events import OutletRetired
from tests.integration.fake_relay import FakeRelay
from tests.integration.outlet_rig import GATEWAY, Rig, noise, rig, running, until


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "agent") as made:
        yield made


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay(gateway=GATEWAY)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "relay.sock"


class Stopper:
    """What the composition root does: an outlet that can be stopped for good."""

    def __init__(self, service: Any) -> None:
        self.retired = asyncio.Event()
        self.part = Retirable(service, retired=self.retired)

    async def stop(self, name: str) -> None:
        self.retired.set()
        await self.part.resting.wait()


async def test_an_outlet_is_retired_while_it_runs(building: Rig, relay: FakeRelay, at: Path) -> None:
    stopper = Stopper(building.outlet("cloud", at))
    retirement = Retirement(
        data=building.directory,
        store=building.store,
        intake=building.intake,
        clock=building.clock,
        stop=stopper.stop,
        look=0.02,
    )
    async with relay.listening(at), running(stopper.part, retirement):
        await building.media_done()
        await building.incident()
        await until(lambda: relay.taken("P0"))
        relay.always["POST /v1/blobs"] = "later"
        await building.segment(noise(4_000))
        folder(building.directory).mkdir()
        request = folder(building.directory) / "cloud.json"
        request.write_bytes(Request("cloud", "Ada", 1).write())
        await until(lambda: not request.exists())
        taken = len(relay.taken("P0"))
        await building.incident()
        await asyncio.sleep(0.2)
        assert len(relay.taken("P0")) == taken, "it is sent nothing any more"
        request.write_bytes(Request("cloud", "Ada", 1).write())  # as after a crash before it was removed
        await until(lambda: not request.exists())
    told = building.told(OutletRetired)
    assert [(fact.outlet, fact.who, fact.blobs) for fact in told] == [("cloud", "Ada", 2)]
    for table in ("outlet_cursor", "outlet_blob", "blob_waiting"):
        rows = await building.store.database.read(f"SELECT 1 FROM {table} WHERE outlet = 'cloud'")
        assert list(rows) == [], table
    assert list(await building.store.database.read("SELECT 1 FROM media_outlet")) == []


async def test_a_request_that_is_none_is_put_aside(building: Rig) -> None:
    retirement = Retirement(
        data=building.directory,
        store=building.store,
        intake=building.intake,
        clock=building.clock,
        stop=Stopper(building.outlet("cloud", Path("nowhere.sock"))).stop,
        look=0.02,
    )
    folder(building.directory).mkdir()
    bad = folder(building.directory) / "cloud.json"
    bad.write_bytes(b"[1]")
    async with running(retirement):
        await until(lambda: not bad.exists())
    assert bad.with_suffix(".unreadable").exists()
    assert building.told(OutletRetired) == []


async def test_a_service_that_fails_still_fails_inside_its_wrapping() -> None:
    class Failing:
        name = "failing"

        async def run(self) -> None:
            raise ValueError("as services do")

    with pytest.raises(ValueError, match="as services do"):
        await Retirable(Failing(), retired=asyncio.Event()).run()


async def test_the_wrapping_ends_with_its_service_when_it_is_cancelled() -> None:
    ended = asyncio.Event()

    class Long:
        name = "long"

        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    task = asyncio.create_task(Retirable(Long(), retired=asyncio.Event()).run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert ended.is_set()
