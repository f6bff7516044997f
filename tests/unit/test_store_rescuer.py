"""A log that is damaged under the running agent: decisions go on, what is left is rescued, and all is written."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path

import pytest

from agent import writer as module
from agent.errors import StoreBroken
from agent.outlets.succession import Succession
from agent.store.rescuer import Rescuer
from tests.unit.agent_rig import GATEWAY, Rig, rig, until


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_FIRST", 1_000)
    monkeypatch.setattr(module, "_RETRY_LONGEST", 2_000)


async def damage(agent: Rig, table: str) -> None:
    """Zero the first page of a table in the file, and have it read anew."""
    database = agent.store.database
    await database.checkpoint()
    with contextlib.closing(sqlite3.connect(f"file:{database.path}?mode=ro", uri=True)) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    with database.path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(bytes(4096))
    for open_one in (database._reader, database._writer):  # what they remember would hide it
        assert open_one is not None
        await open_one.execute_fetchall("PRAGMA shrink_memory")


async def numbers(agent: Rig) -> list[int]:
    rows = await agent.rows("bytes", "WHERE kind LIKE 'contact.%'")
    return [json.loads(data)["body"]["n"] for data in rows]


async def test_damage_met_by_a_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        agent.pipeline._writer._rescuer = Rescuer(store=agent.store, gateway=GATEWAY, outlets=["cloud"])
        async with agent.running():
            for n in range(200):
                await agent.send(agent.contact(opened=False, n=n))
            epoch = agent.store.log.epoch
            await damage(agent, "log")
            await agent.send(agent.contact(opened=True, n=200))
            assert agent.outputs[0].value == "on", "the siren waits for no disk"
            await until(lambda: agent.pipeline.trouble is None)
            await agent.send(agent.contact(opened=False, n=201))
        kinds = await agent.rows()
        titles = [json.loads(data)["body"].get("title", "") for data in await agent.rows("bytes", "WHERE lane = 'P0'")]
        assert any(title.startswith("The gateway's log was damaged: ") for title in titles)
        assert await numbers(agent) == list(range(202)), "every page under the lost one was found"
        assert {"store.failed", "store.recovered", "epoch.began", "store.restored"} <= set(kinds)
        assert agent.store.log.epoch != epoch
        await agent.store.log.verify(0)
        assert len(list(tmp_path.glob("log.db.damaged-*"))) >= 1


async def test_damage_met_by_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        agent.pipeline._writer._rescuer = Rescuer(store=agent.store, gateway=GATEWAY, outlets=["cloud"])
        async with agent.running():
            await agent.send(agent.contact(opened=False, n=0))
            await damage(agent, "site_document")
            with pytest.raises(StoreBroken, match="SQLITE_CORRUPT"):
                await agent.store.database.read("SELECT * FROM site_document")
            await agent.send(agent.contact(opened=False, n=1))
            await until(lambda: agent.pipeline.trouble is None and agent.store.database.broken is None)
            await until(lambda: "restored" in str(agent.steps) or agent.store.log.head("P1").seq > 3)
        assert await numbers(agent) == [0, 1]
        assert "store.recovered" in await agent.rows()


async def test_succession_is_once_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        succession = Succession(
            database=agent.store.database,
            log=agent.store.log,
            outlets=["cloud"],
            intake=agent.intake,
            clock=agent.clock,
        )
        first = agent.store.log.epoch
        assert await succession.begin(differs=first, reason="a test")
        second = agent.store.log.epoch
        assert await succession.begin(differs=first, reason="the other connection"), "it was done"
        assert agent.store.log.epoch == second
        assert not await succession.begin(differs=second, reason="again"), "too soon"
        assert await succession.former() == [first]
        restarted = Succession(
            database=agent.store.database,
            log=agent.store.log,
            outlets=["cloud"],
            intake=agent.intake,
            clock=agent.clock,
        )
        assert not await restarted.begin(differs=second, reason="again"), "also after a restart"
        async with agent.running():
            await until(lambda: not len(agent.intake))
        assert (await agent.rows()).count("epoch.began") == 1
