"""When room runs out: the ballast goes first, then the readings, and only then the log counts as failed."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agent import disks as disks_module
from agent import writer as module
from agent.clock import Clock
from agent.disks import Disks
from agent.errors import StoreFull
from agent.intake import Input, Intake
from agent.store.ballast import Ballast
from rules.events import DiskFull, DiskRestored
from tests.unit.agent_rig import Rig, rig, until

MB = 1_000_000


class Disk:
    """A file system whose free bytes the test says; the ballast counts in it."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path, *, whole: int = 1000 * MB) -> None:
        self.free, self.whole = whole, whole
        self.ballast = folder / "log.ballast"
        patch.setattr(os, "statvfs", self._statvfs)
        patch.setattr(os, "posix_fallocate", self._fallocate)

    def _statvfs(self, path: object) -> Any:
        free = max(0, self.free - self._held())
        return SimpleNamespace(f_bavail=free, f_frsize=1, f_blocks=self.whole)

    def _held(self) -> int:
        return self.ballast.stat().st_blocks * 512 if self.ballast.exists() else 0

    def _fallocate(self, descriptor: int, offset: int, length: int) -> None:
        os.pwrite(descriptor, b"x" * length, offset)


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch, tmp_path)


def ballast(disk: Disk, size: int = 8 * MB) -> Ballast:
    return Ballast(path=disk.ballast, size=size)


def test_it_is_set_aside_where_there_is_twice_its_size(disk: Disk) -> None:
    held = ballast(disk)
    disk.free = 16 * MB - 1
    assert held.set_aside() == 0
    assert not disk.ballast.exists()
    disk.free = 16 * MB
    assert held.set_aside() == 8 * MB
    assert held.held >= 8 * MB
    assert held.set_aside() == 0, "it is there"


def test_it_is_given_up_when_hardly_anything_is_left(disk: Disk) -> None:
    held = ballast(disk)
    held.set_aside()
    disk.free = held.held + 1 * MB
    assert held.release_if_needed() == 0
    disk.free -= 1
    assert held.release_if_needed() >= 8 * MB
    assert (held.held, held.release()) == (0, 0)
    assert held.untold >= 8 * MB


def test_what_cannot_be_set_aside_leaves_nothing_behind(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, offset: int, length: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    held = ballast(disk)
    assert held.set_aside() == 0
    assert not disk.ballast.exists()


def test_without_one_the_file_goes(disk: Disk) -> None:
    ballast(disk).set_aside()
    assert ballast(disk, size=0).set_aside() == 0
    assert not disk.ballast.exists()


def test_readings_wait_while_half_of_it_is_used_up_again(disk: Disk) -> None:
    held, short = ballast(disk), []
    for free in (4 * MB, 4 * MB - 1, 8 * MB - 1, 8 * MB):
        disk.free = free
        held.look()
        short.append(held.short)
    assert short == [False, True, True, False], "and not written again at every megabyte more"


def test_a_disk_that_is_small_beside_it_is_judged_by_its_own_size(disk: Disk) -> None:
    disk.whole, disk.free = 2 * MB, 1 * MB
    held = ballast(disk, size=64 * MB)
    held.look()
    assert not held.short
    held.short = True
    held.look()
    assert not held.short


@asynccontextmanager
async def watching(agent: Rig, disk: Disk, held: Ballast) -> AsyncIterator[Disks]:
    yield Disks(
        clock=agent.clock, intake=agent.intake, paths=[disk.ballast.parent], ballast=held, database=agent.store.database
    )


async def test_what_becomes_of_it_is_told_once_also_after_a_restart(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = ballast(disk)
    async with rig(tmp_path, monkeypatch) as agent, agent.running(), watching(agent, disk, held) as disks:
        await disks.balance()
        assert held.held, "the first time is no news"
        disk.free = held.held + 1
        await disks.balance()
        await disks.balance()
        await until(lambda: "commit" in agent.steps)
        await agent.send(agent.contact(opened=False))
        assert [kind for kind in await agent.rows() if kind.startswith("ballast")] == ["ballast.released"]
    held = ballast(disk)
    disk.free = 100 * MB
    async with rig(tmp_path, monkeypatch) as agent, agent.running(), watching(agent, disk, held) as disks:
        await disks.balance()
        await disks.balance()
        await agent.send(agent.contact(opened=False))
        kinds = [kind for kind in await agent.rows() if kind.startswith("ballast")]
        assert kinds == ["ballast.released", "ballast.restored"]
    held = ballast(disk)
    async with rig(tmp_path, monkeypatch) as agent, agent.running(), watching(agent, disk, held) as disks:
        await disks.balance()
        await agent.send(agent.contact(opened=False))
        assert len([kind for kind in await agent.rows() if kind.startswith("ballast")]) == 2


async def test_a_disk_that_fills_is_told_before_it_hurts(disk: Disk) -> None:
    intake = Intake()
    disks = Disks(
        clock=Clock.start(last_gt=0, off_time=0), intake=intake, paths=[disk.ballast.parent],
        ballast=ballast(disk, size=0), database=None,  # type: ignore[arg-type]
    )  # fmt: skip
    for free in (1000, 63, 60, 90, 97, 98):
        disk.free = free * 1024 * 1024
        await disks._look(disk.ballast.parent)
    told = [item.fact for item in await intake.take(9)]
    assert [type(fact) for fact in told] == [DiskFull, DiskRestored]
    assert disks_module.FLOOR < disks_module.RELIEF


# --- a commit that finds no room -------------------------------------------------------------------------------------


def no_room(agent: Rig, monkeypatch: pytest.MonkeyPatch, *, until_gone: Path | None) -> None:
    """Transactions find no room: for ever, or as long as this file is there."""
    begin = agent.store.database.transaction

    @asynccontextmanager
    async def transaction() -> AsyncIterator[Any]:
        if until_gone is None or until_gone.exists():
            raise StoreFull("no room left to write log.db")
        async with begin() as opened:
            yield opened

    monkeypatch.setattr(agent.store.database, "transaction", transaction)


async def body(agent: Rig, kind: str) -> dict[str, Any]:
    (data,) = await agent.rows("bytes", f"WHERE kind = '{kind}'")
    found: dict[str, Any] = json.loads(data)["body"]
    return found


async def test_the_ballast_lets_the_commit_through(disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch, ballast=8 * MB) as agent, agent.running():
        agent.ballast.set_aside()
        await agent.send(agent.contact(opened=False))
        no_room(agent, monkeypatch, until_gone=disk.ballast)
        await agent.send(agent.contact(opened=True))
        assert agent.pipeline.trouble is None
        assert "store.failed" not in await agent.rows()
        assert (await body(agent, "ballast.released"))["bytes"] >= 8 * MB
        assert (await agent.rows()).count("contact.opened") == 1
        assert agent.outputs[0].value == "on"
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


async def test_readings_are_the_first_that_are_not_written_and_it_is_told_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            await agent.send(agent.contact(opened=False))
            agent.ballast.short = True
            for value in range(7):
                await agent.send(agent.temperature(float(value)))
            await agent.send(agent.contact(opened=True))
            assert (tmp_path / "marker").exists(), "a crash now is told at the next start"
            rows = await agent.rows()
            assert "contact.opened" in rows, "alarms are written"
            assert not [kind for kind in rows if kind.startswith("reading")]
            agent.ballast.short = False
            await agent.send(agent.temperature(7.0), agent.contact(opened=False))
            rows = await agent.rows()
            assert rows.count("readings.packed") == 1
            gap = await body(agent, "log.gap")
            assert gap == {"count": 7, "reason": "there was no room to write readings"}
            assert not (tmp_path / "marker").exists()
        await agent.pipeline.finish()
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


async def test_at_the_end_the_count_is_told_although_room_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            agent.ballast.short = True
            await agent.send(agent.temperature(1.0), agent.contact(opened=False))
        await agent.pipeline.finish()
        assert (await body(agent, "log.gap"))["count"] == 1
        assert not (tmp_path / "marker").exists()


async def test_with_nothing_left_to_give_up_everything_lives_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_FIRST", 1_000)
    monkeypatch.setattr(module, "_RETRY_LONGEST", 2_000)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=False))
        with monkeypatch.context() as patch:
            no_room(agent, patch, until_gone=None)
            await agent.send(agent.temperature(1.0))
            await agent.intake.offer(Input(fact=agent.contact(opened=True)))
            await until(lambda: agent.outputs)
            await until(lambda: agent.pipeline.trouble)
            assert "no room" in str(agent.pipeline.trouble)
        await until(lambda: agent.pipeline.trouble is None)
        agent.ballast.short = False
        await agent.send(agent.contact(opened=False))
        rows = await agent.rows()
        assert rows.count("contact.opened") == 1
        assert (await body(agent, "log.gap"))["count"] == 1
        assert [kind for kind in rows if kind in ("store.failed", "store.restored")] == [
            "store.failed",
            "store.restored",
        ]
