"""The MQTT family against real brokers: nothing lost, nothing twice, whatever dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Literal, cast

import aiomqtt
import pytest

from hwlab.broker import Broker, choose
from hwlab.child import Child
from hwlab.ports import free_port
from hwlab.probe import connect_code
from tests.integration.agent_process import USERS, Agent, running

Kind = Literal["nats", "mosquitto"]


@pytest.fixture(params=["nats", "mosquitto"])
def kind(request: pytest.FixtureRequest, peer: Callable[[str], str]) -> Kind:
    if request.param == "mosquitto":
        peer("mosquitto")
    return cast(Kind, request.param)


class Sensors:
    """Whatever a building's sensors say, on one connection; it knows which counters were acknowledged by the broker."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.n = 0

    async def contact(self, *, opened: bool, device: str = "door", retain: bool = False) -> int:
        self.n += 1
        payload = json.dumps({"contact": not opened, "n": self.n})
        await self._client.publish(f"building/{device}", payload, qos=1, retain=retain)
        return self.n

    async def say(self, payload: bytes, *, topic: str = "building/door") -> None:
        await self._client.publish(topic, payload, qos=1)


@contextlib.asynccontextmanager
async def sensors(broker: Broker, *, n: int = 0) -> AsyncIterator[Sensors]:
    async with aiomqtt.Client(
        broker.host, broker.port, username="sensor", password=USERS["sensor"], max_inflight_messages=1000
    ) as client:
        made = Sensors(client)
        made.n = n
        yield made


async def test_killed_between_commit_and_acknowledgement(tmp_path: Path, kind: Kind) -> None:
    """The broker sends it again; it is acknowledged then, and decided upon once."""
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker:
        agent = Agent(folder=tmp_path / "agent", port=broker.port)
        await agent.start()
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        await agent.stop()
        # The second commit of this start is that of the door: the first one is the start itself.
        await agent.start(failpoint="store.after_commit_before_ack:2")
        async with sensors(broker) as building:
            n = await building.contact(opened=True)
            await agent.died()
            assert agent.heard("door") == [n], "it is durable, and the broker does not know"
            async with running(agent):
                await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
                later = await building.contact(opened=False)
                await agent.until(lambda: later in agent.heard("door"))
                await asyncio.sleep(2.5)  # NATS sends again what was not acknowledged after two seconds
                assert agent.heard("door") == [n, later]
                assert len(agent.records("incident.opened")) == 1
                again = await building.contact(opened=True)
                await agent.until(lambda: again in agent.heard("door"))
                assert len(agent.records("incident.opened")) == 2


async def test_killed_before_the_commit(tmp_path: Path, kind: Kind) -> None:
    """Nothing of it is durable; it comes again, and is known as such."""
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker:
        agent = Agent(folder=tmp_path / "agent", port=broker.port)
        await agent.start(failpoint="pipeline.after_outputs_before_commit:2")
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        async with sensors(broker) as building:
            n = await building.contact(opened=True)
            await agent.died()
            assert agent.heard("door") == []
            async with running(agent):
                await agent.until(lambda: agent.heard("door"))
                (record,) = agent.records("contact.opened")
                assert record["body"]["delivery"] == "redelivered"
                (opened,) = agent.records("incident.opened")
                assert opened["body"]["trigger"] == record["id"]
                await asyncio.sleep(2.5)
                assert agent.heard("door") == [n]


async def test_retained_state_fires_nothing(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker, sensors(broker) as building:
        await building.contact(opened=True, retain=True)
        async with running(Agent(folder=tmp_path / "agent", port=broker.port)) as agent:
            await agent.until(lambda: agent.heard("door"))
            (record,) = agent.records("contact.opened")
            assert record["body"]["delivery"] == "retained"
            n = await building.contact(opened=False)
            n = await building.contact(opened=True)
            await agent.until(lambda: n in agent.heard("door"))
            assert len(agent.records("incident.opened")) == 1, "the edge afterwards does"


async def test_the_broker_dies_and_comes_back(tmp_path: Path, kind: Kind) -> None:
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Broker(directory=tmp_path / "broker", users=USERS, kind=kind))
        async with running(Agent(folder=tmp_path / "agent", port=broker.port)) as agent:
            await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
            with contextlib.suppress(aiomqtt.MqttError):  # the sensors lose their connection too
                async with sensors(broker) as building:
                    for _ in range(5):
                        await building.contact(opened=False, device="hatch")
                    await agent.until(lambda: len(agent.heard("hatch")) == 5)
                    if kind == "mosquitto":
                        await asyncio.sleep(1.5)  # it saves its sessions every second; what is younger dies with it
                    await broker.kill()
                    await agent.until(lambda: agent.records("broker.lost"))
            (lost,) = agent.records("broker.lost")
            assert f"broker 127.0.0.1:{broker.port}: " in lost["body"]["reason"]
            await broker.restart()
            async with sensors(broker, n=5) as building:
                sent = [await building.contact(opened=False, device="hatch") for _ in range(20)]
                await agent.until(lambda: agent.records("broker.restored"))
                await agent.until(lambda: set(sent) <= set(agent.heard("hatch")))
            (restored,) = agent.records("broker.restored")
            assert restored["body"]["session_kept"] is True
            await asyncio.sleep(2.5)
            assert agent.heard("hatch") == list(range(1, 26)), "what came meanwhile, once"


async def test_the_agent_is_away_for_a_while(tmp_path: Path, kind: Kind) -> None:
    """The session waits at the broker; a thousand messages arrive once and in order."""
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker:
        agent = Agent(folder=tmp_path / "agent", port=broker.port)
        await agent.start()
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        assert await agent.stop() == 0
        async with sensors(broker) as building:
            for _ in range(10):
                await asyncio.gather(*(building.contact(opened=False, device="hatch") for _ in range(100)))
        async with running(agent):
            await agent.until(lambda: len(agent.heard("hatch")) == 1000)
            assert agent.heard("hatch") == list(range(1, 1001))
            assert agent.query("SELECT count(*) FROM receipt")[0] <= 1000


async def test_garbage_is_counted_and_costs_little(tmp_path: Path, kind: Kind) -> None:
    garbage = (b"\xff\xfe", b"{", b'{"contact": NaN}', b"[" * 5000, b'{"contact": 1}', b"x" * 70_000, b"")
    async with contextlib.AsyncExitStack() as stack:
        broker = await stack.enter_async_context(Broker(directory=tmp_path / "broker", users=USERS, kind=kind))
        building = await stack.enter_async_context(sensors(broker))
        async with running(Agent(folder=tmp_path / "agent", port=broker.port)) as agent:
            await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
            for number in range(420):
                await building.say(garbage[number % len(garbage)])
            n = await building.contact(opened=True)
            await agent.until(lambda: agent.heard("door") == [n])
            (rejected,) = agent.records("payload.rejected")
            assert rejected["body"] == {
                "source": "broker: building/door", "reason": "the payload is not JSON", "count": 1,
            }  # fmt: skip
            assert agent.pid is not None
            before = _cpu(agent.pid)
            await asyncio.sleep(2.5)  # NATS would send again what was not acknowledged
            assert _cpu(agent.pid) - before < 1.0, "nothing loops"
            assert len(agent.records("payload.rejected")) == 1
            log = agent.log_file.read_text()
            assert "xxxx" not in log
            assert len(log) < 5_000


async def test_a_wrong_password_is_a_sentence(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker:
        agent = Agent(folder=tmp_path / "agent", port=broker.port, password="wrong-canary-9")
        async with running(agent):
            await agent.until(lambda: agent.records("broker.lost"))
            (lost,) = agent.records("broker.lost")
            where = f"broker 127.0.0.1:{broker.port}"
            assert lost["body"]["reason"] == f"{where}: it refused this gateway's user name or password"
            assert "wrong-canary-9" not in agent.log_file.read_text()
            assert agent.pid is not None
            assert "wrong-canary-9" not in _command_line(agent.pid)


async def test_a_broker_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    async with running(Agent(folder=tmp_path / "agent", port=free_port())) as agent:
        await agent.until(lambda: agent.records("broker.lost"))
        (lost,) = agent.records("broker.lost")
        assert lost["body"]["reason"].endswith(": Connection refused")
        assert agent.records("payload.rejected") == []


NATS = """server_name: acl
listen: "127.0.0.1:-1"
jetstream {{ store_dir: "{folder}/store", max_file: 100MB, max_mem: 16MB }}
accounts {{ SITE {{ jetstream: enabled, users: [
  {{ user: agent, password: "{agent}", permissions: {{ publish: ">", subscribe: {{ deny: ["building.hatch"] }} }} }}
  {{ user: sensor, password: "{sensor}", permissions: {{ publish: ">", subscribe: ">" }} }}
] }} }}
mqtt {{ listen: "127.0.0.1:{port}" }}
"""


async def test_a_topic_the_broker_does_not_let_us_read_is_told(tmp_path: Path) -> None:
    """Only where the broker says so: Mosquitto grants the subscription and withholds the messages."""
    port = free_port()
    config = tmp_path / "nats.conf"
    config.write_text(NATS.format(folder=tmp_path, port=port, **USERS))
    _, program = choose("nats")
    server = Child(name="nats", argv=[program, "-c", str(config)], log_file=tmp_path / "nats.log")
    await server.start()
    try:
        end = time.monotonic() + 15
        while await connect_code(
            host="127.0.0.1", port=port, user="sensor", password=USERS["sensor"], patience=1.0
        ):
            assert time.monotonic() < end, server.tail()
            await asyncio.sleep(0.05)
        async with running(Agent(folder=tmp_path / "agent", port=port)) as agent:
            await agent.until(lambda: agent.records("payload.rejected"))
            (rejected,) = agent.records("payload.rejected")
            assert rejected["body"]["source"] == "broker: building/hatch"
            assert rejected["body"]["reason"] == "the broker does not let this gateway read the topic: check its ACL"
            async with aiomqtt.Client("127.0.0.1", port, username="sensor", password=USERS["sensor"]) as client:
                await client.publish("building/door", '{"contact": false, "n": 1}', qos=1)
            await agent.until(lambda: agent.heard("door") == [1], what="the other topics are heard")
    finally:
        await server.stop()


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _cpu(pid: int) -> float:
    """CPU seconds a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
