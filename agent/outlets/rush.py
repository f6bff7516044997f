"""A long backlog: two batches under way at once, each on a connection of its own.

While the relay writes one to its disk it reads the other, and neither waits for the way there and back. Their order is
kept by the relay: a batch that overtakes the one before it does not join what is there, is refused, and is sent again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.outlets.answers import Disagreement, TooLarge
from agent.outlets.lane import Batch, LaneFollower
from rules import wire

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient


@dataclass(frozen=True, slots=True)
class _UnderWay:
    batch: Batch
    client: RelayClient
    answer: asyncio.Task[wire.Ack]
    alone: bool


async def rush(lane: LaneFollower, clients: Sequence[RelayClient], *, moved: Callable[[], None]) -> float | None:
    """Hand over until nothing is left. Returns early with the seconds the relay asks us to wait, if it does; `moved` is
    called after each acknowledgement. Errors as those of `LaneFollower.send`."""
    under_way: deque[_UnderWay] = deque()
    free = deque(clients)
    newest: Batch | None = None
    try:
        while True:
            while free and (batch := await lane.next_batch(newest)) is not None:
                client = free.popleft()
                post = client.post_batch(lane.lane, batch.data)
                answer = asyncio.create_task(post, name=f"batch {lane.lane} {batch.last.seq}")
                under_way.append(_UnderWay(batch, client, answer, alone=not under_way))
                newest = batch
                await asyncio.sleep(0)  # it is on its way before the next one is made
            if not under_way:
                return None
            first = under_way.popleft()
            try:
                ack = await first.answer
            except (TooLarge, Disagreement) as error:
                # What follows will be refused as well; waited for, its connection can be used again.
                await asyncio.gather(*(each.answer for each in under_way), return_exceptions=True)
                under_way.clear()
                free, newest = deque(clients), None
                if isinstance(error, TooLarge):
                    lane.shrink(first.batch, error)
                elif first.alone:
                    await lane.look_again(first.client, error)
                continue  # one that was not alone may have overtaken the one before it
            free.append(first.client)
            await lane.agree(ack, first.batch)
            moved()
            if ack.retry_after:
                return ack.retry_after
    finally:
        await _drop(under_way)


async def _drop(under_way: deque[_UnderWay]) -> None:
    """Give up what is under way; its connections are closed."""
    for each in under_way:
        each.answer.cancel()
    await asyncio.gather(*(each.answer for each in under_way), return_exceptions=True)
    under_way.clear()
