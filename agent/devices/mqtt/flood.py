"""A device that talks without end: within its rate every message counts; beyond it, only what says something new.

Each topic has a bucket of messages that fills by `per_second` up to `burst`. While it is empty, readings and what
repeats the last word are let go and counted. A changed state is never let go: it waits for the next drop in the bucket
(at `per_second` 50 that is 20 ms), and of what changes back and forth meanwhile the first alarm and the last word
remain. So no flood mutes a device, not even its own, and none costs more than its rate.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from rules.events import DeviceEvent, Reading
from rules.inputs import said

BACKLOG = 10_000  # messages of a topic that may have waited at the broker while we were away
CALM = 30_000_000  # µs without an excess until a flood is over
_REST = frozenset({"closed", "off", "normal", "good", "heard"})

M = TypeVar("M")


@dataclass(slots=True, eq=False)
class Held(Generic[M]):
    """A message whose facts wait for the next drop."""

    message: M
    facts: list[DeviceEvent]


@dataclass(slots=True)
class _Topic(Generic[M]):
    drops: float
    at: int
    excess: int = 0  # gateway time of the last message beyond the rate; 0: no flood
    dropped: int = 0
    told: dict[str, object] = field(default_factory=dict)  # during a flood: what each part said last
    held: list[Held[M]] = field(default_factory=list)
    offering: bool = False


class Flood(Generic[M]):
    """The buckets of all topics (as many as the site document has, and nothing for others). Times are gateway µs."""

    def __init__(self, *, topics: Iterable[str], per_second: int, burst: int) -> None:
        self._rate = per_second / 1e6
        self._burst = float(burst)
        self._topics: dict[str, _Topic[M]] = {topic: _Topic(float(burst), 0) for topic in topics}

    def backlog(self) -> None:
        """A kept session goes on: what waited at the broker is no flood."""
        for topic in self._topics.values():
            topic.drops = max(topic.drops, BACKLOG)

    def within(self, name: str, now: int) -> bool:
        """Spend a drop on one more message of this topic; False when there is none left, and as long as that flood
        lasts: then `excess` must see what the message says."""
        topic = self._topics.get(name)
        if topic is None:
            return True  # nobody's topic: it is refused anyway
        if topic.excess:
            return False
        if not self._spend(topic, now):
            topic.excess = max(now, 1)
            return False
        return True

    def _spend(self, topic: _Topic[M], now: int) -> bool:
        if topic.drops < self._burst:
            topic.drops = min(self._burst, topic.drops + max(0, now - topic.at) * self._rate)
        topic.at = now
        if topic.drops < 1:
            return False
        topic.drops -= 1
        return True

    def excess(self, name: str, message: M, facts: list[DeviceEvent], now: int) -> list[M] | None:
        """One message of a flood: None when there is a drop for it after all. Otherwise what is new in it waits; gives
        the messages that need no decision any more."""
        topic = self._topics[name]
        new = [fact for fact in facts if self._news(topic, fact)]
        if not topic.held and not topic.offering and self._spend(topic, now):
            return None
        topic.excess = max(now, 1)
        settled = self._supersede(topic, new)
        if new:
            topic.held.append(Held(message, new))
        else:
            settled.append(message)
        topic.dropped += len(settled)
        return settled

    def _news(self, topic: _Topic[M], fact: DeviceEvent) -> bool:
        if isinstance(fact, Reading):
            return False
        place, word = _place(fact)
        if topic.told.get(place) == word:
            return False
        topic.told[place] = word
        return True

    def _supersede(self, topic: _Topic[M], new: list[DeviceEvent]) -> list[M]:
        """Of each part the first alarm and the newest word remain."""
        for place in {_place(fact)[0] for fact in new}:
            spared = False
            for held in topic.held:
                kept: list[DeviceEvent] = []
                for old in held.facts:
                    where, word = _place(old)
                    if where != place:
                        kept.append(old)
                    elif not spared and word not in _REST:
                        spared = True
                        kept.append(old)
                held.facts = kept
        settled = [held.message for held in topic.held if not held.facts]
        topic.held = [held for held in topic.held if held.facts]
        return settled

    def due(self, now: int) -> int | None:
        """µs until a message that waits may go on; None when none waits."""
        waits = [
            max(0.0, (1 - topic.drops) / self._rate - (now - topic.at))
            for topic in self._topics.values()
            if topic.held and not topic.offering
        ]
        return int(min(waits)) + 1 if waits else None

    def ready(self, now: int) -> list[str]:
        """Topics of which one message may go on."""
        return [name for name, topic in self._topics.items() if topic.held and self._spend(topic, now)]

    def begin(self, name: str) -> Held[M]:
        """The oldest that waits. Until `end`, whatever comes waits behind it."""
        topic = self._topics[name]
        topic.offering = True
        return topic.held.pop(0)

    def end(self, name: str) -> None:
        """It is on its way."""
        self._topics[name].offering = False

    def floods(self) -> list[str]:
        """Topics that flood."""
        return [name for name, topic in self._topics.items() if topic.excess]

    def calm(self, now: int) -> list[tuple[str, int]]:
        """Topics whose flood is over, and how many of their messages were let go."""
        over = [
            (name, topic.dropped)
            for name, topic in self._topics.items()
            if topic.excess and not topic.held and now - topic.excess >= CALM
        ]
        for name, _ in over:
            topic = self._topics[name]
            topic.excess = topic.dropped = 0
            topic.told.clear()
        return over


def _place(fact: DeviceEvent) -> tuple[str, object]:
    """Which part of which device speaks, and its word. What is no state (a code, a key) is one by its content."""
    state = said(fact)
    if state is not None:
        return state
    body = tuple(getattr(fact, name, None) for name in ("digest", "wish", "key"))
    return f"{fact.device} {fact.kind}", body
