"""A fault of the program in the middle of a commit: nothing that was decided is lost by it, and nothing else waits."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent import writer as module
from agent.commit import commit
from agent.errors import StoreError
from agent.intake import Input
from tests.unit.agent_rig import Rig, rig, until


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_FIRST", 1_000)
    monkeypatch.setattr(module, "_RETRY_LONGEST", 2_000)


async def fault(transaction: Any) -> None:
    raise KeyError("a fault of the program")


async def contacts(agent: Rig) -> list[int]:
    return [json.loads(data)["body"]["n"] for data in await agent.rows("bytes", "WHERE kind LIKE 'contact.%'")]


async def good(agent: Rig) -> None:
    """Everything is written, the log is right, and a restart makes the same engine of it."""
    await agent.send(agent.contact(opened=False, n=99))
    await until(lambda: agent.pipeline.trouble is None)
    await agent.store.log.verify(0)


async def test_what_cannot_be_done_with_a_fact_does_not_keep_it_or_the_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            await agent.send(agent.contact(opened=False, n=0))
            decided: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            await agent.intake.offer(
                Input(fact=agent.contact(opened=True, n=1), acknowledge=agent.acked(asyncio.Event())),
                Input(fact=agent.contact(opened=False, n=2), also=fault, decided=decided),
                Input(fact=agent.contact(opened=True, n=3), acknowledge=agent.acked(asyncio.Event())),
            )
            await until(lambda: len(agent.outputs) == 2)
            await good(agent)
            assert await contacts(agent) == [0, 1, 2, 3, 99]
            assert agent.steps.count("ack") == 4
            assert await decided == []
            kinds = await agent.rows()
            (data,) = await agent.rows("bytes", "WHERE kind = 'engine.failed'")
            told = json.loads(data)["body"]
            assert told["told"] == "contact.closed"
            assert told["reason"].startswith("KeyError in tests/unit/test_agent_commit.py")
            assert kinds.count("store.failed") == kinds.count("store.restored") == 1
        await agent.pipeline.finish()
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


async def test_what_cannot_be_written_at_all_is_told_and_its_sender_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        append = agent.store.log.append

        async def spoilt(transaction: Any, rows: Any) -> None:
            if any(b'"n":1,' in row.data or b'"n":1}' in row.data for row in rows):
                raise OverflowError("a number too large")
            await append(transaction, rows)

        monkeypatch.setattr(agent.store.log, "append", spoilt)
        async with agent.running():
            decided: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            await agent.intake.offer(
                Input(fact=agent.contact(opened=False, n=0)),
                Input(fact=agent.contact(opened=True, n=1), acknowledge=agent.acked(asyncio.Event()), decided=decided),
                Input(fact=agent.contact(opened=False, n=2)),
            )
            await until(lambda: agent.outputs)
            await good(agent)
            assert await contacts(agent) == [0, 2, 99]
            assert "engine.failed" in await agent.rows()
            assert agent.steps.count("ack") == 2, "a broker would send it again for ever"
            with pytest.raises(StoreError):
                await decided
        await agent.pipeline.finish()
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state, "a state stands for what the log does not have"


async def test_an_acknowledgement_that_fails_is_not_the_logs_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise RuntimeError("the connection is gone")

    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.intake.offer(
            Input(fact=agent.contact(opened=False, n=0), acknowledge=fails),
            Input(fact=agent.contact(opened=False, n=1), acknowledge=agent.acked(asyncio.Event())),
        )
        await until(lambda: "ack" in agent.steps)
        await good(agent)
        assert "store.failed" not in await agent.rows()


async def test_a_state_that_cannot_be_made_costs_a_longer_replay_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        with monkeypatch.context() as patch:
            patch.setattr(agent.keeper, "snapshot", lambda: 1 / 0)
            await agent.send(agent.contact(opened=False, n=0), agent.contact(opened=True, n=1))
        await good(agent)
        assert "store.failed" not in await agent.rows()
        assert await contacts(agent) == [0, 1, 99]


async def test_without_that_care_the_engine_is_ahead_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: a fault that ends the turn leaves a decision that no restart knows."""

    async def careless(self: module.Writer, group: Any, state: Any) -> None:
        await commit(self._store, group, clock=self._clock, state=state)

    monkeypatch.setattr(module.Writer, "_written", careless)
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            await agent.send(agent.contact(opened=False, n=0))
        turning = asyncio.create_task(agent.pipeline.run())
        await agent.intake.offer(Input(fact=agent.contact(opened=True, n=1), also=fault))
        with pytest.RaisesGroup(KeyError):
            await turning
        state = agent.engine.snapshot()
        assert await contacts(agent) == [0]
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() != state
