"""A fault of the program in one fact, or in one deadline: told, put aside, and everything else goes on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agent import writer as module
from agent.intake import Input
from agent.keeper import Keeper, Undecided
from agent.recovery import restore
from agent.store.opening import open_store
from rules import wire
from rules.actions import Action
from rules.engine import Engine
from rules.errors import WireError
from rules.events import ContactClosed, ContactOpened, EngineFailed, Event, TimePassed
from rules.outputs import Outputs
from rules.turn import Turn
from tests.unit.agent_rig import GATEWAY, SITE_SHA, Rig, rig, site, until

POISON = 13  # the counter `n` of a contact's message that the engine cannot decide


class Faulty:
    """A fault in the middle of a step: what was done of it by then is not undone by itself."""

    def __init__(self, patch: pytest.MonkeyPatch, *, times: int = 10**9) -> None:
        self.times = times
        original = Engine._device

        def device(engine: Engine, turn: Turn, event: Any) -> None:
            original(engine, turn, event)
            if event.n == POISON and self.times:
                self.times -= 1
                raise KeyError("what is secret: 4711")

        patch.setattr(Engine, "_device", device)


def nothing(actions: list[Action]) -> None:
    pass


def engine() -> Engine:
    return Engine(site=site(), site_sha256=SITE_SHA, origin=GATEWAY)


def again(data: bytes) -> Engine:
    return Engine.restore(data, site=site(), site_sha256=SITE_SHA, origin=GATEWAY)


def opened(n: int, *, kind: type[ContactOpened | ContactClosed] = ContactOpened) -> Event:
    return kind(id=f"00000000-0000-8000-8000-{n:012d}", gt=n * 1_000_000, wall=n * 1_000_000, device="door", n=n)


# --- the keeper ---


@pytest.mark.parametrize("every", [1, 3, 1000])
def test_after_a_failure_it_is_as_if_the_fact_had_not_been(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    Faulty(monkeypatch)
    keeper, reference = Keeper(engine=engine(), restore=again, every=every), engine()
    for n in range(1, 30):
        fact = opened(n, kind=ContactClosed if n % 2 else ContactOpened)
        if n == POISON:
            with pytest.raises(Undecided) as failure:
                keeper.step(fact, nothing)
            assert failure.value.timer is None
            assert str(failure.value).startswith("KeyError in tests/unit/test_agent_keeper.py, line ")
            assert "4711" not in str(failure.value)
            assert failure.value.__cause__ is None
            continue
        actions, _ = keeper.step(fact, nothing)
        assert actions == reference.step(fact)
        assert keeper.engine.snapshot() == reference.snapshot()


def test_what_cannot_be_written_down_is_not_decided_either() -> None:
    keeper, reference = Keeper(engine=engine(), restore=again), engine()

    def cannot(actions: list[Action]) -> None:
        raise WireError("a record cannot be written as JSON")

    with pytest.raises(Undecided):
        keeper.step(opened(1), cannot)
    assert keeper.engine.snapshot() == reference.snapshot()


def test_a_fault_that_comes_back_while_it_begins_again_costs_one_fact_more(monkeypatch: pytest.MonkeyPatch) -> None:
    faulty = Faulty(monkeypatch, times=0)
    keeper = Keeper(engine=engine(), restore=again)
    keeper.step(opened(POISON), nothing)
    keeper.step(opened(POISON + 1, kind=ContactClosed), nothing)
    faulty.times = 10**9
    with pytest.raises(Undecided):
        keeper.step(Event(id="x", gt=None, wall=0), boom)  # type: ignore[arg-type]
    reference = engine()
    reference.step(opened(POISON + 1, kind=ContactClosed))
    assert keeper.engine.snapshot() == reference.snapshot()


def boom(actions: list[Action]) -> None:
    raise RuntimeError


# --- the pipeline ---


async def poison(agent: Rig) -> None:
    await agent.send(
        agent.contact(opened=False, n=1), agent.contact(opened=True, n=POISON), agent.contact(opened=False, n=3)
    )


async def test_a_poisonous_event_is_kept_told_and_acknowledged_and_the_core_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Faulty(monkeypatch)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await poison(agent)
        assert agent.outputs == [], "what failed half-way leaves nothing"
        await agent.send(agent.contact(opened=True, n=4))
        assert [(action.device, action.value) for action in agent.outputs] == [("siren", "on")]
        assert await agent.rows("kind, input", "WHERE pos <= 6") == [
            ("contact.closed", 1),
            ("engine.failed", 1),
            ("incident.opened", 0),
            ("contact.opened", 0),  # kept, and no input of a replay
            ("contact.closed", 1),
            ("contact.opened", 1),
        ]
        (failed,) = await agent.rows("bytes", "WHERE kind = 'engine.failed'")
        body = json.loads(failed)["body"]
        assert (body["told"], body["of"]) == ("contact.opened", "door")
        assert "4711" not in failed.decode()
        (incident,) = await agent.rows("bytes", "WHERE kind = 'incident.opened' AND pos < 5")
        said = json.loads(incident)["body"]
        assert said["title"] == "Nightporter could not decide contact.opened of door: look there yourself"
        assert said["severity"] == "high"
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state, "a restart meets it no more"


async def test_a_storm_of_poison_is_one_incident(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Faulty(monkeypatch)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        for _ in range(20):
            await agent.send(agent.contact(opened=True, n=POISON))
        kinds = await agent.rows()
    assert kinds.count("incident.opened") == 1
    assert kinds.count("engine.failed") == kinds.count("contact.opened") == 20


async def test_a_command_that_fails_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Faulty(monkeypatch)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        async with asyncio.timeout(10):
            assert await agent.intake.decide(agent.contact(opened=True, n=POISON)) == []


async def test_while_the_log_cannot_be_written_it_is_journalled_like_everything_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Faulty(monkeypatch)
    monkeypatch.setattr(module, "_RETRY_FIRST", 0)
    monkeypatch.setattr(module, "_RETRY_LONGEST", 0)
    async with rig(tmp_path, monkeypatch) as agent:
        agent.transactions.broken = "Input/output error"
        await agent.turn(Input(fact=agent.contact(opened=True, n=POISON)))
        assert "store.failed" in agent.steps or agent.unlogged
        agent.transactions.broken = None
        await agent.turn(Input(fact=agent.contact(opened=False, n=2)))
        assert agent.pipeline.trouble is None
        kinds = await agent.rows()
        assert {"engine.failed", "contact.opened", "contact.closed", "store.restored"} <= set(kinds)
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


async def test_a_reading_that_fails_has_a_row_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Engine._device

    def device(engine: Engine, turn: Turn, event: Any) -> None:
        original(engine, turn, event)
        if getattr(event, "value", 0) == POISON:
            raise RuntimeError

    monkeypatch.setattr(Engine, "_device", device)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=False))
        await agent.send(agent.temperature(1.0), agent.temperature(POISON), agent.temperature(2.0))
        await agent.send(agent.contact(opened=False))
        kinds = [(kind, flag) for kind, flag in await agent.rows("kind, input") if not kind.startswith("incident")]
        assert kinds == [
            ("contact.closed", 1),
            ("readings.packed", 1),
            ("engine.failed", 1),
            ("reading.temperature", 0),
            ("readings.packed", 1),
            ("contact.closed", 1),
        ]
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


def broken_lapse(patch: pytest.MonkeyPatch) -> None:
    def lapse(outputs: Outputs, turn: Turn, device: str) -> None:
        raise ZeroDivisionError

    patch.setattr(Outputs, "lapse", lapse)


async def test_a_poisonous_deadline_is_given_up_and_what_met_it_is_decided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_lapse(monkeypatch)
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=True, n=1))  # the siren, for an hour
        agent.clock.base += 3_700_000_000
        await agent.send(agent.contact(opened=False, n=2))
        await until(lambda: agent.engine.next_wake() is None)
        failed = await agent.rows("bytes", "WHERE kind = 'engine.failed'")
        assert [json.loads(data)["body"]["timer"] for data in failed] == ["level until siren"]
        assert await agent.rows("input", "WHERE kind = 'contact.closed'") == [1]
        assert len(await agent.rows("kind", "WHERE kind = 'incident.opened'")) == 2, "and somebody is told to look"
        state = agent.engine.snapshot()
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.snapshot() == state


# --- the replay ---


async def test_a_replay_leaves_out_what_fails_and_the_start_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade whose program fails at what the older one decided."""
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await poison(agent)
        await agent.send(agent.contact(opened=True, n=4))
    forget_snapshots(tmp_path)
    Faulty(monkeypatch)
    broken_lapse(monkeypatch)
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    try:
        restored = await restore(store, site=site(), site_sha256=SITE_SHA, gateway=GATEWAY)
        assert restored.left_out == ["contact.opened"]
        assert restored.replayed == 4
        levels = json.loads(restored.engine.snapshot())["state"]["levels"]
        assert levels["siren"]["value"] == "on", "what came after it counts"
        late = TimePassed(**agent.clock.header() | {"gt": agent.clock.gt() + 3_700_000_000})
        keeper = Keeper(engine=restored.engine, restore=partial(again))
        with pytest.raises(Undecided) as failure:
            keeper.step(late, nothing)
        assert failure.value.timer == "level until siren"
    finally:
        await store.database.close()


async def test_a_replay_gives_up_a_deadline_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, monkeypatch) as agent, agent.running():
        await agent.send(agent.contact(opened=True, n=1))
        agent.clock.base += 3_700_000_000
        await agent.send(agent.contact(opened=False, n=2))
    forget_snapshots(tmp_path)
    broken_lapse(monkeypatch)
    store = await open_store(tmp_path / "log.db", gateway=GATEWAY)
    try:
        restored = await restore(store, site=site(), site_sha256=SITE_SHA, gateway=GATEWAY)
        assert restored.left_out == ["the deadline level until siren"]
        assert json.loads(restored.engine.snapshot())["state"]["devices"] == {"door": "closed"}
    finally:
        await store.database.close()


def forget_snapshots(folder: Path) -> None:
    connection = sqlite3.connect(folder / "log.db")
    connection.execute("DELETE FROM snapshot")
    connection.commit()
    connection.close()


def test_the_fact_of_a_failure_survives_the_wire() -> None:
    header: dict[str, Any] = {"id": "00000000-0000-8000-8000-000000000001", "gt": 1, "wall": 2}
    bodies: list[dict[str, Any]] = [{"fact": "f", "told": "contact.opened", "of": "door"}, {"timer": "panel exit g"}]
    for body in bodies:
        fact = EngineFailed(**header, reason="KeyError", **body)
        assert wire.event(wire.read(wire.encode(fact))) == fact
