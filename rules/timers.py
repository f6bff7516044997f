"""Deadlines as data. Each has a key that says whose it is, the gateway time it ends at, and the fact that began it, so
that what it causes has the same id however late somebody looks at the clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timer:
    """Ends at gateway time `at` (µs); `cause` is the id of the fact that began it."""

    at: int
    cause: str


class Timers:
    """Keeps `timers` (key: Timer), which belongs to the engine's memory. A key is `machine what subject`; its first
    word says which machine set it."""

    def __init__(self, timers: dict[str, Timer]) -> None:
        self._timers = timers
        self._heap = [(timer.at, key) for key, timer in timers.items()]
        heapq.heapify(self._heap)

    def set(self, key: str, *, at: int, cause: str) -> None:
        """Begin or move the timer of this key."""
        self._timers[key] = Timer(at, cause)
        heapq.heappush(self._heap, (at, key))

    def cancel(self, key: str) -> Timer | None:
        """End it without consequence; what it was, if it ran."""
        return self._timers.pop(key, None)

    def get(self, key: str) -> Timer | None:
        """The running timer of this key."""
        return self._timers.get(key)

    def next(self) -> int | None:
        """The earliest gateway time (µs) at which one ends."""
        heap, timers = self._heap, self._timers
        while heap:
            at, key = heap[0]
            timer = timers.get(key)
            if timer is not None and timer.at == at:
                return at
            heapq.heappop(heap)  # it was moved or cancelled
        return None

    def take(self, gt: int) -> tuple[str, Timer] | None:
        """The first timer that has ended at `gt`, taken out; by time, then by key."""
        at = self.next()
        if at is None or at > gt:
            return None
        _, key = heapq.heappop(self._heap)
        return key, self._timers.pop(key)
