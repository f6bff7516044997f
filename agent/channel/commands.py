"""Commands of people: checked, decided in the pipeline like every other fact, answered with what became of them.

Theory of operation: a command's event id is derived from its own id, so one that is sent again is found in the log and
gets the outcome it had. It is decided one at a time, whatever the connection does meanwhile; the answer goes out on the
connection there is then, and again when the relay asks again.

A proof is the digits of a person's code. It becomes a digest the moment it arrives, and only where `digest` is given:
from the relay on this box. From any other relay it is dropped unread, and what needs one is refused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Literal

import structlog

from agent.clock import Clock, wall_now
from agent.config.pepper import NotACredential
from agent.errors import AgentError
from agent.intake import Intake
from agent.store.database import Database
from agent.store.outcomes import outcome
from rules import ids, wire
from rules.actions import Note
from rules.events import CommandDecided, CommandReceived

log = structlog.get_logger()

MOST_WAITING = 16
_REMEMBERED = 256
_LONGEST_COMMAND = 16_384  # characters
PATIENCE = 30.0  # seconds for a decision to become durable


class Commands:
    """`take` receives, `run` decides, `reply` sends."""

    def __init__(
        self,
        *,
        outlet: str,
        intake: Intake,
        clock: Clock,
        database: Database,
        reply: Callable[[wire.Outcome], Awaitable[None]],
        digest: Callable[[str], str] | None = None,
        patience: float = PATIENCE,
        now: Callable[[], int] = wall_now,
    ) -> None:
        """`digest` makes digests of codes, for a relay whose people stand in the building; `now` is the wall time (µs)
        on the relay's clock, by which a command expires."""
        self._outlet = outlet
        self._intake = intake
        self._clock = clock
        self._database = database
        self._reply = reply
        self._digest = digest
        self._patience = patience
        self._now = now
        # Full: a command is refused as "busy" at once; a person can press again.
        self._queue: asyncio.Queue[tuple[wire.Command, str | None]] = asyncio.Queue(MOST_WAITING)
        self._under_way: set[str] = set()
        self._known: OrderedDict[str, wire.Outcome] = OrderedDict()

    async def take(self, command: wire.Command) -> None:
        """Queue it, or answer at once."""
        command, digest = self._without_proof(command)
        if command.id in self._under_way:
            return  # it was sent again; one answer will do
        known = self._known.get(command.id)
        if known is not None:
            await self._reply(known)
            return
        if _length(command) > _LONGEST_COMMAND:
            await self._reply(_outcome(command, "refused", "the command is longer than any command is"))
            return
        try:
            self._queue.put_nowait((command, digest))
        except asyncio.QueueFull:
            await self._reply(_outcome(command, "refused", "busy: too many commands at once, try again"))
            return
        self._under_way.add(command.id)

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            command, digest = await self._queue.get()
            try:
                became = await self._decide(command, digest)
            except AgentError as error:
                became = _outcome(command, "failed", str(error))
            else:
                self._remember(became)
            finally:
                self._under_way.discard(command.id)
            log.info("channel.command", outlet=self._outlet, command=command.id, name=command.name, state=became.state)
            await self._reply(became)

    def _without_proof(self, command: wire.Command) -> tuple[wire.Command, str | None]:
        """The command as everything else may see it, and the digest of the digits it came with. What is no code is no
        proof."""
        proof = command.proof
        if proof is None:
            return command, None
        digest = None
        if self._digest is not None:
            with suppress(NotACredential):
                digest = self._digest(proof.get("pin", ""))
        return command.model_copy(update={"proof": None}), digest

    async def _decide(self, command: wire.Command, digest: str | None) -> wire.Outcome:
        event = ids.derived("command", self._outlet, command.id)
        before = await outcome(self._database, event)
        if before is not None:
            return _outcome(command, before.state, before.reason)
        if command.expires <= self._now():
            return _outcome(command, "refused", "expired: it arrived after the time it was meant for")
        received = CommandReceived(
            **(self._clock.header() | {"id": event}),
            command=command.id,
            name=command.name,
            args=command.args,
            actor=command.actor,
            outlet=self._outlet,
            digest=digest,
        )
        try:
            async with asyncio.timeout(self._patience):
                actions = await self._intake.decide(received)
        except TimeoutError:
            return _outcome(
                command,
                "failed",
                "the gateway cannot write its log just now; it may have acted: look before you try again",
            )
        for action in actions:
            if isinstance(action, Note) and isinstance(action.event, CommandDecided):
                return _outcome(command, action.event.state, action.event.reason)
        before = await outcome(self._database, event)
        if before is not None:
            return _outcome(command, before.state, before.reason)
        return _outcome(command, "failed", "nothing was decided about this command")

    def _remember(self, became: wire.Outcome) -> None:
        self._known[became.command] = became
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)


def _length(command: wire.Command) -> int:
    words = [command.id, command.actor, command.name, *command.args, *command.args.values()]
    return sum(map(len, words))


def _outcome(command: wire.Command, state: Literal["done", "refused", "failed"], reason: str) -> wire.Outcome:
    return wire.Outcome(command=command.id, state=state, reason=reason)
