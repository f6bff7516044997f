"""What changed, told to whoever watches (open pages), after the commit.

A notice says *which* things changed, never *what*: the watcher reads the database. Notices that a watcher has not
taken yet are merged, so a slow one costs a set of ids and not a queue of messages.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MOST_IDS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Ids of what changed since the last look; `resync` means: too much to name, read everything again."""

    incidents: frozenset[str] = frozenset()
    clips: frozenset[str] = frozenset()
    gateways: frozenset[str] = frozenset()
    resync: bool = False

    def merged(self, other: Change) -> Change:
        """Both in one; more than MOST_IDS ids become a resync."""
        both = Change(
            incidents=self.incidents | other.incidents,
            clips=self.clips | other.clips,
            gateways=self.gateways | other.gateways,
            resync=self.resync or other.resync,
        )
        size = len(both.incidents) + len(both.clips) + len(both.gateways)
        return Change(resync=True) if both.resync or size > MOST_IDS else both

    def __bool__(self) -> bool:
        return bool(self.incidents or self.clips or self.gateways or self.resync)


class Subscription:
    """One watcher. Holds at most one merged notice (bounded by MOST_IDS ids; past that it is told to resync)."""

    def __init__(self) -> None:
        self._pending = Change()
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, change: Change) -> None:
        self._pending = self._pending.merged(change)
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    async def next(self, within: float | None = None) -> Change | None:
        """What changed since the last call, waiting up to `within` seconds (an empty Change then); None: the relay
        is stopping, end the stream."""
        try:
            async with asyncio.timeout(within):
                await self._wake.wait()
        except TimeoutError:
            return Change()
        if self._closed:
            return None
        self._wake.clear()
        change, self._pending = self._pending, Change()
        return change


class Changes:
    """The hub between commits and watchers. `close` ends every stream, so that the relay can stop."""

    def __init__(self) -> None:
        self._subscriptions: set[Subscription] = set()
        self._closed = False

    @property
    def watchers(self) -> int:
        return len(self._subscriptions)

    @contextmanager
    def subscribe(self) -> Iterator[Subscription]:
        """Watch from now on. Subscribe first, read the database second: then nothing falls between."""
        subscription = Subscription()
        if self._closed:
            subscription.close()
        self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            self._subscriptions.discard(subscription)

    def publish(
        self,
        *,
        incidents: Iterable[str] = (),
        clips: Iterable[str] = (),
        gateways: Iterable[str] = (),
    ) -> None:
        """Tell every watcher. Call after the commit, never before."""
        change = Change(incidents=frozenset(incidents), clips=frozenset(clips), gateways=frozenset(gateways))
        if change:
            for subscription in self._subscriptions:
                subscription.put(change)

    def close(self) -> None:
        self._closed = True
        for subscription in self._subscriptions:
            subscription.close()
