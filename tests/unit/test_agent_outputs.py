"""Outputs: levels are tried until it is too late, pulses once, and every end is a fact."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from agent.clock import Clock
from agent.effects import outputs as module
from agent.effects.outputs import Outputs
from agent.errors import DeviceError
from agent.intake import Intake
from rules.actions import Pulse, SetLevel

_real_sleep = asyncio.sleep


class Bus:
    """A family with one siren. `refusals` is how often it refuses; while `held`, it does not answer."""

    name = "bus"

    def __init__(self) -> None:
        self.refusals = 0
        self.said: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

    async def run(self) -> None:
        await asyncio.get_running_loop().create_future()

    def owns(self, device: str) -> bool:
        return device == "siren"

    async def command(self, device: str, value: str) -> None:
        self.said.append(value)
        await self.held.wait()
        if self.refusals:
            self.refusals -= 1
            raise DeviceError(f"{device} cannot be commanded: no connection")


class Lab:
    def __init__(self) -> None:
        self.bus, self.intake, self.clock = Bus(), Intake(), Clock.start(last_gt=1000, off_time=None)
        self.outputs = Outputs(families=[self.bus], intake=self.intake, clock=self.clock)

    def level(self, value: str, *, device: str = "siren", lasts: int = 60_000_000) -> SetLevel:
        return SetLevel(
            id=f"{value}-{device}", cause="c", rule="r", device=device, value=value, until=None,
            not_after=self.clock.gt() + lasts,
        )  # fmt: skip

    def pulse(self) -> Pulse:
        return Pulse(id="p", cause="c", rule="r", device="siren", value="on", not_after=self.clock.gt() + 60_000_000)

    async def facts(self, count: int) -> list[str]:
        told: list[str] = []
        async with asyncio.timeout(5):
            while len(told) < count:
                for item in await self.intake.take(10):
                    fact = item.fact
                    told.append(f"{fact.kind} {getattr(fact, 'action', '')} {getattr(fact, 'reason', '')}".strip())
        return told


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        await _real_sleep(0)

    monkeypatch.setattr("agent.effects.outputs.asyncio.sleep", sleep)


@contextlib.asynccontextmanager
async def lab() -> AsyncIterator[Lab]:
    made = Lab()
    task = asyncio.create_task(made.outputs.run())
    await _real_sleep(0)
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not made.outputs._tasks, "nothing is left running"


async def test_a_level_is_tried_until_it_is_taken_and_told_of_once() -> None:
    async with lab() as building:
        building.bus.refusals = 3
        building.outputs.command(building.level("on"))
        assert await building.facts(2) == [
            "effect.failed on-siren siren cannot be commanded: no connection",
            "effect.done on-siren",
        ]
        assert building.bus.said == ["on"] * 4


async def test_a_pulse_is_tried_once() -> None:
    async with lab() as building:
        building.bus.refusals = 1
        building.outputs.command(building.pulse())
        assert (await building.facts(1))[0].startswith("effect.failed p")
        building.outputs.command(building.pulse())
        assert await building.facts(1) == ["effect.done p"]
        assert building.bus.said == ["on", "on"]


async def test_what_is_too_late_is_not_done() -> None:
    async with lab() as building:
        building.outputs.command(building.level("on", lasts=-1))
        assert await building.facts(1) == ["effect.expired on-siren too_late"]
        assert building.bus.said == []


async def test_a_newer_level_replaces_one_that_waits() -> None:
    async with lab() as building:
        building.bus.held.clear()
        building.outputs.command(building.level("on"))
        await _real_sleep(0)
        building.outputs.command(building.level("off"))
        await _real_sleep(0)
        building.bus.held.set()
        assert sorted(await building.facts(2)) == ["effect.done off-siren", "effect.expired on-siren superseded"]
        assert building.bus.said == ["on", "off"]


async def test_a_device_of_no_family_says_so() -> None:
    async with lab() as building:
        building.outputs.command(building.level("on", device="lamp"))
        assert await building.facts(1) == [
            "effect.failed on-lamp lamp is reached through no family this gateway runs"
        ]


async def test_it_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_TASKS", 2)
    async with lab() as building:
        building.bus.held.clear()
        for _ in range(4):
            building.outputs.command(building.pulse())
        await _real_sleep(0)
        assert building.bus.said == ["on", "on"]
