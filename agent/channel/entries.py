"""Entries made elsewhere, pulled from a relay by its own cursor and stored as their makers' exact bytes.

Theory of operation: ask for what comes after our cursor; store what arrives, in order, the last of it together with the
new cursor; ask again. The relay answers when it has something. What is already in the log is recognised by its id in
the pipeline; what cannot be read is named in a log line and passed over, so that one bad entry never stops the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import aiosqlite
import structlog

from agent.errors import AgentError
from agent.intake import Input, Intake
from agent.store.cursors import Cursors
from agent.store.database import Database
from rules import wire
from rules.errors import WireError
from rules.incidents import Entry

log = structlog.get_logger()

PATIENCE = 120.0  # seconds for entries to become durable; then they are asked for again
_PAUSE = 30.0


class EntriesDown:
    """`ask` pulls, `take` receives, `run` stores."""

    def __init__(
        self,
        *,
        outlet: str,
        intake: Intake,
        cursors: Cursors,
        database: Database,
        pull: Callable[[wire.Pull], Awaitable[None]],
        patience: float = PATIENCE,
        pause: float = _PAUSE,
    ) -> None:
        self._outlet = outlet
        self._intake = intake
        self._cursors = cursors
        self._database = database
        self._pull = pull
        self._patience = patience
        self._pause = pause
        # One is asked for at a time. Full: it was not asked for, and is dropped; the cursor gets it again.
        self._queue: asyncio.Queue[wire.Entries] = asyncio.Queue(2)

    async def ask(self) -> None:
        """Pull from where we are. StoreError when the cursor cannot be read."""
        await self._pull(wire.Pull(after=await self._cursors.entries_after(self._outlet)))

    def take(self, message: wire.Entries) -> None:
        """Queue what came."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("channel.entries_dropped", outlet=self._outlet, count=len(message.items))

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            message = await self._queue.get()
            try:
                async with asyncio.timeout(self._patience):
                    await self.keep(message)
            except (AgentError, TimeoutError) as error:
                log.warning("channel.entries_wait", outlet=self._outlet, error=str(error) or "the log is not written")
                await asyncio.sleep(self._pause)
                await self._ask_again()
            else:
                if message.next != message.after or message.items:
                    await self._ask_again()

    async def _ask_again(self) -> None:
        try:
            await self.ask()
        except AgentError as error:  # the next connection asks anew
            log.warning("channel.entries_wait", outlet=self._outlet, error=str(error))

    async def keep(self, message: wire.Entries) -> None:
        """Store what came, and the cursor it reaches. StoreError when the log cannot be written."""
        entries = list(self._readable(message))

        async def move(transaction: aiosqlite.Connection) -> None:
            await self._cursors.set_entries_after(transaction, self._outlet, message.next)

        for entry, data in entries[:-1]:
            await self._intake.offer(Input(fact=entry, data=data))
        if entries:
            # The pipeline is one ordered loop: when the last is durable, so are those before it.
            entry, data = entries[-1]
            await self._intake.decide(entry, data=data, also=move)
        if await self._cursors.entries_after(self._outlet) != message.next:
            async with self._database.transaction() as transaction:
                await move(transaction)
        if entries:
            log.info("channel.entries", outlet=self._outlet, count=len(entries), next=message.next)

    def _readable(self, message: wire.Entries) -> list[tuple[Entry, bytes]]:
        readable: list[tuple[Entry, bytes]] = []
        for text in message.items:
            data = text.encode("utf-8", "surrogatepass")
            try:
                readable.append((wire.entry(wire.read(data)), data))
            except WireError as error:
                log.warning("channel.entry_unreadable", outlet=self._outlet, after=message.after, error=str(error))
        return readable
