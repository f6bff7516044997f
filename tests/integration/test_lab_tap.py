"""The tap between an agent and its broker: passes everything on, and writes down what was acknowledged."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiomqtt
import pytest

from hwlab import journal as journals
from hwlab.broker import Broker, Choice
from hwlab.journal import Journal
from hwlab.ports import free_port
from hwlab.tap import Tap

USERS = {"agent": "agent-password-1", "sensor": "sensor-password-1"}


@pytest.mark.parametrize("version", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
async def test_what_a_subscriber_acknowledges_is_written_down(
    tmp_path: Path, version: aiomqtt.ProtocolVersion, peer: Callable[[str], str]
) -> None:
    if version == aiomqtt.ProtocolVersion.V5:
        peer("mosquitto")  # the other broker speaks 3.1.1 only
    kind: Choice = "mosquitto" if version == aiomqtt.ProtocolVersion.V5 else "nats"
    journal = Journal(path=tmp_path / "journal.jsonl")
    journal.open()
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker:
        tap = Tap(port=free_port(), broker=broker.port, journal=journal)
        passing = asyncio.create_task(tap.run(), name="tap")
        await asyncio.sleep(0.05)
        agent = aiomqtt.Client("127.0.0.1", tap.port, username="agent", password=USERS["agent"], protocol=version)
        sensor = aiomqtt.Client("127.0.0.1", broker.port, username="sensor", password=USERS["sensor"])
        async with agent, sensor:
            await agent.subscribe("building/door", qos=1)
            for n in range(1, 4):
                await sensor.publish("building/door", json.dumps({"contact": True, "n": n}), qos=1)
            await sensor.publish("building/door", "no JSON", qos=1)
            heard = [message.payload async for message in _some(agent, 4)]
            assert heard[-1] == b"no JSON"
        passing.cancel()
        await asyncio.wait([passing])
    journal.close()
    took = [(entry["of"], entry["number"]) for entry in journals.read(journal.path) if entry["what"] == "took"]
    assert took == [("door", 1), ("door", 2), ("door", 3)]


async def _some(client: aiomqtt.Client, count: int) -> AsyncIterator[aiomqtt.Message]:
    async with asyncio.timeout(10):
        async for message in client.messages:
            yield message
            count -= 1
            if not count:
                return
