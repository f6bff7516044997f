"""The channel to one relay: proof of life, commands, entries, questions over one WebSocket that we keep dialling.

Theory of operation: dial, say hello, pull entries, send a heartbeat every 20 s, and answer what comes. Commands and
entries are worked on by tasks that outlive a connection, so nothing that was begun is cancelled by a broken line.
"""

from __future__ import annotations

import asyncio
import importlib
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agent.channel.commands import Commands
from agent.channel.entries import EntriesDown
from agent.channel.questions import MOST_AT_ONCE, Question, Questions
from agent.clock import Clock, boot_now, wall_now
from agent.errors import AgentError
from agent.intake import Intake
from agent.outlets.backoff import CEILING, Backoff
from agent.outlets.peer import Peer
from agent.store.cursors import Cursors
from agent.store.database import Database
from rules import wire
from rules.errors import WireError

if TYPE_CHECKING:
    from agent.channel.line import Line

log = structlog.get_logger()

HEARTBEAT = 20.0  # seconds
_SOCKET_CEILING = 5.0
_STEADY = 30.0  # seconds a line has to hold before its end counts as a first failure
_MOST_UNREADABLE = 100
_SUPPORTS = ["commands", "entries", "asks", "unlogged"]
_UNLOGGED_KEPT, _UNLOGGED_BYTES = 1000, 262_144


class RelayChannel:
    """Service. Give `url` and `identity`, or `socket`."""

    def __init__(
        self,
        *,
        name: str,
        url: str | None = None,
        identity: Path | None = None,
        socket: Path | None = None,
        gateway: str,
        epoch: Callable[[], str],
        software: str,
        database: Database,
        cursors: Cursors,
        intake: Intake,
        clock: Clock,
        states: Callable[[], Mapping[str, wire.OutletState]],
        questions: Mapping[str, Question],
        heard: Callable[[], None] = lambda: None,
        digest: Callable[[str], str] | None = None,
        storage: Callable[[], wire.Storage | None] = lambda: None,
        restored: Callable[[int], Awaitable[None]] | None = None,
        heartbeat: float = HEARTBEAT,
        ceiling: float | None = None,
    ) -> None:
        """`name` is the outlet's; `epoch` says which one the log is in; `states` are all outlets as a heartbeat tells
        them; `heard` is called when the relay answered after it had not (the outlet's `nudge`); `digest` makes digests
        of codes, which only the relay on this box may bring: with a `url` it is not used; `storage` is how the media
        disk is; `restored` is told when the relay says that it was put back from a backup (wall µs), at each hello."""
        self.name = f"channel.{name}"
        self._outlet = name
        self._peer = Peer.of(
            name=name, url=url, identity=identity, socket=socket, unsure_since=lambda: clock.unsure_since
        )
        self._gateway = gateway
        self._epoch = epoch
        self._software = software
        self._states = states
        self._storage = storage
        self._restored = restored
        self._heard = heard
        self._heartbeat = heartbeat
        default = _SOCKET_CEILING if socket is not None else CEILING
        self._backoff = Backoff(ceiling=ceiling if ceiling is not None else default)
        self._line: Line | None = None
        self._last_error: str | None = None
        # Full: the oldest go; they come in their lanes once the log is written again.
        self._unlogged: deque[bytes] = deque(maxlen=_UNLOGGED_KEPT)
        self._something_unlogged = asyncio.Event()
        self._questions = Questions(known=questions)
        self._ahead: int | None = None  # the relay's wall time minus our boot-time clock, when it said hello
        self._commands = Commands(
            outlet=name,
            intake=intake,
            clock=clock,
            database=database,
            reply=self._say,
            digest=digest if socket is not None else None,
            now=self._relay_now,
        )
        self._entries = EntriesDown(outlet=name, intake=intake, cursors=cursors, database=database, pull=self._say)

    @property
    def connected(self) -> bool:
        """Whether the line is open."""
        return self._line is not None

    def nudge(self) -> None:
        """Somebody heard the relay: dial now."""
        self._backoff.nudge()

    def unlogged(self, records: Sequence[bytes]) -> None:
        """Tell the relay, at once and at best, what cannot be written just now."""
        self._unlogged.extend(records)
        self._something_unlogged.set()

    async def run(self) -> None:
        """Keep the channel until cancelled."""
        await asyncio.to_thread(importlib.import_module, "agent.channel.line")
        async with asyncio.TaskGroup() as group:
            group.create_task(self._commands.run(), name=f"{self.name}.commands")
            group.create_task(self._entries.run(), name=f"{self.name}.entries")
            group.create_task(self._keep(), name=f"{self.name}.line")

    async def _keep(self) -> None:
        from agent.channel.line import open_line  # imports websockets: not before the agent is ready

        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                async with open_line(self._peer) as line:
                    error = await self._converse(line)
            except AgentError as failure:
                error = str(failure)
            if error != self._last_error:  # once, not at every attempt
                log.warning("channel.closed", outlet=self._outlet, reason=error)
                self._last_error = error
            if loop.time() - began >= _STEADY:
                self._backoff.reset()
            await self._backoff.pause()

    async def _converse(self, line: Line) -> str:
        """One line, from hello to its end; how it ended. StoreError when our cursor cannot be read."""
        self._line = line
        try:
            hello = wire.AgentHello(
                gateway=self._gateway, epoch=self._epoch(), software=self._software, supports=_SUPPORTS
            )
            await line.send(hello.text())
            await self._entries.ask()
            async with asyncio.TaskGroup() as group:
                beats = group.create_task(self._beats(line), name=f"{self.name}.heartbeat")
                unlogged = group.create_task(self._tell_unlogged(line), name=f"{self.name}.unlogged")
                asked: set[asyncio.Task[None]] = set()
                await self._listen(line, group, asked)
                for task in (beats, unlogged, *asked):
                    task.cancel()
        finally:
            self._line = None
        return f"relay {self._outlet}: {line.ended}"

    async def _listen(self, line: Line, group: asyncio.TaskGroup, asked: set[asyncio.Task[None]]) -> None:
        unreadable = 0
        while (text := await line.receive()) is not None:
            try:
                message = wire.read_from_relay(text)
            except WireError as error:
                unreadable += 1
                log.warning("channel.unreadable", outlet=self._outlet, error=str(error))
                if unreadable >= _MOST_UNREADABLE:
                    await line.close("too much that is no message of this protocol")
                continue
            match message:
                case wire.RelayHello():
                    self._greeted(message)
                    if message.restored is not None and self._restored is not None:
                        task = group.create_task(self._doubt(message.restored), name=f"{self.name}.doubt")
                        asked.add(task)
                        task.add_done_callback(asked.discard)
                case wire.Command():
                    await self._commands.take(message)
                case wire.Entries():
                    self._entries.take(message)
                case wire.Ask():
                    if len(asked) > 2 * MOST_AT_ONCE:  # those in excess of the bound are being told so
                        continue
                    task = group.create_task(self._answer(line, message), name=f"{self.name}.ask")
                    asked.add(task)
                    task.add_done_callback(asked.discard)
                case None:
                    pass  # of a later version

    def _relay_now(self) -> int:
        """The time on the relay's clock: it says when a command expires, and ours may stand in another year."""
        return wall_now() if self._ahead is None else boot_now() + self._ahead

    def _greeted(self, hello: wire.RelayHello) -> None:
        self._ahead = hello.wall - boot_now()
        log.info("channel.open", outlet=self._outlet, relay=hello.relay, ahead_us=hello.wall - wall_now())
        self._last_error = None
        self._heard()

    async def _doubt(self, restored: int) -> None:
        assert self._restored is not None
        try:
            await self._restored(restored)
        except AgentError as error:  # our own store; the next hello says it again
            log.warning("channel.doubt_waits", outlet=self._outlet, error=str(error))

    async def _answer(self, line: Line, ask: wire.Ask) -> None:
        await line.send((await self._questions.answer(ask)).text())

    async def _beats(self, line: Line) -> None:
        while True:
            beat = wire.Heartbeat(wall=wall_now(), outlets=dict(self._states()), storage=self._storage())
            if not await line.send(beat.text()):
                return
            await asyncio.sleep(self._heartbeat)

    async def _tell_unlogged(self, line: Line) -> None:
        while True:
            while self._unlogged:
                items = [self._unlogged.popleft().decode()]
                size = len(items[0])
                while self._unlogged and size + len(self._unlogged[0]) <= _UNLOGGED_BYTES:
                    items.append(self._unlogged.popleft().decode())
                    size += len(items[-1])
                if not await line.send(wire.Unlogged(items=items).text()):
                    return
            self._something_unlogged.clear()
            await self._something_unlogged.wait()

    async def _say(self, message: wire.Outcome | wire.Pull) -> None:
        """On the line there is now; without one it is said again after the next hello, when it is asked for."""
        line = self._line
        if line is not None:
            await line.send(message.text())
