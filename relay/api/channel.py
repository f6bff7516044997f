"""`WS /v1/channel`: what goes down to a gateway and what comes back.

Four flows on one stream: the gateway's heartbeats; entries made elsewhere, pulled by cursor; commands and their
outcomes; questions and their answers. One task reads, one writes, one watches whether the gateway may still be here;
the first to end ends the stream. What is owed is always read from the database, so a stream can break at any moment.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import structlog
from sqlalchemy import bindparam, select, update
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from relay.api.gate import REFUSALS, Gate
from relay.api.peers import peer_of
from relay.changes import Changes
from relay.clock import Clock
from relay.hub import Hub, Stream
from relay.ingest import Ingest
from relay.peer import Peer
from relay.presence import Presence
from relay.restored import Restored
from relay.store import conditions, entries, gateways
from relay.store.database import FAILURES, Database
from relay.store.schema import command as command_table
from rules import wire
from rules.errors import WireError

log = structlog.get_logger(__name__)

HELLO_SECONDS = 10.0
SILENCE_SECONDS = 60.0  # three heartbeats; the connection is half open then
WATCH_SECONDS = 4.0
POLICY, GOING_AWAY, AGAIN = 1008, 1001, 1013


# Made once: it is asked whenever something is new for a gateway.
_COMMANDS = (
    select(command_table)
    .where(
        command_table.c.gateway == bindparam("gateway"),
        command_table.c.state.in_(("queued", "sent")),
        command_table.c.expires > bindparam("now"),
    )
    .order_by(command_table.c.created)
    .limit(100)
)


class _End(Exception):
    """The stream ends with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(slots=True, kw_only=True)
class _State:
    """What this stream owes and has sent."""

    pulled: int | None = None  # the cursor of a pull not answered yet
    owed: int | None = None  # the cursor of a pull answered with nothing: answered again when there is something
    sent: set[str] = field(default_factory=set)
    beats: int = 0  # heartbeats heard


class Channel:
    """The endpoint; `gate` is asked again and again whether the gateway may stay."""

    def __init__(
        self,
        *,
        relay: str,
        db: Database,
        hub: Hub,
        ingest: Ingest,
        presence: Presence,
        changes: Changes,
        clock: Clock,
        gate: Gate,
        restored: Restored | None = None,
    ) -> None:
        self._relay = relay
        self._db = db
        self._hub = hub
        self._ingest = ingest
        self._presence = presence
        self._changes = changes
        self._clock = clock
        self._gate = gate
        self._restored = restored

    async def serve(self, socket: WebSocket) -> None:
        peer = peer_of(socket)
        await socket.accept()
        stream, state = Stream(gateway=peer.gateway), _State()
        end = _End(GOING_AWAY, "the stream ended")
        try:
            await self._greet(socket, peer)
            self._hub.enter(stream)
            log.info("channel.opened", gateway=peer.gateway)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(socket, peer, stream, state), name=f"channel-read-{peer.gateway}")
                tasks.create_task(self._write(socket, stream, state), name=f"channel-write-{peer.gateway}")
                tasks.create_task(self._watch(peer), name=f"channel-watch-{peer.gateway}")
        except* _End as ends:
            end = next(error for error in _leaves(ends) if isinstance(error, _End))
        except* WebSocketDisconnect:
            end = _End(0, "the gateway closed it")
        except* REFUSALS as errors:
            end = _End(POLICY, str(_leaves(errors)[0]))
        except* FAILURES as errors:
            log.error("channel.store_failed", reason=str(_leaves(errors)[0]))
            end = _End(AGAIN, "the relay cannot store at the moment")
        finally:
            self._hub.leave(stream)
        log.info("channel.closed", gateway=peer.gateway, reason=str(end))
        if end.code:
            await _close(socket, end)

    async def _greet(self, socket: WebSocket, peer: Peer) -> None:
        restored = self._restored.until if self._restored is not None else None
        await socket.send_text(wire.RelayHello(relay=self._relay, wall=self._clock.wall(), restored=restored).text())
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                hello = await _receive(socket)
        except TimeoutError:
            raise _End(POLICY, "no hello came") from None
        if not isinstance(hello, wire.AgentHello):
            raise _End(POLICY, "the first message is hello")
        if hello.gateway != peer.gateway:
            raise _End(POLICY, "a gateway may only speak for itself")
        await self._alive(peer, software=hello.software)

    async def _alive(
        self,
        peer: Peer,
        *,
        software: str | None = None,
        outlets: str | None = None,
        storage: str | None = None,
        complete: bool = False,
    ) -> None:
        """`complete`: the gateway says that we have all its records."""
        self._presence.heard(peer.gateway)
        async with self._db.write() as connection:
            now = self._clock.wall()
            await gateways.locked(connection, peer, now=now)
            await gateways.heard(connection, peer.gateway, now=now, software=software, outlets=outlets, storage=storage)
            if complete:
                await conditions.clear_own(connection, peer.gateway, family="restored")
        self._changes.publish(gateways=[peer.gateway])

    async def _read(self, socket: WebSocket, peer: Peer, stream: Stream, state: _State) -> None:
        while True:
            try:
                async with asyncio.timeout(SILENCE_SECONDS):
                    message = await _receive(socket)
            except TimeoutError:
                raise _End(GOING_AWAY, f"nothing was heard for {SILENCE_SECONDS:g} s") from None
            self._presence.heard(peer.gateway)
            match message:
                case wire.Heartbeat():
                    outlets = {name: outlet.model_dump() for name, outlet in list(message.outlets.items())[:64]}
                    state.beats += 1
                    # The first one may be older than the gateway's next look at how far we are.
                    complete = self._restored is not None and state.beats > 1 and _complete(message)
                    storage = message.storage.text() if message.storage is not None else ""
                    await self._alive(peer, outlets=json.dumps(outlets), storage=storage, complete=complete)
                case wire.Pull():
                    state.pulled, state.owed = max(0, message.after), None
                    stream.wake.set()
                case wire.Outcome():
                    await self._hub.decided(gateway=peer.gateway, outcome=message)
                case wire.Answer():
                    self._hub.answered(stream, message)
                case wire.Unlogged():
                    await self._ingest.unlogged(peer, message.items)
                case wire.AgentHello():
                    raise _End(POLICY, "hello is said once")
                case None:
                    log.info("channel.unknown_message", gateway=peer.gateway)

    async def _write(self, socket: WebSocket, stream: Stream, state: _State) -> None:
        stream.wake.set()  # whatever waited while the gateway was away
        while True:
            await stream.wake.wait()
            stream.wake.clear()
            if stream.replaced.is_set():
                raise _End(POLICY, "another connection of this gateway took over")
            while not stream.questions.empty():
                await socket.send_text(stream.questions.get_nowait().text())
            await self._send_commands(socket, stream, state)
            await self._send_entries(socket, stream, state)

    async def _send_commands(self, socket: WebSocket, stream: Stream, state: _State) -> None:
        now = self._clock.wall()
        async with self._db.read() as connection:
            rows = (await connection.execute(_COMMANDS, {"gateway": stream.gateway, "now": now})).all()
        # A command that was sent on an earlier stream and has no outcome is sent again: the agent knows its id.
        for row in rows:
            if row.id in state.sent:
                continue
            message = wire.Command(
                id=row.id,
                actor=row.actor,
                name=row.name,
                args=json.loads(row.args),
                expires=row.expires,
                proof=stream.proofs.pop(row.id, None),
            )
            await socket.send_text(message.text())
            state.sent.add(row.id)
            async with self._db.write() as connection:
                await connection.execute(
                    update(command_table)
                    .where(command_table.c.id == row.id, command_table.c.state == "queued")
                    .values(state="sent")
                )
            self._changes.publish(gateways=[stream.gateway])

    async def _send_entries(self, socket: WebSocket, stream: Stream, state: _State) -> None:
        after = state.pulled if state.pulled is not None else state.owed
        if after is None:
            return
        async with self._db.read() as connection:
            items, reached = await entries.downwards(connection, gateway=stream.gateway, after=after)
        if not items and state.pulled is None:
            return
        if state.pulled not in (None, after):
            stream.wake.set()  # a newer pull came meanwhile: it is answered next
            return
        state.pulled, state.owed = None, None if items else after
        await socket.send_text(wire.Entries(after=after, next=reached, items=items).text())

    async def _watch(self, peer: Peer) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._gate.admit(peer)
            except REFUSALS as error:
                raise _End(POLICY, str(error)) from None


async def _receive(
    socket: WebSocket,
) -> wire.AgentHello | wire.Heartbeat | wire.Pull | wire.Outcome | wire.Answer | wire.Unlogged | None:
    received = await socket.receive()
    if received["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(received.get("code") or 1005)
    text = received.get("text")
    if text is None:
        raise _End(1003, "messages are text")
    try:
        return wire.read_from_agent(text)
    except WireError as error:
        raise _End(1007, str(error)) from None


def _complete(heartbeat: wire.Heartbeat) -> bool:
    """Whether every relay that keeps a copy, this one among them, has all records of the gateway."""
    return all(one.reachable and one.behind == 0 for one in heartbeat.outlets.values() if one.keeps_copy)


async def _close(socket: WebSocket, end: _End) -> None:
    try:
        await socket.close(end.code, str(end)[:120])
    except (RuntimeError, WebSocketDisconnect):
        return  # it was closed from the other side at the same moment


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for error in group.exceptions:
        found.extend(_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    return found


def routes(channel: Channel) -> list[WebSocketRoute]:
    return [WebSocketRoute("/v1/channel", channel.serve)]
