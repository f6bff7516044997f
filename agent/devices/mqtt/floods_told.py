"""Which floods were told: once when one begins and once when it is over, also across a restart of the agent."""

from __future__ import annotations

from collections.abc import Mapping, Set
from functools import partial

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import StoreDamaged, StoreError
from agent.intake import Input, Intake
from agent.store import meta
from agent.store.database import Database
from rules.events import DeviceCalm, DeviceFlooding, Event

log = structlog.get_logger()

_KEY = "flood_told."


class FloodsTold:
    """By device. What was told is kept in the store, so that a flood which outlives the agent is ended all the same."""

    def __init__(self, *, database: Database, intake: Intake, clock: Clock, per_second: int) -> None:
        self._database = database
        self._intake = intake
        self._clock = clock
        self._per_second = per_second
        self._told: set[str] = set()

    async def load(self) -> None:
        """What a run before this one has told and not ended."""
        try:
            facts = await meta.read_all(self._database)
        except (StoreError, StoreDamaged):  # then a flood may stay told as one; the store's own trouble is told
            return
        self._told = {name.removeprefix(_KEY) for name, value in facts.items() if name.startswith(_KEY) and value}

    def knows(self, device: str) -> bool:
        """Whether its flood was told."""
        return device in self._told

    async def begin(self, device: str) -> None:
        """A flood begins."""
        log.warning("device.flooding", device=device, per_second=self._per_second)
        self._told.add(device)
        fact = DeviceFlooding(**self._clock.header(), device=device, per_second=self._per_second)
        await self._tell(fact, device, "1")

    async def end(self, over: Mapping[str, int], flooding: Set[str]) -> None:
        """These floods are `over`, with so many messages let go; those told that are not `flooding` ended unseen."""
        for device in sorted(self._told - flooding):
            dropped = over.get(device, 0)
            log.info("device.calm", device=device, dropped=dropped)
            self._told.discard(device)
            await self._tell(DeviceCalm(**self._clock.header(), device=device, dropped=dropped), device, "")

    async def _tell(self, fact: Event, device: str, value: str) -> None:
        await self._intake.offer(Input(fact=fact, also=partial(_remember, device, value)))


async def _remember(device: str, value: str, transaction: aiosqlite.Connection) -> None:
    await meta.write(transaction, {_KEY + device: value})
