"""The wall clock jumps under the running core: an entry delay and a siren last as they should, order stays right.

The site has a door with an entry delay of three seconds and a siren that sounds for five. In the middle of each the
clock is set; the boot-time clock is the machine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

from agent.floor import WRITTEN
from hwlab.broker import Broker
from tests.chaos.faked_clock import FakedClock, works
from tests.integration.agent_process import USERS, Agent

CARELESS = Path(__file__).with_name("careless_agent.py")
ENTRY, SIREN = 3.0, 5.0  # seconds
EARLY = 0.5  # an order that was on its way for longer than the one that ends it
LATE = 5.0  # seconds a busy machine may add; a delay that follows the wall is none, or never ends
SITE = """
site: {id: house, name: The House, timezone: Europe/Zurich}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: barrel, type: contact, mqtt: {topic: b/key, field: contact, open: false, closed: true}}
  - {id: siren, type: siren, mqtt: {topic: b/siren, field: state, "on": "ON", "off": "OFF",
      command: {topic: b/siren/set, "on": "ON", "off": "OFF"}}}
partitions:
  - {id: main, modes: [away], exit_delay: 0s, entry_delay: 3s, abort_window: 0s, siren_for: 5s, settle: 0s,
     sirens: [siren]}
zones:
  - {id: front, device: door, type: entry_exit, partition: main}
  - {id: key, device: barrel, type: key_switch, partition: main, momentary: false}
"""
# What the clock is set to, and what must be told of it.
CASES: dict[str, tuple[str, str | None]] = {
    "a day on": ("+1d", "clock.stepped"),
    "a day back": ("-1d", "clock.stepped"),
    "ten years on": ("+10y", "clock.stepped"),
    "ten years back": ("-10y", "clock.doubted"),
    "to 1970": ("@1970-01-01 00:00:40", "clock.doubted"),
    "summer time, by hand": ("+3600", "clock.stepped"),
    "winter time, by hand": ("-3600", "clock.stepped"),
    "a zone of half an hour, by hand": ("+1800", "clock.stepped"),
    "a leap second": ("-1", None),  # too little to tell of
    "into a leap day": ("@2028-02-28 23:59:58", "clock.stepped"),
    "over the end of 32 bits": ("@2038-01-19 03:14:06", "clock.stepped"),
}


@dataclass
class House:
    """The building's end: what the siren was told, and when (s)."""

    client: aiomqtt.Client
    orders: list[tuple[float, str]] = field(default_factory=list)

    async def listen(self) -> None:
        await self.client.subscribe("b/siren/set", qos=1)
        async for message in self.client.messages:
            self.orders.append((time.monotonic(), bytes(message.payload).decode()))
            await self.client.publish("b/siren", json.dumps({"state": self.orders[-1][1]}), qos=1)

    async def says(self, topic: str, contact: str) -> None:
        await self.client.publish(topic, f'{{"contact": {contact}}}', qos=1)

    async def until(self, order: str, number: int, *, seconds: float = 20.0) -> float:
        """When the siren was told this for the so manieth time."""
        end = time.monotonic() + seconds
        while True:
            moments = [at for at, word in self.orders if word == order]
            if len(moments) >= number:
                return moments[number - 1]
            assert time.monotonic() < end, f"the siren was not told {order}: {self.orders}"
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def house(folder: Path, clock: FakedClock, program: list[str]) -> AsyncIterator[tuple[Agent, House]]:
    async with Broker(directory=folder / "broker", users=USERS, kind="nats") as broker:
        agent = Agent(folder=folder / "agent", port=broker.port, site=SITE)
        await agent.start(program=program)
        try:
            await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
            async with aiomqtt.Client(broker.host, broker.port, username="sensor", password=USERS["sensor"]) as client:
                made = House(client)
                listening = asyncio.create_task(made.listen(), name="siren")
                await made.says("b/door", "true")
                await made.says("b/key", "true")
                await agent.until(lambda: len(agent.records("contact.closed")) == 2)
                try:
                    yield agent, made
                finally:
                    listening.cancel()
                    await asyncio.gather(listening, return_exceptions=True)
        finally:
            await agent.kill()


async def intrusion(agent: Agent, made: House, jump: Callable[[], None], *, number: int) -> tuple[float, float]:
    """Arm, open the door, jump in the middle of the entry delay; how long it lasted, and then the siren."""
    await made.says("b/key", "false")
    await agent.until(lambda: len(agent.records("partition.armed")) == number)
    opened = time.monotonic()
    await made.says("b/door", "false")
    await asyncio.sleep(ENTRY / 2)
    jump()
    rang = await made.until("ON", number)
    await asyncio.sleep(SIREN / 2)
    jump()
    ended = await made.until("OFF", number)
    await made.says("b/door", "true")
    await made.says("b/key", "true")
    await agent.until(lambda: len(agent.records("partition.disarmed")) == number)
    return rang - opened, ended - rang


def in_order(agent: Agent) -> None:
    """Gateway time never goes back along the log, whatever the clock on the wall did."""
    times = agent.query("SELECT gt FROM log WHERE input = 1 AND kind NOT LIKE 'incident.%' ORDER BY pos")
    newest = 0
    for moment in times:  # two who tell at once date their facts before they stand in the queue
        assert moment > newest - 1_000_000
        newest = max(newest, moment)
    for lane in ("P0", "P1"):
        numbers = agent.query("SELECT seq FROM log WHERE lane = ? ORDER BY pos", lane)
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.timeout(300)
async def test_jumps_in_the_middle(
    tmp_path: Path, effort: str, peer: Callable[[str], str], capability: Callable[[str, bool], None]
) -> None:
    peer("faketime")
    clock = FakedClock(folder=tmp_path)
    capability("a wall clock that can be faked (libfaketime)", works(clock))
    cases = list(CASES.items()) if effort != "quick" else [(name, CASES[name]) for name in ("ten years on", "to 1970")]
    async with house(tmp_path, clock, clock.command()) as (agent, made):
        for number, (name, (offset, told)) in enumerate(cases, 1):
            before = len(agent.records(told or "clock.stepped"))
            turns = iter((offset, "+0"))
            entry, siren = await intrusion(agent, made, lambda turns=turns: clock.set(next(turns)), number=number)  # type: ignore[misc]
            print(f"{name}: entry delay {entry:.2f} s, siren {siren:.2f} s")
            assert ENTRY - EARLY <= entry <= ENTRY + LATE, name
            assert SIREN - EARLY <= siren <= SIREN + LATE, name
            if told is None:
                assert len(agent.records("clock.stepped")) == before, name
                continue
            await agent.until(lambda told=told, before=before: len(agent.records(told)) > before)  # type: ignore[misc]
            if told == "clock.doubted":
                await agent.until(lambda: agent.records("clock.trusted"))
        in_order(agent)
        assert len(agent.records("incident.opened")) == len(cases)
        walls = agent.query("SELECT wall FROM log")
        assert min(walls) >= WRITTEN, "no fact is of a time that cannot have been"
        during = [row for row in agent.query("SELECT kind, clock FROM log") if row[0] == "clock.doubted"]
        assert {clock for _, clock in during} <= {"unsynced"}
        assert "evicted" not in json.dumps(agent.query("SELECT DISTINCT kind FROM log"))
        assert await agent.stop() == 0


@pytest.mark.timeout(120)
async def test_a_start_in_1970(
    tmp_path: Path, peer: Callable[[str], str], capability: Callable[[str, bool], None]
) -> None:
    """No battery, no network: it guards, it says that it does not know the time, and goes on when it does."""
    peer("faketime")
    clock = FakedClock(folder=tmp_path)
    capability("a wall clock that can be faked (libfaketime)", works(clock))
    clock.set("@1970-01-01 00:00:40")
    async with house(tmp_path, clock, clock.command()) as (agent, made):
        entry, siren = await intrusion(agent, made, lambda: None, number=1)
        assert ENTRY - EARLY <= entry <= ENTRY + LATE
        assert SIREN - EARLY <= siren <= SIREN + LATE
        (boot,) = agent.records("boot")
        assert boot["body"]["doubted"] is True
        assert agent.records("clock.doubted")
        assert {row[1] for row in agent.query("SELECT wall, clock FROM log")} == {"unsynced"}
        assert min(agent.query("SELECT wall FROM log")) >= WRITTEN
        clock.set("+0")
        await agent.until(lambda: agent.records("clock.trusted"))
        in_order(agent)
        assert await agent.stop() == 0
        clock.set("@1970-01-01 00:00:40")
        await agent.start(program=clock.command())  # and once more: what is remembered of the right time is the floor
        await agent.until(lambda: len(agent.records("boot")) == 2)


@pytest.mark.timeout(120)
async def test_without_a_clock_of_its_own_it_fails(
    tmp_path: Path, peer: Callable[[str], str], capability: Callable[[str, bool], None]
) -> None:
    """The test of the test: with gateway time read off the wall, a jump swallows delay and siren together."""
    peer("faketime")
    clock = FakedClock(folder=tmp_path)
    capability("a wall clock that can be faked (libfaketime)", works(clock))
    program = clock.command(sys.executable, str(CARELESS), "wall", "run")
    async with house(tmp_path, clock, program) as (agent, made):
        turns = iter(("+1d", "+1d"))
        with pytest.raises(AssertionError, match="was not told ON"):
            await intrusion(agent, made, lambda: clock.set(next(turns)), number=1)
