"""A code typed at a keypad, from the broker to the disarmed partition; and its digits, which are nowhere."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, cast

import aiomqtt
import pytest

from hwlab.broker import Broker
from tests.integration.agent_process import USERS, Agent, running

Kind = Literal["nats", "mosquitto"]
ROOT = Path(__file__).parents[2]
CODE, CARD = "829417", "04:A2:11:7B:93:55"
SITE = """
site: {{id: house, name: The House}}
devices:
  - {{id: door, type: contact, mqtt: {{topic: building/door, field: contact, open: false, closed: true}}}}
  - {{id: pad, type: keypad, mqtt: {{topic: building/pad, code: pin, wish: action, key: action}}}}
  - {{id: tag, type: reader, mqtt: {{topic: building/tag, field: uid}}}}
  - {{id: bolt, type: lock, mqtt: {{topic: building/bolt, field: state, "on": "ON", "off": "OFF",
      command: {{topic: building/bolt/set, "on": "ON", "off": "OFF"}}}}}}
partitions:
  - {{id: ground, exit_delay: 1s, entry_delay: 30s}}
zones:
  - {{id: front, device: door, type: entry_exit, partition: ground}}
keypads:
  - {{device: pad, partition: ground, tries: 3}}
access_levels:
  - {{id: all, doors: [gate]}}
doors:
  - {{id: gate, lock: bolt, reader: tag}}
people:
  - {{id: ada, name: Ada, access: [all], codes: [{code}], cards: [{card}]}}
"""


@pytest.fixture(params=["nats", "mosquitto"])
def kind(request: pytest.FixtureRequest, peer: Callable[[str], str]) -> Kind:
    if request.param == "mosquitto":
        peer("mosquitto")
    return cast(Kind, request.param)


def made(agent: Agent, given: str, *words: str) -> str:
    """What an installer gets from `nightporter agent code`."""
    argv = [sys.executable, "-m", "nightporter", "agent", "code", *words, "--config", str(agent.folder / "agent.yaml")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(argv, input=given + "\n", capture_output=True, text=True, timeout=30, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def installed(folder: Path, broker: Broker, *, doors: bool = True) -> Agent:
    agent = Agent(folder=folder, port=broker.port)
    code = await asyncio.to_thread(made, agent, CODE)
    card = await asyncio.to_thread(made, agent, CARD, "--card")
    text = SITE.format(code=code, card=card)
    if not doors:
        start, end = text.index("access_levels:"), text.index("people:")
        text = (text[:start] + text[end:]).replace(" access: [all],", "")
    return Agent(folder=folder, port=broker.port, site=text)


async def say(client: aiomqtt.Client, device: str, **what: object) -> None:
    await client.publish(f"building/{device}", json.dumps(what), qos=1)


def reachable_from(agent: Agent) -> bytes:
    """Everything the gateway has written, but the secrets that are not in the store."""
    folders = (agent.folder / "data", agent.folder / "run", agent.folder / "agent.log")
    files = [file for each in folders for file in ([each] if each.is_file() else each.rglob("*"))]
    return b"".join(file.read_bytes() for file in files if file.is_file())


def assert_no_digits(agent: Agent, *payloads: bytes) -> None:
    whole = reachable_from(agent)
    assert CODE.encode() not in whole
    assert CARD.encode() not in whole
    assert CARD.replace(":", "").encode() not in whole
    for payload in payloads:
        assert hashlib.sha256(payload).digest() not in whole, "a plain digest can be tried out"
        assert hashlib.sha256(payload).hexdigest().encode() not in whole


def client_of(broker: Broker) -> aiomqtt.Client:
    return aiomqtt.Client(broker.host, broker.port, username="sensor", password=USERS["sensor"])


async def test_a_code_arms_and_disarms_and_its_digits_are_nowhere(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker:
        agent = await installed(tmp_path / "agent", broker)
        async with running(agent), client_of(broker) as building:
            await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
            await say(building, "door", contact=True, n=1)
            await say(building, "pad", pin=CODE, action="arm_away")
            await agent.until(lambda: agent.records("partition.armed"), what="arming")
            await say(building, "door", contact=False, n=2)
            await agent.until(lambda: agent.records("partition.entering"), what="the entry delay")
            await say(building, "pad", pin="111111", action="disarm")
            await agent.until(lambda: agent.records("code.refused"), what="the refusal")
            assert agent.records("partition.disarmed") == []
            await say(building, "pad", pin=CODE, action="disarm")
            await agent.until(lambda: agent.records("partition.disarmed"), what="disarming")
            assert agent.records("partition.disarmed")[0]["body"]["by"] == "Ada"
            await say(building, "tag", uid=CARD)
            await agent.until(lambda: agent.records("access.granted"), what="the door")
            # What cannot be read is counted, and not repeated either.
            await say(building, "pad", pin=CODE + "!", action="disarm")
            await say(building, "pad", pin=CODE, action="open " + CODE)
            await building.publish("building/pad", b'{"pin": "' + CODE.encode(), qos=1)
            await agent.until(lambda: agent.records("payload.rejected"), what="the rejection")
            await asyncio.sleep(0.3)
        assert_no_digits(agent, b"building/pad\0" + json.dumps({"pin": CODE, "action": "disarm"}).encode())
        assert CODE not in agent.log_file.read_text()
        assert [record["body"]["delivery"] for record in agent.records("code.entered")] == ["live"] * 3


async def test_a_code_that_comes_again_after_a_crash_is_known_again(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path / "broker", users=USERS, kind=kind) as broker:
        agent = await installed(tmp_path / "agent", broker, doors=False)
        await agent.start()
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        await agent.stop()
        # The second commit of this start is that of the code: the first one is the start itself.
        await agent.start(failpoint="store.after_commit_before_ack:2")
        async with client_of(broker) as building:
            await say(building, "pad", pin=CODE, action="disarm")
            await agent.died()
            assert len(agent.records("code.entered")) == 1
            payload = json.dumps({"pin": CODE, "action": "disarm"}).encode()
            assert_no_digits(agent, b"building/pad\0" + payload)
            assert len(agent.query("SELECT digest FROM receipt")) == 1
            async with running(agent):
                await agent.until(lambda: agent.log_file.read_text().count("broker.connected") >= 2)
                await say(building, "door", contact=True, n=7)
                await agent.until(lambda: agent.heard("door"))
                await asyncio.sleep(2.5)  # NATS sends again what was not acknowledged after two seconds
                assert len(agent.records("code.entered")) == 1
        assert_no_digits(agent, b"building/pad\0" + payload)
