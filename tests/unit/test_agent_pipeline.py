"""The one ordered loop: local outputs first, then the disk, then acknowledgements and the rest."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from agent import pipeline as module
from agent import readings as readings_module
from agent.intake import Input, Intake
from agent.store import meta, promises, snapshots
from agent.store.opening import open_store
from rules import ids
from rules.actions import Action, SaveClip, TakeStill
from rules.events import ClipOpened, MediaRefused, StillTaken
from rules.incidents import Entry
from tests.unit.agent_rig import GATEWAY, SITE, rig, until


async def test_an_alarm_sounds_before_the_disk_and_is_acknowledged_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=True))
        assert agent.steps == ["output", "commit", "ack", "media", "media"]
        assert [(action.device, action.value) for action in agent.outputs] == [("siren", "on")]
        assert await agent.rows() == [
            "contact.opened", "incident.opened", "effect.commanded", "incident.evidence", "incident.evidence",
        ]  # fmt: skip
        assert await agent.rows("input") == [1, 0, 0, 0, 0]


async def test_whatever_queued_together_is_one_commit_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        for n in range(50):
            await agent.intake.offer(Input(fact=agent.contact(opened=n % 2 == 0, n=n)))
        async with agent.running():
            await until(lambda: "commit" in agent.steps)
        assert agent.steps.count("commit") == 1
        bodies = [json.loads(data)["body"] for data in await agent.rows("bytes", "WHERE kind LIKE 'contact.%'")]
        assert [body["n"] for body in bodies] == list(range(50))


async def test_what_one_message_says_is_never_parted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUP", 1)
    async with rig(tmp_path, monkeypatch) as agent:
        first, second, third = (agent.contact(opened=n == 1) for n in range(3))
        await agent.intake.offer(Input(fact=first), Input(fact=second))
        await agent.intake.offer(Input(fact=third))
        assert [item.fact for item in await agent.intake.take(1)] == [first, second]
        assert len(agent.intake) == 1


async def test_a_full_intake_makes_whoever_offers_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        intake = Intake(bound=2)
        await intake.tell(agent.contact(opened=True))
        await intake.tell(agent.contact(opened=False))
        waiting = asyncio.create_task(intake.tell(agent.contact(opened=True)))
        await asyncio.sleep(0)
        assert not waiting.done()
        assert len(await intake.take(10)) == 2
        await waiting
        assert len(intake) == 1


async def test_readings_are_let_go_on_receipt_and_written_before_whatever_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=False))
        agent.steps.clear()
        await agent.send(agent.temperature(20.0), agent.temperature(21.0))
        assert agent.steps == ["ack", "ack"], "without a commit"
        await agent.send(agent.contact(opened=True))
        kinds = await agent.rows()
        assert kinds[:3] == ["contact.closed", "readings.packed", "contact.opened"]
        (packed,) = await agent.rows("bytes", "WHERE kind = 'readings.packed'")
        assert json.loads(packed)["body"]["values"] == [20.0, 21.0]


async def test_the_logs_order_is_the_engines_order_within_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        facts = [
            agent.temperature(1.0), agent.contact(opened=False), agent.temperature(2.0), agent.temperature(3.0),
            agent.contact(opened=True), agent.temperature(4.0),
        ]  # fmt: skip
        for fact in facts:
            await agent.intake.offer(Input(fact=fact))
        async with agent.running():
            await until(lambda: "commit" in agent.steps)
        values = [json.loads(data)["body"].get("values") for data in await agent.rows("bytes", "WHERE input = 1")]
        # The last one is written too, because the first commit of a run holds a snapshot.
        assert values == [[1.0], None, [2.0, 3.0], None, [4.0]]


async def test_readings_alone_are_written_when_they_are_due(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readings_module, "MAX_WAIT", 1_000)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=False), agent.temperature(20.0))
        await until(lambda: agent.steps.count("commit") == 2)
        assert await agent.rows() == ["contact.closed", "readings.packed"]


async def test_a_reading_that_is_no_news_has_a_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.temperature(20.0, delivery="retained"))
        assert agent.steps == ["commit", "ack"]
        assert await agent.rows() == ["reading.temperature"]


HOT = SITE + """
  - id: hot
    name: Too hot
    when: {event: reading.temperature, device: heat}
    if: [{state: {device: door, is: open}}]
    then:
      - open_incident: {severity: high, title: Hot, group: 0s}
      - save_clip: {cameras: [cam]}
"""


async def test_what_follows_from_a_reading_is_written_at_once_with_its_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch, document=HOT) as agent, agent.running():
        await agent.send(agent.contact(opened=True), agent.temperature(90.0))
        await until(lambda: agent.steps.count("commit") == 2)
        kinds = await agent.rows("kind", "WHERE pos > 5")
        assert kinds == ["readings.packed", "incident.opened", "incident.evidence", "incident.evidence"]
        await until(lambda: len(agent.media) == 4)
        assert len(await promises.load(agent.store.database)) == 4
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch, document=HOT) as agent:
        assert agent.engine.snapshot() == state, "the incident keeps its id over a restart"


async def test_what_the_log_has_is_acknowledged_and_not_decided_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        fact = agent.contact(opened=True)
        first = await agent.intake.decide(fact)
        assert any(isinstance(action, SaveClip) for action in first)
        assert await agent.intake.decide(fact) == [], "nothing new follows"
        twice: list[asyncio.Future[list[Action]]] = []
        other = agent.contact(opened=False)
        for _ in range(2):
            future: asyncio.Future[list[Action]] = asyncio.get_running_loop().create_future()
            twice.append(future)
            await agent.intake.offer(Input(fact=other, repeatable=True, decided=future))
        await asyncio.gather(*twice)
        assert await agent.rows("kind", "WHERE input = 1") == ["contact.opened", "contact.closed"]


async def test_an_entry_made_elsewhere_keeps_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=True))
        (opened,) = await agent.rows("bytes", "WHERE kind = 'incident.opened'")
        incident = json.loads(opened)["body"]["incident"]
        entry = Entry(
            id=ids.derived("x"), kind="incident.acknowledged", incident=incident, lamport=9, origin="cloud",
            wall=5, by="Ada",
        )  # fmt: skip
        data = b'{"as": "its maker wrote it"}'
        written: list[str] = []

        async def also(transaction: object) -> None:
            written.append("also")

        await agent.intake.decide(entry, data=data, also=also)
        assert written == ["also"]
        assert (await agent.rows("bytes"))[-1] == data


async def test_promises_stand_until_the_worker_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.store.blobs.serve(["cloud"], gt=0)
        await agent.send(agent.contact(opened=True))
        await until(lambda: len(agent.media) == 2)
        still, clip = agent.media
        assert isinstance(still, TakeStill)
        assert isinstance(clip, SaveClip)
        owed = {subject for subject, _, _ in await promises.load(agent.store.database)}
        assert owed == {still.id, clip.id}
        taken = StillTaken(
            **agent.clock.header(), still=still.still, incident=still.incident, camera="cam", sha256="a" * 64,
            bytes=9, taken=1, width=2, height=2,
        )  # fmt: skip
        await agent.send(taken)
        assert [subject for subject, _, _ in await promises.load(agent.store.database)] == [clip.id]
        assert [blob.kind for blob in await agent.store.blobs.waiting("cloud", limit=9)] == ["still"]
        refused = MediaRefused(**agent.clock.header(), what="clip", subject=clip.clip, camera="cam", reason="no")
        await agent.send(refused)
        assert await promises.load(agent.store.database) == []
        opened = ClipOpened(
            **agent.clock.header(), clip=clip.clip, incident=clip.incident, camera="cam", trigger=1, pre=1, post=1,
            start=0, mark=0, width=2, height=2,
        )  # fmt: skip
        await agent.send(opened)  # an answer that nobody waits for any more is only a fact


async def test_a_timer_of_the_engine_wakes_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch, document=SITE.replace("for: 1h", "for: 1ms")) as agent, agent.running():
        await agent.send(agent.contact(opened=True))
        await until(lambda: len(agent.outputs) == 2)
        assert [action.value for action in agent.outputs] == ["on", "off"]
        await until(lambda: agent.steps.count("commit") == 2)
        assert (await agent.rows())[-2:] == ["time.passed", "effect.commanded"]
        assert await agent.rows("lane", "WHERE kind = 'time.passed'") == [None], "it stays home"


async def test_a_stop_finishes_the_turn_then_writes_the_rest_and_marks_it_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.store.clean, "a new store has nothing unclean"
        task = asyncio.create_task(agent.pipeline.run())
        await agent.intake.tell(agent.contact(opened=True))
        await until(lambda: "output" in agent.steps)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert "commit" in agent.steps, "the turn was under way"
        await agent.intake.tell(agent.contact(opened=False))
        await agent.intake.tell(agent.temperature(20.0))
        await agent.pipeline.finish()
        assert (await agent.rows())[-2:] == ["contact.closed", "readings.packed"]
        state = agent.engine.snapshot()
        newest = await anext(snapshots.good(agent.store.database))
        assert newest.data == state
        assert (await agent.rows("pos"))[-1] == newest.pos, "nothing to replay"
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    assert store.clean
    assert (await meta.read_all(store.database))["clean"] == "0", "until the next orderly stop"
    await store.database.close()
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    assert not store.clean
    await store.database.close()
