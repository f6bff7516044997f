"""A disk that fails under the running core: it decides, commands the siren, says so, and writes it all afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from agent.journal import MAX_UNACKED
from hwlab.broker import Broker
from hwlab.child import Child
from tests.chaos.building_rig import Building, building, judge
from tests.integration.agent_process import USERS, Agent

Fault = contextlib.AbstractAsyncContextManager[None]


async def survives(folder: Path, fault: Callable[[Agent], Fault], *, reason: str) -> None:
    """Play a door through a healthy, a failing and a healthy disk again, and judge."""
    async with Broker(directory=folder / "broker", users=USERS, kind="nats") as broker:
        agent = Agent(folder=folder / "agent", port=broker.port)
        await agent.start()
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        try:
            async with building(folder, broker) as talking:
                await play(agent, talking, fault, reason)
                assert await agent.stop() == 0
                report = judge(agent, talking)
                assert report.ok, str(report)
        finally:
            await agent.kill()


async def play(agent: Agent, talking: Building, fault: Callable[[Agent], Fault], reason: str) -> None:
    await talking.door.open()
    await talking.siren.commanded(1)
    await talking.door.close()
    await agent.until(lambda: agent.heard("door") == [1, 2])
    async with fault(agent):
        began = time.monotonic()
        await talking.door.open()
        orders = await talking.siren.commanded(2)
        assert orders[-1][1] == '{"state":"ON"}', "the siren does not need a disk"
        assert time.monotonic() - began < 5
        for _ in range(3):
            await talking.hatch.open()
            await talking.hatch.close()
        await asyncio.sleep(2.5)  # the broker sends again what is not acknowledged; none of it may count twice
        await talking.door.close()
        await talking.door.open()
        await talking.siren.commanded(3)
        assert agent.pid is not None, f"it ended:\n{agent.tail()}"
        # The commit whose fsync failed may be in the file all the same; nothing after it is.
        assert agent.heard("door") in ([1, 2], [1, 2, 3])
    await agent.until(lambda: agent.records("store.restored"), seconds=40, what="store.restored")
    assert agent.heard("door") == [1, 2, 3, 4, 5]
    assert agent.heard("hatch") == list(range(1, 7))
    failed = agent.records("store.failed")
    assert reason in failed[0]["body"]["reason"]
    assert agent.records("store.restored")[-1]["body"]["journalled"] >= 9
    assert len(agent.records("incident.opened")) == 3
    await talking.hatch.open()
    await agent.until(lambda: 7 in agent.heard("hatch"))


async def test_eio_on_every_fsync(
    tmp_path: Path, peer: Callable[[str], str], capability: Callable[[str, bool], None]
) -> None:
    strace = peer("strace")
    capability("strace on another process (ptrace)", _may_trace(strace))

    @contextlib.asynccontextmanager
    async def fault(agent: Agent) -> AsyncIterator[None]:
        tracer = Child(
            name="strace",
            argv=[
                strace, "-f", "-p", str(agent.pid), "-o", str(tmp_path / "strace.txt"),
                "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO",
            ],
            log_file=tmp_path / "strace.log",
        )  # fmt: skip
        await tracer.start()
        end = time.monotonic() + 10
        while "attached" not in tracer.tail():
            assert time.monotonic() < end, tracer.tail()
            await asyncio.sleep(0.02)
        try:
            yield
        finally:
            await tracer.stop()
        assert "(INJECTED)" in _text(tmp_path / "strace.txt"), "no fsync has failed: the test has tested nothing"

    await survives(tmp_path, fault, reason="disk I/O error")


@contextlib.asynccontextmanager
async def no_growth(agent: Agent) -> AsyncIterator[None]:
    """A limit on the size of files stands in for a full disk, for an ordinary user too; log lines fail as well."""
    pid = agent.pid
    assert pid is not None
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        if agent.pid == pid:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


async def test_no_byte_can_be_added(tmp_path: Path) -> None:
    await survives(tmp_path, no_growth, reason="log.db cannot be used")


async def test_killed_while_acknowledged_messages_are_only_in_memory(tmp_path: Path) -> None:
    """Past half the broker's window the core must let go of some; a crash then is told as a gap of unknown count."""
    async with Broker(directory=tmp_path / "broker", users=USERS, kind="nats") as broker:
        agent = Agent(folder=tmp_path / "agent", port=broker.port)
        await agent.start()
        await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
        async with building(tmp_path, broker) as talking:
            async with no_growth(agent):
                for _ in range(MAX_UNACKED // 2 + 40):
                    await asyncio.gather(talking.hatch.open(), talking.hatch.close())
                await agent.until(lambda: _marker(agent).exists(), what="the trace outside the store")
                await agent.kill()
            await agent.start()
            await agent.until(lambda: talking.hatch.n in agent.heard("hatch"))
            (gap,) = agent.records("log.gap")
            assert "count" not in gap["body"], "nobody can know it"
            assert "acknowledged messages were only in memory" in gap["body"]["reason"]
            assert [record["body"]["clean"] for record in agent.records("boot")] == [True, False]
            await agent.until(lambda: not _marker(agent).exists())
            heard = agent.heard("hatch")
            assert len(heard) >= MAX_UNACKED, "what was not let go has come again"
            assert len(set(heard)) == len(heard)
            assert await agent.stop() == 0


def _marker(agent: Agent) -> Path:
    return agent.folder / "run" / "acked-before-durable"


async def test_a_full_disk(tmp_path: Path, capability: Callable[[str, bool], None]) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk))
    capability("mounting a small file system (root)", mounted)
    data = tmp_path / "agent" / "data"
    data.parent.mkdir()
    data.symlink_to(disk)

    @contextlib.asynccontextmanager
    async def fault(agent: Agent) -> AsyncIterator[None]:
        _fill(disk / "ballast")
        try:
            yield
        finally:
            (disk / "ballast").unlink()

    try:
        await survives(tmp_path, fault, reason="no room left to write")
    finally:
        _run("umount", str(disk))


def _fill(path: Path) -> None:
    """Take every byte there is."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(b"\0" * 4096)


def _text(path: Path) -> str:
    return path.read_text(errors="replace")


def _run(*argv: str) -> bool:
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def _may_trace(strace: str) -> bool:
    with subprocess.Popen(["sleep", "20"]) as sleeper:
        try:
            result = subprocess.run(
                ["timeout", "2", strace, "-p", str(sleeper.pid)], check=False, capture_output=True, text=True
            )
        finally:
            sleeper.kill()
    return "attached" in result.stderr
