"""The channel over TLS and the Unix socket: entries down by cursor, commands with outcomes, questions, who is out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from relay.api import channel as channel_module
from relay.api import gate as gate_module
from relay.errors import NoAnswer, NotConnected, Refused
from relay.store.schema import command, gateway, notice
from rules import events, wire
from tests.integration.relay_rig import Place, Running, common, entry, inside, now, opened


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    async with inside(Place.found(tmp_path)) as running:
        yield running


async def receive(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(5):
        return json.loads(await socket.recv())  # type: ignore[no-any-return]


async def told(socket: ClientConnection, what: str) -> dict[str, Any]:
    message = await receive(socket)
    assert message["type"] == what, message
    return message


async def ended(socket: ClientConnection) -> tuple[int, str]:
    """The close code and reason, whatever is said before."""
    try:
        async with asyncio.timeout(8):
            while True:
                await socket.recv()
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (0, "cut")


async def until_connected(relay: Running, name: str = "gw-1") -> None:
    assert relay.relay is not None
    async with asyncio.timeout(5):
        with relay.relay.changes.subscribe() as watcher:
            while not relay.relay.hub.connected(name):
                await watcher.next(0.05)


async def test_what_a_person_does_here_reaches_the_gateway_as_exact_bytes(relay: Running) -> None:
    assert relay.relay is not None
    async with relay.gateway() as client:
        first = opened()
        await client.deliver("P0", first)
        async with client.channel() as socket:
            await socket.send(wire.Pull(after=0).text())
            empty = await told(socket, "entries")
            assert (empty["items"], empty["next"]) == ([], 0)
            made = await relay.relay.incidents.act(
                incident=first.incident, kind="acknowledged", by="Dana", note="on my way"
            )
            pushed = await told(socket, "entries")
            assert pushed["items"] == [wire.encode(made).decode()]
            assert (made.origin, made.lamport) == ("cloud-1", 2)
            await socket.send(wire.Pull(after=pushed["next"]).text())
            assert (await told(socket, "entries"))["items"] == []
            # The gateway stores it in its own log, which comes up again: known, and not handed down once more.
            account = client.lane("P0")
            account.add(first, made)
            answer = await client.post("P0", account.batch(2))
            assert answer.json()["seq"] == 2
        async with client.channel() as socket:
            await socket.send(wire.Pull(after=0).text())
            assert (await told(socket, "entries"))["items"] == [wire.encode(made).decode()]


async def test_entries_of_other_relays_that_came_up_through_the_gateway_do_not_go_back(relay: Running) -> None:
    async with relay.local_gateway() as client:
        first = opened()
        await client.deliver("P0", first, entry("incident.acknowledged", first.incident, 2, origin="box-1"))
        async with client.channel() as socket:
            await socket.send(wire.Pull(after=0).text())
            assert (await told(socket, "entries"))["items"] == []


async def commands(relay: Running) -> dict[str, tuple[str, str]]:
    assert relay.relay is not None
    async with relay.relay.db.read() as connection:
        return {row.id: (row.state, row.reason) for row in await connection.execute(select(command))}


async def decided(relay: Running, wanted: str) -> dict[str, tuple[str, str]]:
    """All commands, once this one has an outcome."""
    assert relay.relay is not None
    with relay.relay.changes.subscribe() as watcher:
        async with asyncio.timeout(5):
            while (states := await commands(relay))[wanted][0] in ("queued", "sent"):
                await watcher.next(0.5)
            return states


async def test_a_command_waits_for_the_gateway_and_its_outcome_is_kept(relay: Running) -> None:
    assert relay.relay is not None
    async with relay.gateway() as client:
        await client.deliver("P0", opened())
        asked = await relay.relay.hub.command(
            gateway="gw-1", actor="Dana", name="silence", args={"device": "siren-1"}, expires=now() + 60_000_000
        )
        gone = await relay.relay.hub.command(gateway="gw-1", actor="Dana", name="silence", args={}, expires=now() - 1)
        async with client.channel() as socket:
            message = await told(socket, "command")
            assert (message["id"], message["actor"], message["name"]) == (asked, "Dana", "silence")
            assert message["args"] == {"device": "siren-1"}
        async with client.channel() as socket:
            assert (await told(socket, "command"))["id"] == asked  # no outcome yet: sent again, the same id
            await socket.send(wire.Outcome(command=asked, state="done", reason="silenced").text())
            states = await decided(relay, asked)
        assert states[asked] == ("done", "silenced")
        assert states[gone][0] in ("queued", "expired")


async def test_a_code_is_passed_on_once_and_stored_nowhere(relay: Running, tmp_path: Path) -> None:
    assert relay.relay is not None
    proof = {"pin": "918273645"}
    values: dict[str, Any] = {"gateway": "gw-1", "actor": "Dana", "name": "disarm", "args": {}}
    async with relay.gateway() as client:
        await client.deliver("P0", opened())
        with pytest.raises(Refused, match="not connected"):
            await relay.relay.hub.command(**values, expires=now() + 10_000_000, proof=proof)
        async with client.channel() as socket:
            await until_connected(relay)
            await relay.relay.hub.command(**values, expires=now() + 10_000_000, proof=proof)
            assert (await told(socket, "command"))["proof"] == proof
    for path in (tmp_path / "cloud-1-data").rglob("relay.db*"):
        assert b"918273645" not in path.read_bytes()


async def test_questions_are_answered_or_not_in_time(relay: Running) -> None:
    assert relay.relay is not None
    hub = relay.relay.hub
    with pytest.raises(NotConnected):
        await hub.ask(gateway="gw-1", question="explain", args={})
    async with relay.gateway() as client, client.channel() as socket:
        await until_connected(relay)
        asking = asyncio.create_task(hub.ask(gateway="gw-1", question="explain", args={"rule": "a"}))
        question = await told(socket, "ask")
        await socket.send(wire.Answer(ask=question["id"], ok=True, result={"fired": False}).text())
        assert await asking == {"fired": False}
        asking = asyncio.create_task(hub.ask(gateway="gw-1", question="explain", args={}))
        await socket.send(wire.Answer(ask=(await told(socket, "ask"))["id"], ok=False, reason="no such rule").text())
        with pytest.raises(Refused, match="no such rule"):
            await asking
        with pytest.raises(NoAnswer):
            await hub.ask(gateway="gw-1", question="explain", args={}, within=0.05)
        asking = asyncio.create_task(hub.ask(gateway="gw-1", question="explain", args={}))
        await told(socket, "ask")
        await told(socket, "ask")
        await socket.close()
        with pytest.raises(NotConnected):
            await asking


async def test_heartbeats_are_kept(relay: Running) -> None:
    assert relay.relay is not None
    async with relay.gateway() as client, client.channel() as socket:
        await until_connected(relay)
        with relay.relay.changes.subscribe() as watcher:
            outlets = {"cloud": wire.OutletState(reachable=True, keeps_copy=True, behind=3)}
            await socket.send(wire.Heartbeat(wall=now(), outlets=outlets).text())
            await watcher.next(5)
        async with relay.relay.db.read() as connection:
            row = (await connection.execute(select(gateway))).one()
        assert json.loads(row.outlets) == {"cloud": {"reachable": True, "keeps_copy": True, "behind": 3}}
        assert row.software == "test"


async def test_a_second_connection_takes_over(relay: Running) -> None:
    async with relay.gateway() as client, client.channel() as first:
        await until_connected(relay)
        async with client.channel() as second:
            code, reason = await ended(first)
            assert (code, reason) == (1008, "another connection of this gateway took over")
            await second.send(wire.Pull(after=0).text())
            await told(second, "entries")


async def test_a_gateway_that_is_locked_is_out_within_five_seconds(
    relay: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert relay.relay is not None
    assert channel_module.WATCH_SECONDS <= 5 and gate_module.REMEMBER < channel_module.WATCH_SECONDS * 1_000_000
    monkeypatch.setattr(channel_module, "WATCH_SECONDS", 0.05)
    monkeypatch.setattr(gate_module, "REMEMBER", 10_000)
    async with relay.gateway() as client, client.channel() as socket:
        await until_connected(relay)
        async with relay.relay.db.write() as connection:
            await connection.execute(update(gateway).values(status="locked"))
        assert await ended(socket) == (1008, "gateway gw-1 is locked at this relay")
        with pytest.raises(InvalidStatus) as refused:
            async with client.channel():
                pass
        assert refused.value.response.status_code == 403


async def test_bad_manners_end_the_stream(relay: Running) -> None:
    async with relay.gateway() as client:
        for words, code in (
            ([wire.AgentHello(gateway="gw-2", epoch="e", software="x").text()], 1008),
            ([wire.Pull(after=0).text()], 1008),
            (["not json"], 1007),
            ([wire.AgentHello(gateway="gw-1", epoch="e", software="x").text()] * 2, 1008),
        ):
            async with client.channel(hello=False) as socket:
                for word in words:
                    await socket.send(word)
                assert (await ended(socket))[0] == code
        async with client.channel() as socket:
            await socket.send('{"type":"of a later version"}')
            await socket.send(wire.Pull(after=0).text())
            await told(socket, "entries")


async def test_what_is_told_while_the_gateways_log_fails_is_applied_once(relay: Running) -> None:
    assert relay.relay is not None
    first, failed = opened(policy="guards"), events.StoreFailed(**common(), reason="EIO")
    async with relay.gateway() as client:
        async with client.channel() as socket:
            await until_connected(relay)
            with relay.relay.changes.subscribe() as watcher:
                items = [wire.encode(first).decode(), wire.encode(failed).decode(), "garbage"]
                await socket.send(wire.Unlogged(items=items).text())
                change = await watcher.next(5)
            assert change is not None and first.incident in change.incidents
        await client.deliver("P0", first)
        await client.deliver("P1", failed)
    async with relay.relay.db.read() as connection:
        assert len((await connection.execute(select(notice))).all()) == 1
