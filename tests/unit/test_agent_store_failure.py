"""A log that cannot be written does not end the core: it decides, tells, remembers, and writes it all afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent import journal as journal_module
from agent import writer as module
from agent.errors import StoreError
from agent.intake import Input
from agent.journal import MAX_UNACKED
from agent.store.opening import open_store
from tests.unit.agent_rig import GATEWAY, Rig, rig, until


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store is tried again at each turn, not half a second later."""
    monkeypatch.setattr(module, "_RETRY_FIRST", 1_000)
    monkeypatch.setattr(module, "_RETRY_LONGEST", 2_000)


async def offer(agent: Rig, numbers: Sequence[int]) -> None:
    for n in numbers:
        event = asyncio.Event()
        fact = agent.contact(opened=n % 2 == 0, n=n)
        await agent.intake.offer(Input(fact=fact, acknowledge=agent.acked(event)))


async def numbers(agent: Rig) -> list[int]:
    rows = await agent.rows("bytes", "WHERE kind LIKE 'contact.%'")
    return [json.loads(data)["body"]["n"] for data in rows]


async def body(agent: Rig, kind: str) -> dict[str, Any]:
    (data,) = await agent.rows("bytes", f"WHERE kind = '{kind}'")
    found: dict[str, Any] = json.loads(data)["body"]
    return found


@pytest.mark.parametrize("half", [False, True], ids=["nothing written", "written, and called failed"])
async def test_decisions_go_on_and_everything_is_written_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bool
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=False, n=0))
        agent.transactions.half = half
        agent.transactions.broken = "Input/output error"
        await offer(agent, [2])
        await until(lambda: agent.outputs)
        assert agent.outputs[0].value == "on", "the siren does not need a disk"
        await until(lambda: agent.pipeline.trouble)
        assert agent.pipeline.trouble == "Input/output error"
        await until(lambda: len(agent.media) == 2)
        await offer(agent, [3, 4])
        await until(lambda: len(agent.outputs) == 2)
        await until(lambda: len(agent.unlogged) >= 10)
        assert agent.steps.count("ack") == 1, "no acknowledgement before it is durable"
        kinds = [row.kind for row in agent.unlogged]
        assert kinds[0] == "contact.opened"
        assert "store.failed" in kinds
        assert kinds.count("incident.opened") == 2
        agent.transactions.broken = None
        await until(lambda: agent.pipeline.trouble is None)
        assert agent.steps.count("ack") == 4
        assert await numbers(agent) == [0, 2, 3, 4]
        assert (await agent.rows())[-1] == "store.restored"
        assert "Input/output error" in (await body(agent, "store.failed"))["reason"]
        restored = await body(agent, "store.restored")
        assert restored == {"journalled": 4, "acked_before_durable": 0}
        assert len(set(await agent.rows("id"))) == len(await agent.rows("id"))
        await agent.store.log.verify(0)
        await agent.send(agent.contact(opened=False, n=5))
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


async def test_past_half_a_brokers_window_the_oldest_are_let_go_marked_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        agent.transactions.broken = "no room left"
        await offer(agent, range(MAX_UNACKED + 7))
        await until(lambda: agent.steps.count("ack") == 7)
        assert (tmp_path / "marker").exists()
        agent.transactions.broken = None
        await until(lambda: agent.pipeline.trouble is None)
        assert agent.steps.count("ack") == MAX_UNACKED + 7
        assert not (tmp_path / "marker").exists()
        marked = await agent.rows("bytes", "WHERE acked_before_durable = 1 AND kind LIKE 'contact.%'")
        assert [json.loads(data)["body"]["n"] for data in marked] == list(range(7))
        assert (await body(agent, "store.restored"))["acked_before_durable"] == 7
        assert await numbers(agent) == list(range(MAX_UNACKED + 7))


async def test_what_had_to_be_given_up_is_a_gap_with_a_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "MAX_ROWS", 40)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        agent.transactions.broken = "no room left"
        await offer(agent, range(1, 200, 2))  # all of them close the door: one row each
        await until(lambda: agent.journal.given_up)
        given_up = agent.journal.given_up
        agent.transactions.broken = None
        await until(lambda: agent.pipeline.trouble is None)
        gap = await body(agent, "log.gap")
        assert gap["count"] == given_up
        assert "given up" in gap["reason"]
        assert (await numbers(agent))[-1] == 199, "the newest are kept"
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state, "a snapshot stands for what the log has lost"


async def test_repeatable_facts_are_told_apart_while_the_log_cannot_be_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        agent.transactions.broken = "no room left"

        async def unread(ids: Sequence[str]) -> set[str]:
            raise StoreError("cannot be read either")

        fact = agent.contact(opened=True)
        with monkeypatch.context() as patch:
            patch.setattr(agent.store.log, "known", unread)
            first = asyncio.create_task(agent.intake.decide(fact))
            await until(lambda: len(agent.media) == 2)
            second = asyncio.create_task(agent.intake.decide(fact))
            await until(lambda: len(agent.journal) >= 3)
        assert len(agent.outputs) == 1
        agent.transactions.broken = None
        assert len(await first) > 1
        assert await second == []
        assert (await agent.rows()).count("contact.opened") == 1


async def test_what_was_decided_and_repeats_what_the_log_has_does_not_block_the_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        fact = agent.contact(opened=True, n=1)
        await agent.send(fact)
        await agent.send(fact)  # not marked as repeatable: a fault of its sender, and no reason to stop writing
        await agent.send(agent.contact(opened=False, n=2))
        assert agent.pipeline.trouble is None
        assert await numbers(agent) == [1, 2]
        assert (await agent.rows()).count("store.restored") == 1


async def test_a_stop_while_it_fails_is_not_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            agent.transactions.broken = "no room left"
            await offer(agent, [0])
            await until(lambda: agent.pipeline.trouble)
        await agent.pipeline.finish()
        assert "ack" not in agent.steps
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    assert not store.clean
    await store.database.close()


async def test_a_stop_tries_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_FIRST", 3_600_000_000)
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            agent.transactions.broken = "no room left"
            await offer(agent, [0])
            await until(lambda: agent.pipeline.trouble)
        agent.transactions.broken = None
        await agent.pipeline.finish()
        assert agent.steps.count("ack") == 1
        assert (await agent.rows())[-1] == "store.restored"
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    assert store.clean
    await store.database.close()


async def test_a_log_that_vanished_is_not_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=False, n=0))
        agent.transactions.broken = "Input/output error"
        await offer(agent, [2])
        await until(lambda: agent.pipeline.trouble)
        (tmp_path / "log.db").rename(tmp_path / "elsewhere")
        agent.transactions.broken = None
        await until(lambda: "is gone" in str(agent.pipeline.trouble))
        (tmp_path / "elsewhere").rename(tmp_path / "log.db")
        await until(lambda: agent.pipeline.trouble is None)
        assert await numbers(agent) == [0, 2]
