"""How an outlet stands, told as events: once when it is lost, once when it is back, once when it refuses.

An outlet has several connections; it stands as badly as its worst. What was told last is kept in the store, so that an
outage which outlives the agent is ended by `outlet.restored` all the same. One that comes and goes is told as lost,
and as restored only when it has stayed for a while. Another reason for the same loss is told when it holds, but seldom.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import aiosqlite
import structlog

from agent.clock import Clock, wall_now
from agent.errors import StoreError
from agent.intake import Intake
from agent.store import meta
from agent.store.database import Database
from rules.events import Event, OutletLost, OutletRefused, OutletRestored

log = structlog.get_logger()

GRACE = 3.0  # seconds after a start before anything is told
SETTLE = 60.0  # seconds one that flaps has to stay
STEADY = 3.0  # seconds another reason has to hold before it is told
_RETELL = 600.0  # seconds between two other reasons
_FLAPPING, _WITHIN = 5, 600.0  # so many changes in so many seconds are flapping

Condition = Literal["unknown", "up", "lost", "refused"]
_WORST: tuple[Condition, ...] = ("refused", "lost", "unknown", "up")


class Standing:
    """The connections report with `up`, `lost` and `refused`; `run` tells."""

    def __init__(
        self,
        *,
        outlet: str,
        links: Sequence[str],
        intake: Intake,
        clock: Clock,
        database: Database,
        grace: float = GRACE,
        settle: float = SETTLE,
        steady: float = STEADY,
        silent: Callable[[], bool] = lambda: False,
    ) -> None:
        """`silent`: that it has been lost for very long was told, which another reason must not cover up."""
        self._outlet = outlet
        self._links: dict[str, tuple[Condition, str]] = dict.fromkeys(links, ("unknown", ""))
        self._intake = intake
        self._clock = clock
        self._database = database
        self._grace = grace
        self._settle = settle
        self._steady = steady
        self._silent = silent
        self._changed = asyncio.Event()
        self._told_at: deque[float] = deque(maxlen=_FLAPPING)
        self._gist_told = ""
        self._retell_at = 0.0
        self.since = wall_now()
        self.last_error: str | None = None

    @property
    def condition(self) -> Condition:
        """The worst of its connections."""
        return min((condition for condition, _ in self._links.values()), key=_WORST.index)

    @property
    def reachable(self) -> bool:
        """All connections work."""
        return self.condition == "up"

    @property
    def reason(self) -> str:
        """Why the worst one is not up."""
        worst = self.condition
        return next(reason for condition, reason in self._links.values() if condition == worst)

    def up(self, link: str) -> None:
        """The connection does its work."""
        self._set(link, "up", "")

    def lost(self, link: str, reason: str) -> None:
        """The other side cannot be reached."""
        self._set(link, "lost", reason)

    def refused(self, link: str, reason: str) -> None:
        """The other side will go on refusing until a person changes something."""
        self._set(link, "refused", reason)

    def _set(self, link: str, condition: Condition, reason: str) -> None:
        before, gist = self.condition, _gist(self.reason)
        if reason:
            self.last_error = reason
        if self._links[link][0] == "refused" and condition == "lost":
            return  # a refusal stays one until it is lifted
        self._links[link] = (condition, reason)
        if self.condition != before:
            self.since = wall_now()
            self._changed.set()
            log.info("outlet.stands", outlet=self._outlet, condition=self.condition, reason=reason, link=link)
        elif _gist(self.reason) != gist:
            self._changed.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        told = await self._told_before()
        try:
            async with asyncio.timeout(self._grace):
                while self.condition in ("unknown", "lost"):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pass
        while True:
            self._changed.clear()
            condition = self.condition
            if _news(told, condition):
                if condition == "up" and self._flapping() and not await self._settled():
                    continue
                await self._tell(condition)
                told = condition
                self._told_at.append(asyncio.get_running_loop().time())
                self._retell_at = 0.0
            elif condition == told == "lost" and _gist(self.reason) != self._gist_told:
                if await self._still_so() and not self._silent():
                    await self._tell(condition)
            else:
                await self._changed.wait()

    async def _still_so(self) -> bool:
        """Whether another reason than the one told holds on. Why it is lost may turn out only later: first the relay
        restarts, then its certificate is wrong. That too is told, but seldom."""
        now = asyncio.get_running_loop().time()
        wait = max(self._steady, self._retell_at - now)
        try:
            async with asyncio.timeout(wait):
                await self._changed.wait()
        except TimeoutError:
            self._retell_at = now + wait + _RETELL
            return True
        return False

    async def _told_before(self) -> Condition:
        try:
            facts = await meta.read_all(self._database)
        except StoreError:  # then `restored` may be missing once; the store's own trouble is told
            return "up"
        told = facts.get(self._key, "up")
        self._gist_told = facts.get(f"{self._key}.why", "")
        return "lost" if told == "lost" else "refused" if told == "refused" else "up"

    @property
    def _key(self) -> str:
        return f"outlet_told.{self._outlet}"

    def _flapping(self) -> bool:
        now = asyncio.get_running_loop().time()
        return len(self._told_at) == _FLAPPING and now - self._told_at[0] < _WITHIN

    async def _settled(self) -> bool:
        """Whether nothing changes for a while."""
        try:
            async with asyncio.timeout(self._settle):
                await self._changed.wait()
        except TimeoutError:
            return True
        return False

    async def _tell(self, condition: Condition) -> None:
        header, outlet, reason = self._clock.header(), self._outlet, self.reason
        self._gist_told = _gist(reason)
        event: Event
        if condition == "up":
            event = OutletRestored(**header, outlet=outlet)
        elif condition == "refused":
            event = OutletRefused(**header, outlet=outlet, reason=reason)
        else:
            event = OutletLost(**header, outlet=outlet, reason=reason)

        async def remember(transaction: aiosqlite.Connection) -> None:
            await meta.write(transaction, {self._key: condition, f"{self._key}.why": _gist(reason)})

        await self._intake.decide(event, also=remember)


def _gist(reason: str) -> str:
    """A reason without its numbers: the same cause an hour later is no other cause."""
    return "".join(letter for letter in reason if not letter.isdigit())


def _news(told: Condition, condition: Condition) -> bool:
    if condition == "unknown":
        return False
    if condition == "lost":
        return told == "up"
    return condition != told
