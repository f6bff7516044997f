"""Messages nobody could read: counted, and told at most once a minute and topic, so that garbage costs no disk."""

from __future__ import annotations

from dataclasses import dataclass

from agent.clock import Clock
from agent.intake import Intake
from rules.events import PayloadRejected

EVERY = 60_000_000  # µs between two reports of the same topic
LOOK = 10.0  # seconds between looks for what a quieter minute has left over
_TOPICS = 200
_OTHERS = "other topics"


@dataclass(slots=True)
class _Count:
    told: int
    reason: str
    untold: int = 0


class Rejections:
    """At most 200 topics are counted apart; past that, the rest is counted together."""

    def __init__(self, *, broker: str, intake: Intake, clock: Clock) -> None:
        self._broker = broker
        self._intake = intake
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    async def add(self, topic: str, reason: str, *, count: int = 1) -> None:
        """So many more. The first of a topic is told at once."""
        if topic not in self._counts and len(self._counts) >= _TOPICS:
            topic = _OTHERS
        counted = self._counts.setdefault(topic, _Count(self._clock.gt() - EVERY, reason))
        counted.untold += count
        counted.reason = reason
        await self._tell(topic, counted)

    async def tell_waiting(self) -> None:
        """Tell those that a quieter minute has left over; forget topics that have been silent since."""
        for topic, count in list(self._counts.items()):
            if count.untold:
                await self._tell(topic, count)
            elif self._clock.gt() - count.told >= EVERY:
                del self._counts[topic]

    async def tell_rest(self) -> None:
        """Before the end: tell what was not told yet, however soon after the last report."""
        for topic, count in self._counts.items():
            if count.untold:
                await self._tell(topic, count, at_once=True)

    async def _tell(self, topic: str, count: _Count, *, at_once: bool = False) -> None:
        now = self._clock.gt()
        if now - count.told < EVERY and not at_once:
            return
        number, count.untold, count.told = count.untold, 0, now
        source = f"{self._broker}: {topic}"[:200]
        fact = PayloadRejected(**self._clock.header(), source=source, reason=count.reason, count=number)
        await self._intake.tell(fact)
