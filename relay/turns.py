"""Who is taken in next when many come at once: lane P0 first, the rest in the order they came.

Theory of operation: a batch is held in memory from its announcement to its answer, so what all of them may hold
together is bounded; and few are worked on at once, since SQLite takes one after the other: while one is written another
is read. Who finds no room is told when to come again, each at another moment, so that a thousand gateways which lost
this relay together do not come back together. Full for the others, there is still room for alarms.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from relay.errors import RelayError

AT_ONCE, AT_ONCE_ON_POSTGRESQL = 2, 8
MOST_BYTES, MOST_ALARM_BYTES = 64 << 20, 96 << 20  # of batches in memory, for everybody and with those of lane P0
AGAIN = (2.0, 10.0)  # seconds, for whoever finds no room
CREDIT = 0.25  # seconds that lanes other than P0 are asked to wait for each batch that waits, at most MOST_CREDIT
MOST_CREDIT = 10.0


class Busy(RelayError):
    """There is no room for another batch now; come again after `retry_after` seconds."""

    permanent = False

    def __init__(self, retry_after: float) -> None:
        super().__init__("the relay takes in all it can just now; nothing is lost by waiting")
        self.retry_after = retry_after


class Turns:
    """`hold` room for a batch while it arrives, `turn` to work on it. `uniform` draws a number between two."""

    def __init__(
        self,
        *,
        at_once: int = AT_ONCE,
        most: int = MOST_BYTES,
        most_alarms: int = MOST_ALARM_BYTES,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._free = at_once
        self._most, self._most_alarms = most, most_alarms
        self._uniform = uniform
        self._held = 0
        # Bounded by `hold`: who waits here holds room.
        self._alarms: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """Batches that wait for their turn."""
        return len(self._alarms) + len(self._others)

    @asynccontextmanager
    async def hold(self, lane: str, size: int) -> AsyncIterator[None]:
        """Room for a batch of `size` bytes. Busy when there is none."""
        if self._held + size > (self._most_alarms if lane == "P0" else self._most) and self._held:
            raise Busy(round(self._uniform(*AGAIN), 1))
        self._held += size
        try:
            yield
        finally:
            self._held -= size

    @asynccontextmanager
    async def turn(self, lane: str) -> AsyncIterator[None]:
        """Wait until it is this batch's turn."""
        if self._free:
            self._free -= 1
        else:
            mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._alarms if lane == "P0" else self._others).append(mine)
            try:
                await mine
            except asyncio.CancelledError:
                if mine.done() and not mine.cancelled():
                    self._pass_on()  # it was given to us just before
                raise
        try:
            yield
        finally:
            self._pass_on()

    def credit(self, lane: str) -> float | None:
        """Seconds this gateway should wait before its next batch of this lane; None: go on."""
        if lane == "P0" or not self.waiting:
            return None
        return round(self._uniform(0.5, 1.0) * min(MOST_CREDIT, CREDIT * self.waiting), 2)

    def _pass_on(self) -> None:
        for queue in (self._alarms, self._others):
            while queue:
                following = queue.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._free += 1
