"""The one way into the pipeline: facts wait here, in order, until they are decided upon."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rules.actions import Action
from rules.events import Event
from rules.incidents import Entry

if TYPE_CHECKING:
    import aiosqlite

    Also = Callable[[aiosqlite.Connection], Awaitable[None]]
    WriteAll = Callable[[aiosqlite.Connection, list[Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Together:
    """Something that must become durable with a fact, and the one who writes all such things of a transaction at once:
    each statement of its own would be a trip to the database's thread and back."""

    write: WriteAll
    item: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """A fact on its way. `data` is its maker's exact bytes when it was made elsewhere; `repeatable` facts may be told
    again after they are in the log, with the same id, and are then only acknowledged; `also` writes what must become
    durable together with it, `together` the same for many facts at once; `acknowledge` is called once, after the
    commit (or when the core must let go of it before); `decided` resolves with the actions once they are durable."""

    fact: Event | Entry
    data: bytes | None = None
    repeatable: bool = False
    also: Also | None = None
    together: Together | None = None
    acknowledge: Callable[[], None] | None = None
    decided: asyncio.Future[list[Action]] | None = field(default=None, repr=False)


class Intake:
    """A bounded, ordered queue of inputs. When it is full, whoever offers waits: a broker then keeps what it has."""

    def __init__(self, *, bound: int = 10_000) -> None:
        self._queue: asyncio.Queue[tuple[Input, ...]] = asyncio.Queue(bound)

    async def offer(self, *items: Input) -> None:
        """Put inputs at the end; returns once they are queued, not once they are decided. Those of one call are taken
        together: what one message says is durable as a whole or not at all."""
        if items:
            await self._queue.put(items)

    async def tell(self, fact: Event | Entry) -> None:
        """Offer a fact nobody waits for."""
        await self.offer(Input(fact=fact))

    async def decide(
        self, fact: Event | Entry, *, data: bytes | None = None, also: Also | None = None
    ) -> list[Action]:
        """Offer a repeatable fact and wait until what follows from it is durable: nothing new, if it was known."""
        decided: asyncio.Future[list[Action]] = asyncio.get_running_loop().create_future()
        await self.offer(Input(fact=fact, data=data, repeatable=True, also=also, decided=decided))
        return await decided

    async def take(self, limit: int) -> list[Input]:
        """Wait for at least one input, then take all that are queued, up to about `limit`."""
        taken = list(await self._queue.get())
        while len(taken) < limit and not self._queue.empty():
            taken += self._queue.get_nowait()
        return taken

    def __len__(self) -> int:
        return self._queue.qsize()
