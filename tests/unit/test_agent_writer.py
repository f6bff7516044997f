"""A disk that takes its time, or does not answer: the building is commanded all the same, and the log is whole."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from agent import writer as module
from agent.intake import Input
from agent.journal import MAX_UNACKED
from agent.pipeline import Pipeline
from tests.unit.agent_rig import Rig, rig, until


async def busy(agent: Rig) -> None:
    """The disk has begun a transaction, and does not answer."""
    agent.transactions.answers.clear()
    await agent.intake.offer(Input(fact=agent.contact(opened=False, n=1), acknowledge=agent.acked(asyncio.Event())))
    await until(lambda: agent.pipeline._writer._group)


async def numbers(agent: Rig) -> list[int]:
    rows = await agent.rows("bytes", "WHERE kind LIKE 'contact.%'")
    return [json.loads(data)["body"]["n"] for data in rows]


async def test_an_alarm_sounds_while_the_disk_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await busy(agent)
        await agent.intake.offer(Input(fact=agent.contact(opened=True, n=2), acknowledge=agent.acked(asyncio.Event())))
        await until(lambda: agent.outputs)
        assert agent.steps == ["output"], "nothing is acknowledged, no picture is asked for"
        agent.transactions.answers.set()
        await until(lambda: len(agent.media) == 2)
        assert agent.steps == ["output", "commit", "ack", "commit", "ack", "media", "media"]
        assert await numbers(agent) == [1, 2]


async def test_without_two_halves_it_would_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a loop that writes before it goes on is silent for as long as the disk is."""
    at_once = Pipeline._next

    async def after_the_disk(self: Pipeline) -> list[Input]:
        while self._writer._group:
            await asyncio.sleep(0)
        return await at_once(self)

    monkeypatch.setattr(Pipeline, "_next", after_the_disk)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await busy(agent)
        await agent.intake.tell(agent.contact(opened=True, n=2))
        for _ in range(200):
            await asyncio.sleep(0)
        agent.transactions.answers.set()
        assert not agent.outputs


async def test_what_is_decided_meanwhile_is_one_transaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await busy(agent)
        for n in range(2, 40):
            await agent.intake.tell(agent.contact(opened=n % 2 == 0, n=n))
        await until(lambda: len(agent.outputs) == 19)
        agent.transactions.answers.set()
        await until(lambda: agent.steps.count("commit") == 2)
        assert await numbers(agent) == list(range(1, 40))


async def test_a_fact_that_comes_again_before_it_is_durable_is_not_decided_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await busy(agent)
        fact = agent.contact(opened=True, n=2)
        first = asyncio.create_task(agent.intake.decide(fact))
        await until(lambda: agent.outputs)
        again = asyncio.create_task(agent.intake.decide(fact))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not first.done()
        assert not again.done(), "it is not durable yet"
        agent.transactions.answers.set()
        assert len(await first) > 1
        assert await again == []
        assert len(agent.outputs) == 1
        assert await numbers(agent) == [1, 2]
        assert not agent.pipeline._decider.undurable


async def test_when_too_much_waits_nothing_more_is_decided_until_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await busy(agent)
        for n in range(2, 7):
            await agent.intake.tell(agent.contact(opened=False, n=n))
        await until(lambda: len(agent.pipeline._decider) >= 5)
        await agent.intake.tell(agent.contact(opened=False, n=7))
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(agent.intake) == 1, "it waits where the broker can see it"
        agent.transactions.answers.set()
        await until(lambda: not len(agent.intake))
        await agent.send(agent.contact(opened=False, n=8))
        assert await numbers(agent) == list(range(1, 9))


@pytest.mark.parametrize("end", ["late", "failed", "half"])
async def test_a_disk_that_does_not_answer_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    """It is told, senders are let go like in any failure, and whatever the disk says in the end nothing is written
    twice or left out."""
    monkeypatch.setattr(module, "_RETRY_FIRST", 1_000)
    monkeypatch.setattr(module, "_RETRY_LONGEST", 2_000)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=False, n=0))
        await busy(agent)
        agent.clock.base += module.PATIENCE
        agent.pipeline._writer.wake()
        await until(lambda: agent.pipeline.trouble)
        assert agent.pipeline.trouble == "the disk has not answered for 10 s"
        assert [row.kind for row in agent.unlogged] == ["contact.closed", "store.failed"]
        for n in range(2, MAX_UNACKED + 4):
            fact = agent.contact(opened=n == 2, n=n)
            await agent.intake.offer(Input(fact=fact, acknowledge=agent.acked(asyncio.Event())))
        await until(lambda: agent.steps.count("ack") == 4)
        assert agent.outputs
        assert agent.media, "pictures are asked for at once"
        agent.transactions.half = end == "half"
        agent.transactions.broken = None if end == "late" else "Input/output error"
        agent.transactions.answers.set()
        await until(lambda: agent.pipeline._writer._disk is None or agent.transactions.broken is None)
        agent.transactions.broken = None
        await until(lambda: agent.pipeline.trouble is None)
        assert await numbers(agent) == list(range(MAX_UNACKED + 4))
        assert (await agent.rows()).count("store.restored") == 1
        assert agent.steps.count("ack") == MAX_UNACKED + 4
        assert agent.steps.count("media") == len(agent.media) == 2
        assert not (tmp_path / "marker").exists()
        await agent.store.log.verify(0)
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


async def test_a_stop_waits_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            await busy(agent)
            await agent.intake.tell(agent.contact(opened=True, n=2))
            await until(lambda: agent.outputs)
            asyncio.get_running_loop().call_later(0, agent.transactions.answers.set)
        assert await numbers(agent) == [1, 2]


@pytest.mark.parametrize("seed", range(30))
async def test_whatever_the_disk_does_the_log_holds_what_was_decided(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts, a disk that dawdles, fails, half fails, gives up answering; in the end the log is the engine's memory."""
    monkeypatch.setattr(module, "_RETRY_FIRST", 1)
    monkeypatch.setattr(module, "_RETRY_LONGEST", 2)
    chance = random.Random(seed)
    sent: list[int] = []
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            for n in range(120):
                match chance.choice("ooocccrrwwbmhft"):
                    case "o" | "c" as how:
                        await agent.intake.tell(agent.contact(opened=how == "o", n=n))
                        sent.append(n)
                    case "r":
                        await agent.intake.tell(agent.temperature(float(n)))
                    case "w":
                        for _ in range(chance.randrange(30)):
                            await asyncio.sleep(0)
                    case "b":
                        agent.transactions.answers.clear()
                    case "m":
                        agent.transactions.broken = None
                        agent.transactions.answers.set()
                    case "h" | "f" as how:
                        agent.transactions.half = how == "h"
                        agent.transactions.broken = "Input/output error"
                        agent.transactions.answers.set()
                    case _:
                        agent.clock.base += module.PATIENCE
                        agent.pipeline._writer.wake()
            agent.transactions.broken = None
            agent.transactions.answers.set()
            await agent.send(agent.contact(opened=False, n=999))
            await until(lambda: agent.pipeline.trouble is None)
        assert await numbers(agent) == [*sent, 999]
        rows = await agent.rows("id")
        assert len(set(rows)) == len(rows)
        await agent.store.log.verify(0)
        await agent.pipeline.finish()
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state
