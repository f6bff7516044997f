"""Killed in the middle of a change of the store: a migration (at each step), a rescue, a backup. The next start goes on
from there, and not one row is another."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.store.database import migrations
from hwlab.ports import free_port
from tests.integration.agent_process import Agent
from tests.unit.test_store_migrations import KEPT, contents, lay

ROOT = Path(__file__).parents[2]
FURTHER = [number for number, _ in migrations() if number > 1]


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return Agent(folder=tmp_path / "agent", port=free_port())


def rows(path: Path) -> list[dict[str, Any]]:
    return contents(path)["log"]


@pytest.mark.parametrize("place", ["migrate.in_step", "migrate.after_step"])
@pytest.mark.parametrize("step", range(1, len(FURTHER) + 1))
async def test_killed_at_each_step_of_a_migration(agent: Agent, step: int, place: str) -> None:
    lay(KEPT[0], agent.database)
    before = rows(agent.database)
    await agent.start(failpoint=f"{place}:{step}")
    await agent.died()
    done = step if place == "migrate.after_step" else step - 1
    assert agent.query("PRAGMA user_version") == [([1, *FURTHER])[done]]
    assert rows(agent.database) == before
    await agent.start()
    assert await agent.stop() == 0
    assert agent.query("PRAGMA user_version") == [FURTHER[-1]]
    assert rows(agent.database)[: len(before)] == before
    assert agent.query("PRAGMA integrity_check") == ["ok"]


def test_killed_in_another_way_at_each_step(tmp_path: Path) -> None:
    """Not by a signal but out of the middle of it, as by a fault in the interpreter."""
    lay(KEPT[0], tmp_path / "golden.db")
    before = rows(tmp_path / "golden.db")
    for step in range(1, len(FURTHER) + 1):
        path = tmp_path / f"{step}.db"
        shutil.copy(tmp_path / "golden.db", path)
        program = (
            "import asyncio, os, sys, pathlib\n"
            "from agent.store import database\n"
            "left = [int(sys.argv[2])]\n"
            "def reach(name):\n"
            "    left[0] -= name == 'migrate.in_step'\n"
            "    if left[0] == 0: os._exit(3)\n"
            "database.reach = reach\n"
            "asyncio.run(database.Database(path=pathlib.Path(sys.argv[1])).open())\n"
        )
        ended = subprocess.run([sys.executable, "-c", program, str(path), str(step)], cwd=ROOT, timeout=30, check=False)
        assert ended.returncode == 3
        assert rows(path) == before
        again = program.replace("os._exit(3)", "pass") + "os._exit(0)\n"
        ended = subprocess.run([sys.executable, "-c", again, str(path), "99"], cwd=ROOT, timeout=30, check=False)
        assert ended.returncode == 0
        assert rows(path) == before
        assert contents(path).keys() >= {"epoch", "missing"}


@pytest.mark.parametrize("place", ["rescue.before_exchange", "rescue.in_exchange"])
async def test_killed_in_a_rescue(agent: Agent, place: str) -> None:
    lay(KEPT[0], agent.database)
    before = rows(agent.database)
    agent.database.with_suffix(".epoch").write_text(before[0]["epoch"])
    with agent.database.open("r+b") as file:
        file.write(bytes(100))
    damaged = agent.database.read_bytes()
    await agent.start(failpoint=place)
    await agent.died()
    await agent.start()
    await agent.until(lambda: agent.records("store.recovered"))
    assert await agent.stop() == 0
    found = {row["id"]: row["bytes"] for row in rows(agent.database)}
    assert {row["id"]: row["bytes"] for row in before}.items() <= found.items()
    (told,) = [record["body"] for record in agent.records("store.recovered")]
    assert (told["rows"], told["missing"]) == (len(before), 0)
    assert (agent.database.parent / told["kept"]).read_bytes() == damaged


async def test_killed_in_a_backup(agent: Agent, tmp_path: Path) -> None:
    stick = tmp_path / "usb"
    stick.mkdir()
    await agent.start()
    words = ["agent", "backup", "--to", str(stick), "--config", str(agent.folder / "agent.yaml")]
    command = [sys.executable, "-m", "nightporter", *words]
    environment = {**os.environ, "NIGHTPORTER_FAILPOINT": "backup.mid"}
    killed = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment)
    assert await killed.wait() == -9
    assert not list(stick.glob("*.npbackup")), "nothing there calls itself a backup"
    again = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    assert await again.wait() == 0
    assert await agent.stop() == 0
    assert len(list(stick.glob("*.npbackup"))) == 1
