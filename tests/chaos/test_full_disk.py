"""The data disk is full in each phase of the log's life: start, commit, checkpoint, snapshot, pruning, opening anew.
With the ballast the log is written while not a byte is free; without it, each of these tests fails."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hwlab.broker import Broker
from hwlab.check import check
from tests.chaos.building_rig import Building, building, judge
from tests.integration.agent_process import GATEWAY, SITE, USERS, Agent
from tests.integration.large_store import build

BUSY = [sys.executable, str(Path(__file__).with_name("busy_agent.py")), "run"]
BALLAST = "4MB"
OLD_ROWS = 20_000
SOON = 6.0  # seconds in which what has room is done


@dataclass(kw_only=True)
class Scene:
    """An agent whose data lie on a disk of 28 MB, and a building."""

    agent: Agent
    talking: Building
    data: Path

    async def start(self) -> None:
        await self.agent.start(program=BUSY)

    async def opened(self, times: int) -> None:
        """The door opens and closes; each is in the log, on the disk, soon."""
        for _ in range(times):
            await self.talking.door.open()
            await self.talking.door.close()
        last = self.talking.door.n
        await self.agent.until(lambda: last in self.agent.heard("door"), seconds=SOON, what=f"message {last}")

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free until the block ends; what is given up by others meanwhile is theirs."""
        greedy = self.data / "greedy"
        with contextlib.suppress(OSError), greedy.open("wb", buffering=0) as file:
            for piece in (1 << 16, 512):
                with contextlib.suppress(OSError):
                    while file.write(b"\0" * piece) == piece:
                        pass
        assert os.statvfs(self.data).f_bavail < 20
        try:
            yield
        finally:
            greedy.unlink()


async def start(scene: Scene) -> None:
    await scene.agent.stop()
    boots = len(scene.agent.records("boot"))
    with scene.full():
        await scene.start()
        await scene.agent.until(lambda: len(scene.agent.records("boot")) > boots, seconds=SOON, what="the start")
        await scene.opened(3)


async def commit(scene: Scene) -> None:
    with scene.full():
        await scene.opened(20)
        assert not scene.agent.records("store.failed")


async def checkpoint(scene: Scene) -> None:
    with scene.full():
        await scene.opened(40)
        assert await scene.agent.stop() == 0
        wal = scene.agent.database.with_name("log.db-wal")
        assert not wal.exists() or wal.stat().st_size == 0, "closing moved everything into the file"
        assert scene.talking.door.n in scene.agent.heard("door")


async def snapshot(scene: Scene) -> None:
    with scene.full():
        await scene.opened(5)
        assert await scene.agent.stop() == 0
        assert scene.agent.query("SELECT value FROM meta WHERE name = 'clean'") == ["1"]
        (newest,) = scene.agent.query("SELECT max(pos) FROM snapshot")
        assert newest == scene.agent.query("SELECT max(pos) FROM log")[0]


async def pruning(scene: Scene) -> None:
    """The disk fills before anything could be pruned."""
    await scene.agent.stop()
    before = scene.agent.query("SELECT count(*) FROM log")[0]
    with scene.full():
        await scene.start()
        await scene.agent.until(
            lambda: scene.agent.query("SELECT count(*) FROM log")[0] < before - OLD_ROWS // 3, seconds=20,
            what="the pruning",
        )  # fmt: skip
        await scene.opened(5)


async def reopening(scene: Scene) -> None:
    """The log has failed for another reason, and while it cannot be written the disk fills."""
    pid = scene.agent.pid
    assert pid is not None
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    await scene.talking.door.open()
    await scene.talking.siren.commanded(1)
    await scene.agent.until(lambda: "store.failed" in scene.agent.log_file.read_text() or _mute(scene), what="failure")
    with scene.full():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
        await scene.agent.until(lambda: scene.agent.records("store.restored"), seconds=3 * SOON, what="the log again")
        await scene.opened(5)


def _mute(scene: Scene) -> bool:
    """The agent's log lines fail as well; the siren was commanded, so the commit that followed has failed."""
    return not scene.agent.records("contact.opened")


Phase = Callable[[Scene], Awaitable[None]]
PHASES: list[Phase] = [start, commit, checkpoint, snapshot, pruning, reopening]


@contextlib.asynccontextmanager
async def scene(folder: Path, phase: Phase, ballast: str) -> AsyncIterator[Scene]:
    agent_folder = folder / "agent"
    data = agent_folder / "data"
    data.mkdir(parents=True)
    assert _run("mount", "-t", "tmpfs", "-o", "size=28m", "tmpfs", str(data))
    try:
        if phase is pruning:
            await build(data / "log.db", rows=OLD_ROWS, gateway=GATEWAY, site=SITE, days=60)
        async with Broker(directory=folder / "broker", users=USERS, kind="nats") as broker:
            agent = Agent(folder=agent_folder, port=broker.port)
            with (agent_folder / "agent.yaml").open("a") as file:
                file.write(f"store: {{ballast: {ballast}}}\n")
            if phase is pruning:  # nothing may be pruned before the disk is full
                await agent.start()
            else:
                await agent.start(program=BUSY)
            await agent.until(lambda: "broker.connected" in agent.log_file.read_text())
            if ballast != "0B":
                await agent.until(lambda: (data / "log.ballast").exists(), what="the ballast")
            async with building(folder, broker) as talking:
                try:
                    yield Scene(agent=agent, talking=talking, data=data)
                finally:
                    await agent.kill()
    finally:
        _run("umount", str(data))


def _run(*argv: str) -> bool:
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def _may_mount(folder: Path) -> bool:
    folder.mkdir()
    may = os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    return may and _run("umount", str(folder))


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
async def test_full_during(tmp_path: Path, phase: Phase, capability: Callable[[str, bool], None]) -> None:
    capability("mounting a small file system (root)", _may_mount(tmp_path / "probe"))
    async with scene(tmp_path, phase, BALLAST) as made:
        agent = made.agent
        await phase(made)
        if phase in (checkpoint, snapshot):
            await made.start()
        await agent.until(lambda: agent.records("ballast.restored"), what="ballast.restored")
        assert [record["body"]["bytes"] >= 4_000_000 for record in agent.records("ballast.released")] == [True]
        assert (made.data / "log.ballast").stat().st_blocks * 512 >= 4_000_000
        await made.opened(1)
        assert await agent.stop() == 0
        if phase is pruning:
            assert not [str(each) for each in check(gateway=GATEWAY, agent=agent.database).violations]
            assert agent.query("PRAGMA integrity_check") == ["ok"]
        else:
            report = judge(agent, made.talking)
            assert report.ok, str(report)


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
async def test_without_the_ballast_it_fails(
    tmp_path: Path, phase: Phase, capability: Callable[[str, bool], None], effort: str
) -> None:
    """The test of the test. What was decided is not lost even so: it is written once there is room."""
    if effort == "quick" and phase not in (start, commit):
        pytest.skip("the other phases have their turn with EFFORT=ci")
    capability("mounting a small file system (root)", _may_mount(tmp_path / "probe"))
    async with scene(tmp_path, phase, "0B") as made:
        with pytest.raises(AssertionError):
            await phase(made)
        if phase is start:
            assert made.agent.child().returncode == 75, "a start without room is tried again"
            await made.start()
        elif made.agent.child().returncode is not None:
            await made.start()
        if phase is not pruning:
            await made.talking.door.open()
            last = made.talking.door.n
            await made.agent.until(lambda: last in made.agent.heard("door"), seconds=30, what="what had waited")
        assert await made.agent.stop() == 0
        with contextlib.closing(sqlite3.connect(made.agent.database)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_killed_while_it_prunes(tmp_path: Path, pick: Callable[..., int]) -> None:
    """Killed again and again at any moment of the pruning: what is left has its numbers, its gaps and its chain."""
    data = tmp_path / "agent" / "data"
    data.mkdir(parents=True)
    await build(data / "log.db", rows=OLD_ROWS, gateway=GATEWAY, site=SITE, days=60)
    agent = Agent(folder=tmp_path / "agent", port=9)
    left = OLD_ROWS
    for _ in range(pick(quick=5, ci=20)):
        await agent.start(program=BUSY)
        await asyncio.sleep(0.7)
        await agent.kill()
        report = check(gateway=GATEWAY, agent=agent.database)
        assert report.ok, str(report)
        now = agent.query("SELECT count(*) FROM log")[0]
        assert now <= left + 10
        left = now
    assert left < OLD_ROWS - 200, "it has pruned in between"
    await agent.start(program=BUSY)
    await agent.until(lambda: agent.query("SELECT count(*) FROM log")[0] < OLD_ROWS * 0.6, seconds=30)
    assert await agent.stop() == 0
    report = check(gateway=GATEWAY, agent=agent.database)
    assert report.ok, str(report)
