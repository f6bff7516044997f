"""The channel: heartbeats, commands, entries and questions over one WebSocket that breaks whenever it likes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from starlette.websockets import WebSocket

from agent.channel.commands import Commands
from agent.channel.relay import RelayChannel
from agent.clock import wall_now
from agent.config.pepper import Pepper
from agent.errors import AgentError
from agent.intake import Input
from rules import wire
from rules.events import CommandReceived
from rules.incidents import Entry
from tests.integration.fake_relay import FakeRelay
from tests.integration.outlet_rig import GATEWAY, Rig, rig, running, until


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "agent") as made:
        yield made


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay(gateway=GATEWAY)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "relay.sock"


def channel(building: Rig, at: Path, **options: Any) -> RelayChannel:
    defaults: dict[str, Any] = {
        "states": lambda: {"cloud": wire.OutletState(reachable=True, keeps_copy=True, behind=3)},
        "questions": {},
        "ceiling": 0.2,
    }
    return RelayChannel(
        **(defaults | options),
        name="cloud",
        socket=at,
        gateway=GATEWAY,
        epoch=lambda: building.store.epoch,
        software="nightporter test",
        database=building.store.database,
        cursors=building.store.cursors,
        intake=building.intake,
        clock=building.clock,
    )


def command(name: str = "silence", *, id: str = "c-1", expires: int | None = None, **options: Any) -> wire.Command:
    expires = wall_now() + 60_000_000 if expires is None else expires
    return wire.Command(id=id, actor="guard", name=name, args={"device": "siren-1"}, expires=expires, **options)


def entry(number: int, *, incident: str = "i-1") -> str:
    fact = Entry(
        id=f"00000000-0000-8000-8000-{number:012d}",
        kind="incident.noted",
        incident=incident,
        lamport=number + 1,
        origin="cloud",
        wall=wall_now(),
        by="guard",
        body={"note": f"note {number}"},
    )
    return wire.encode(fact).decode()


async def stream(relay: FakeRelay) -> WebSocket:
    await until(lambda: relay.streams)
    await relay.expect(wire.Pull)
    return relay.streams[-1]


# --- hello and heartbeats ------------------------------------------------------------------------------------------


async def test_it_says_who_it_is_and_that_it_lives(building: Rig, relay: FakeRelay, at: Path) -> None:
    made = channel(building, at, heartbeat=0.05)
    async with relay.listening(at), running(made):
        hello = await relay.expect(wire.AgentHello)
        assert (hello.gateway, hello.epoch, hello.software) == (GATEWAY, building.store.epoch, "nightporter test")
        beats = [await relay.expect(wire.Heartbeat) for _ in range(3)]
        assert made.connected
    assert beats[0].outlets["cloud"].behind == 3
    assert not made.connected


async def test_it_dials_again_and_tells_the_outlet(building: Rig, relay: FakeRelay, at: Path) -> None:
    heard: list[bool] = []
    made = channel(building, at, heard=lambda: heard.append(True))
    async with running(made):
        for times in (1, 2):
            async with relay.listening(at):
                await relay.expect(wire.AgentHello)
                await until(lambda times=times: len(heard) == times)  # type: ignore[misc]
            await until(lambda: not made.connected)


# --- commands ------------------------------------------------------------------------------------------------------


async def test_a_command_is_decided_logged_and_answered_once(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(channel(building, at)):
        line = await stream(relay)
        asked = command(proof={"pin": "4711"})
        for _ in range(3):
            await line.send_text(asked.text())
        outcome = await relay.expect(wire.Outcome)
        assert (outcome.command, outcome.state, outcome.reason) == ("c-1", "done", "told to be silent")
        await line.send_text(asked.text())
        assert (await relay.expect(wire.Outcome)) == outcome
    (received,) = building.told(CommandReceived)
    assert (received.command, received.actor, received.outlet, received.name) == ("c-1", "guard", "cloud", "silence")
    held = await building.held("P1")
    assert len(held) == 2
    assert not any(b"4711" in data or b"proof" in data for data in held)


async def test_a_proof_becomes_a_digest_at_once_and_its_digits_are_nowhere(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    pepper = Pepper.read("0f" * 32)
    with structlog.testing.capture_logs() as lines:
        async with relay.listening(at), running(channel(building, at, digest=pepper.code)):
            line = await stream(relay)
            proofs = [{"pin": "829417"}, {"pin": "829417x"}, {"code": "829417"}, {}, None]
            for n, proof in enumerate(proofs):
                await line.send_text(command("disarm", id=f"c-{n}", proof=proof).text())
                await relay.expect(wire.Outcome)
    digests = [received.digest for received in building.told(CommandReceived)]
    assert digests == [pepper.code("829417"), None, None, None, None]
    assert "829417" not in str(lines)
    for path in building.directory.rglob("*"):
        assert not path.is_file() or b"829417" not in path.read_bytes(), path


async def test_a_proof_is_not_even_read_where_the_people_are_not_in_the_building(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    outcomes: list[wire.Outcome] = []

    async def reply(outcome: wire.Outcome) -> None:
        outcomes.append(outcome)

    commands = Commands(
        outlet="cloud", intake=building.intake, clock=building.clock, database=building.store.database, reply=reply
    )
    task = asyncio.create_task(commands.run())
    await commands.take(command("disarm", proof={"pin": "829417"}))
    await until(lambda: outcomes)
    task.cancel()
    assert [received.digest for received in building.told(CommandReceived)] == [None]
    over_the_network = RelayChannel(
        name="cloud", url="https://relay.example:8443", identity=at.parent, gateway=GATEWAY,
        epoch=lambda: building.store.epoch, software="t", database=building.store.database,
        cursors=building.store.cursors,
        intake=building.intake, clock=building.clock, states=dict, questions={}, digest=Pepper.fresh()[0].code,
    )  # fmt: skip
    assert over_the_network._commands._digest is None


async def test_an_outcome_survives_a_restart(tmp_path: Path, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at):
        async with rig(tmp_path / "agent") as building, running(channel(building, at)):
            await (await stream(relay)).send_text(command().text())
            first = await relay.expect(wire.Outcome)
        await until(lambda: not relay.streams)
        async with rig(tmp_path / "agent") as building, running(channel(building, at)):
            # Asked again, and too late by now: what it became is still the answer.
            await (await stream(relay)).send_text(command(expires=1).text())
            assert await relay.expect(wire.Outcome) == first
            assert building.told(CommandReceived) == []


async def test_an_expired_command_is_refused_and_not_logged(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(channel(building, at)):
        await (await stream(relay)).send_text(command(expires=wall_now() - 1_000_000).text())
        outcome = await relay.expect(wire.Outcome)
    assert (outcome.state, outcome.reason.partition(":")[0]) == ("refused", "expired")
    assert building.told(CommandReceived) == []


async def test_a_command_expires_by_the_clock_of_the_relay(
    building: Rig, relay: FakeRelay, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway whose clock stands ten years ahead is no gateway that refuses everything."""
    ahead = 10 * 365 * 86_400 * 1_000_000
    monkeypatch.setattr("agent.channel.relay.wall_now", lambda: wall_now() + ahead)
    async with relay.listening(at), running(channel(building, at)):
        await (await stream(relay)).send_text(command().text())
        outcome = await relay.expect(wire.Outcome)
    assert outcome.state == "done"


async def test_what_the_engine_refuses_is_refused(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(channel(building, at)):
        await (await stream(relay)).send_text(command("disarm").text())
        outcome = await relay.expect(wire.Outcome)
    assert (outcome.state, outcome.reason) == ("refused", "not a command of this gateway")


async def test_too_many_commands_are_refused_as_busy(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(channel(building, at)):
        line = await stream(relay)
        building.working.clear()
        for number in range(20):
            await line.send_text(command(id=f"c-{number}").text())
        outcomes = [await relay.expect(wire.Outcome) for _ in range(3)]
        assert {(outcome.state, outcome.reason.partition(":")[0]) for outcome in outcomes} == {("refused", "busy")}
        building.working.set()
        outcomes += [await relay.expect(wire.Outcome) for _ in range(17)]
    done = [outcome.command for outcome in outcomes if outcome.state == "done"]
    assert done == [f"c-{number}" for number in range(len(done))]
    assert len(done) in (16, 17)  # those that wait, and the one being decided


async def test_a_command_is_decided_although_the_line_breaks(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with running(channel(building, at)):
        async with relay.listening(at):
            building.working.clear()
            await (await stream(relay)).send_text(command().text())
            await until(lambda: building.taken)
        building.working.set()
        await until(lambda: building.told(CommandReceived))
        async with relay.listening(at):
            await (await stream(relay)).send_text(command().text())
            assert (await relay.expect(wire.Outcome)).state == "done"
    assert len(building.told(CommandReceived)) == 1


# --- entries -------------------------------------------------------------------------------------------------------


async def test_entries_are_stored_verbatim_in_order_and_once(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.entries = [entry(number) for number in range(10)]
    async with relay.listening(at), running(channel(building, at)):
        await until(lambda: building.store.log.head("P0").seq == 10)
        assert [data.decode() for data in await building.held("P0")] == relay.entries
        relay.entries.append(entry(10))
        await until(lambda: relay.streams)
        await relay.answer_pull(relay.streams[-1], 10)
        await until(lambda: building.store.log.head("P0").seq == 11)
    assert await building.store.cursors.entries_after("cloud") == 11


async def test_entries_go_on_after_a_restart_without_being_stored_twice(
    tmp_path: Path, relay: FakeRelay, at: Path
) -> None:
    relay.entries = [entry(number) for number in range(5)]
    async with relay.listening(at):
        async with rig(tmp_path / "agent") as building, running(channel(building, at)):
            await until(lambda: building.store.log.head("P0").seq == 5)
        async with rig(tmp_path / "agent") as building:
            async with building.store.database.transaction() as transaction:  # a cursor that is behind its entries
                await building.store.cursors.set_entries_after(transaction, "cloud", 2)
            relay.entries.append(entry(5))
            async with running(channel(building, at)):
                await until(lambda: building.store.log.head("P0").seq == 6)
            assert len(await building.held("P0")) == 6


async def test_a_malformed_entry_stops_nothing(building: Rig, relay: FakeRelay, at: Path) -> None:
    good = [entry(number) for number in range(2)]
    relay.entries = ["not json", good[0], '{"id":"x"}', good[1], entry(2).replace("incident.noted", "door.opened"), ""]
    async with relay.listening(at), running(channel(building, at)):
        await until(lambda: building.store.log.head("P0").seq == 2)
        while await building.store.cursors.entries_after("cloud") != 6:
            await asyncio.sleep(0.005)
    assert [data.decode() for data in await building.held("P0")] == good


async def test_an_empty_answer_is_not_asked_about_again_at_once(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(channel(building, at)):
        line = await stream(relay)
        for _ in range(3):
            await line.send_text(wire.Entries(after=0, next=0, items=[]).text())
        await asyncio.sleep(0.2)
        assert not any(isinstance(message, wire.Pull) for message in relay.heard._queue)  # type: ignore[attr-defined]


# --- questions -----------------------------------------------------------------------------------------------------


async def test_questions_are_answered_or_said_no_to(building: Rig, relay: FakeRelay, at: Path) -> None:
    async def why(args: dict[str, str]) -> dict[str, Any]:
        return {"because": args["what"]}

    async def broken(args: dict[str, str]) -> dict[str, Any]:
        raise AgentError("the log cannot be read just now")

    async with relay.listening(at), running(channel(building, at, questions={"why": why, "broken": broken})):
        line = await stream(relay)
        answers = {}
        for question in ("why", "broken", "else"):
            await line.send_text(wire.Ask(id=f"q-{question}", question=question, args={"what": "door"}).text())
            answers[question] = await relay.expect(wire.Answer)
    assert (answers["why"].ask, answers["why"].ok, answers["why"].result) == ("q-why", True, {"because": "door"})
    assert (answers["broken"].ok, answers["broken"].reason) == (False, "the log cannot be read just now")
    assert not answers["else"].ok


async def test_a_slow_question_does_not_hold_up_a_command(building: Rig, relay: FakeRelay, at: Path) -> None:
    never = asyncio.Event()

    async def slow(args: dict[str, str]) -> dict[str, Any]:
        await never.wait()
        return {}

    async with relay.listening(at), running(channel(building, at, questions={"slow": slow})):
        line = await stream(relay)
        for number in range(6):
            await line.send_text(wire.Ask(id=f"q-{number}", question="slow").text())
        await line.send_text(command().text())
        busy = await relay.expect(wire.Answer)
        assert "busy" in busy.reason
        assert (await relay.expect(wire.Outcome)).state == "done"


# --- what else may come --------------------------------------------------------------------------------------------


async def test_unknown_and_broken_messages_are_passed_over(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(channel(building, at)):
        line = await stream(relay)
        for text in ('{"type":"tomorrow","x":1}', "{", "[]", '{"type":"command"}', "null", ""):
            await line.send_text(text)
        await line.send_bytes(b"\x00\xff")
        await line.send_text(command().text())
        assert (await relay.expect(wire.Outcome)).state == "done"


async def test_a_frame_that_is_too_large_ends_the_line_not_the_service(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    async with relay.listening(at), running(channel(building, at)):
        line = await stream(relay)
        await line.send_text("x" * 1_100_000)
        await until(lambda: line not in relay.streams)
        again = await stream(relay)
        await again.send_text(command().text())
        assert (await relay.expect(wire.Outcome)).state == "done"


async def test_a_relay_that_talks_nonsense_is_hung_up_on(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(channel(building, at)):
        line = await stream(relay)
        for _ in range(100):
            await line.send_text("nonsense")
        await until(lambda: line not in relay.streams)


async def test_what_cannot_be_logged_is_told_at_once(building: Rig, relay: FakeRelay, at: Path) -> None:
    made = channel(building, at)
    made.unlogged([b'{"n":0}'])
    async with relay.listening(at), running(made):
        assert (await relay.expect(wire.Unlogged)).items == ['{"n":0}']
        made.unlogged([b'{"n":1}', b'{"n":2}'])
        assert (await relay.expect(wire.Unlogged)).items == ['{"n":1}', '{"n":2}']
        made.unlogged([b"x" * 65_536] * 20)
        assert sum(len(message.items) for message in [await relay.expect(wire.Unlogged) for _ in range(5)]) == 20


async def test_an_entry_that_came_before_moves_the_cursor_all_the_same(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    relay.entries = [entry(0)]
    record = wire.read(entry(0).encode())
    await building.intake.offer(Input(fact=wire.entry(record), data=record.data))
    async with relay.listening(at), running(channel(building, at)):
        while await building.store.cursors.entries_after("cloud") != 1:
            await asyncio.sleep(0.005)
    assert len(await building.held("P0")) == 1
