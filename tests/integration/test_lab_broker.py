"""Both brokers as the lab runs them: ready when they say so, strict, durable, and gone afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest

from hwlab.broker import Broker, Kind
from hwlab.errors import LabError
from hwlab.probe import connect_code

USERS = {"agent": "the-agents-password", "building": "the-buildings-password"}


@pytest.fixture(params=["nats", "mosquitto"])
def kind(request: pytest.FixtureRequest, peer: Callable[[str], str]) -> Kind:
    if request.param == "mosquitto":
        peer("mosquitto")
        return "mosquitto"
    return "nats"


def client(broker: Broker, user: str, *, session: str | None = None) -> aiomqtt.Client:
    return aiomqtt.Client(
        broker.host,
        broker.port,
        username=user,
        password=USERS[user],
        identifier=session,
        clean_session=session is None,
        timeout=5,
    )


def command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_only_known_users_get_in(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path, users=USERS, kind=kind) as broker:
        assert broker.kind == kind
        for user, password, code in (("agent", USERS["agent"], 0), ("agent", "wrong", 5), ("nobody", "x", 5)):
            assert await connect_code(host=broker.host, port=broker.port, user=user, password=password) == code
        assert broker.pid is not None
        argv = command_line(broker.pid)
        assert not any(word.encode() in argv for word in USERS.values())
        pid = broker.pid
    assert gone(pid)
    assert await connect_code(host=broker.host, port=broker.port, user="agent", password=USERS["agent"]) is None


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path, users=USERS, kind=kind) as broker:
        async with client(broker, "agent", session="np-agent") as agent:
            await agent.subscribe("building/#", qos=1)
        async with client(broker, "building") as device:
            for n in range(100):
                await device.publish("building/door", str(n), qos=1)
        if kind == "mosquitto":  # it saves once a second; the NATS server before it acknowledges
            await asyncio.sleep(1.5)
        port = broker.port
        await broker.kill()
        assert not broker.running
        await broker.restart()
        assert broker.port == port
        seen: set[int] = set()
        async with client(broker, "agent", session="np-agent") as agent, asyncio.timeout(15):
            async for message in agent.messages:
                seen.add(int(bytes(message.payload)))
                if len(seen) == 100:
                    break
        assert seen == set(range(100))


async def test_it_comes_back_when_it_dies_by_itself(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path, users=USERS, kind=kind) as broker:
        assert broker.pid is not None
        os.kill(broker.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            code = await connect_code(host=broker.host, port=broker.port, user="agent", password=USERS["agent"])
            if broker.exits == 1 and code == 0:
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("the broker did not come back within 10 s")


async def test_a_broker_that_cannot_start_says_why(tmp_path: Path, kind: Kind) -> None:
    async with Broker(directory=tmp_path / "one", users=USERS, kind=kind) as first:
        with pytest.raises(LabError, match=r"port \d+ on 127.0.0.1 is used by another program"):
            async with Broker(directory=tmp_path / "two", users=USERS, kind=kind, port=first.port):
                pytest.fail("two brokers cannot share a port")


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        import asyncio
        from pathlib import Path
        from hwlab.broker import Broker
        async def main():
            users = {{"agent": "long-enough"}}
            async with Broker(directory=Path({str(tmp_path)!r}), users=users, kind="nats") as broker:
                print(broker.pid, flush=True)
                await asyncio.sleep(60)
        asyncio.run(main())
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()) as parent:
        assert parent.stdout is not None
        lines = iter(parent.stdout.readline, "")
        pid = next(int(line) for line in lines if line.strip().isdigit())
        parent.kill()
    deadline = time.monotonic() + 5
    while not gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone(pid)
