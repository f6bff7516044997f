"""The gateways that are connected right now, and what the relay wants of them.

A stream (one open WebSocket) is woken when there is something new for its gateway; it then reads the database. Only
what must never be stored passes through here directly: a command's proof, and questions with their answers.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, select, update

from relay.changes import Changes
from relay.clock import Clock
from relay.errors import NoAnswer, NotConnected, NotFound, Refused
from relay.store.database import Database
from relay.store.schema import command as command_table
from relay.store.schema import gateway as gateway_table
from rules import ids, wire

MOST_QUESTIONS = 8


@dataclass(slots=True, kw_only=True, eq=False)
class Stream:
    """One gateway's open channel, as the hub sees it."""

    gateway: str
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    # Questions to send. Full (MOST_QUESTIONS waiting): the asker is refused at once.
    questions: asyncio.Queue[wire.Ask] = field(default_factory=lambda: asyncio.Queue(MOST_QUESTIONS))
    answers: dict[str, asyncio.Future[wire.Answer]] = field(default_factory=dict)
    proofs: dict[str, dict[str, str]] = field(default_factory=dict)
    replaced: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Reach gateways: `command`, `ask`, `wake`; `connected` says who is there."""

    def __init__(self, *, db: Database, changes: Changes, clock: Clock) -> None:
        self._db = db
        self._changes = changes
        self._clock = clock
        self._streams: dict[str, Stream] = {}

    def connected(self, gateway: str) -> bool:
        return gateway in self._streams

    @property
    def gateways(self) -> frozenset[str]:
        return frozenset(self._streams)

    def enter(self, stream: Stream) -> None:
        """A gateway connected. An older stream of the same gateway is told to end: it is half open, or a copy."""
        old = self._streams.get(stream.gateway)
        if old is not None:
            old.replaced.set()
            old.wake.set()
        self._streams[stream.gateway] = stream
        self._changes.publish(gateways=[stream.gateway])

    def leave(self, stream: Stream) -> None:
        """The stream ended: whoever waits for an answer on it is told."""
        for answer in stream.answers.values():
            if not answer.done():
                answer.set_exception(NotConnected(f"gateway {stream.gateway} went away before it answered"))
        if self._streams.get(stream.gateway) is stream:
            del self._streams[stream.gateway]
            self._changes.publish(gateways=[stream.gateway])

    def wake(self, gateway: str) -> None:
        """There is something new for this gateway in the database."""
        stream = self._streams.get(gateway)
        if stream is not None:
            stream.wake.set()

    async def command(
        self,
        *,
        gateway: str,
        actor: str,
        name: str,
        args: dict[str, str],
        expires: int,
        proof: dict[str, str] | None = None,
    ) -> str:
        """Ask the gateway to do something before `expires` (wall µs); returns the command's id, its outcome appears
        in table `command`. Without proof it waits for the gateway to connect; with one it does not (Refused): a proof
        is held in memory only. NotFound: there is no such gateway."""
        if proof is not None and not self.connected(gateway):
            raise Refused("the gateway is not connected at the moment, and a code is never kept for later")
        now = self._clock.wall()
        identity = ids.time_ordered(wall=now, random=secrets.token_bytes(10))
        async with self._db.write() as connection:
            if await connection.scalar(select(gateway_table.c.id).where(gateway_table.c.id == gateway)) is None:
                raise NotFound(f"there is no gateway {gateway}")
            await connection.execute(
                insert(command_table).values(
                    id=identity,
                    gateway=gateway,
                    actor=actor,
                    name=name,
                    args=json.dumps(args),
                    created=now,
                    expires=expires,
                )
            )
            stream = self._streams.get(gateway)
            if proof is not None and stream is not None:
                stream.proofs[identity] = proof
        self.wake(gateway)
        self._changes.publish(gateways=[gateway])
        return identity

    async def ask(self, *, gateway: str, question: str, args: dict[str, str], within: float = 5.0) -> dict[str, Any]:
        """A read-only question; the answer's result. NotConnected, NoAnswer (after `within` seconds) or Refused (the
        gateway said no, or too many questions wait already)."""
        stream = self._streams.get(gateway)
        if stream is None:
            raise NotConnected(f"gateway {gateway} is not connected at the moment")
        now = self._clock.wall()
        asked = wire.Ask(id=ids.time_ordered(wall=now, random=secrets.token_bytes(10)), question=question, args=args)
        waiting: asyncio.Future[wire.Answer] = asyncio.get_running_loop().create_future()
        stream.answers[asked.id] = waiting
        try:
            stream.questions.put_nowait(asked)
            stream.wake.set()
            async with asyncio.timeout(within):
                answer = await waiting
        except asyncio.QueueFull:
            raise Refused(f"gateway {gateway} has {MOST_QUESTIONS} questions waiting already; try again") from None
        except TimeoutError:
            raise NoAnswer(f"gateway {gateway} did not answer within {within:g} s") from None
        finally:
            stream.answers.pop(asked.id, None)
        if not answer.ok:
            raise Refused(answer.reason or "the gateway refused to answer")
        return answer.result

    def answered(self, stream: Stream, answer: wire.Answer) -> None:
        """An answer came in; one nobody waits for any more is dropped."""
        waiting = stream.answers.get(answer.ask)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    async def decided(self, *, gateway: str, outcome: wire.Outcome) -> None:
        """Keep what became of a command; only its own gateway may say, and only once."""
        async with self._db.write() as connection:
            await connection.execute(
                update(command_table)
                .where(
                    command_table.c.id == outcome.command,
                    command_table.c.gateway == gateway,
                    command_table.c.state.in_(("queued", "sent", "expired")),
                )
                .values(state=outcome.state, reason=outcome.reason[:500], decided=self._clock.wall())
            )
        self._changes.publish(gateways=[gateway])
