"""An outlet that keeps a copy and has taken nothing for a week: told once, as recordings wait for it and fill the disk.

Time is gateway time, which nobody can set and which a restart goes on with. After a start there is an hour to come back
before anything is told: a gateway that was in a box for a month has not been forgotten by its relay.
"""

from __future__ import annotations

import asyncio

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import AgentError
from agent.intake import Intake
from agent.store import meta
from agent.store.database import Database
from rules.events import OutletSilent

log = structlog.get_logger()

TOO_LONG = 7 * 86_400_000_000  # µs
_LOOK = 3600.0  # seconds
_DAY = 86_400_000_000


class Silence:
    """`heard` when the outlet answered and had everything, or took something; `run` tells."""

    def __init__(self, *, outlet: str, clock: Clock, intake: Intake, database: Database) -> None:
        self.name = f"outlet.{outlet}.silence"
        self._outlet = outlet
        self._clock = clock
        self._intake = intake
        self._database = database
        self._heard = clock.gt()
        self._heard_now = False  # in this life
        self._saved = -1
        self.told = False

    def heard(self) -> None:
        """The outlet answered: it is there."""
        self._heard, self._heard_now, self.told = self._clock.gt(), True, False

    async def run(self) -> None:
        """Look every hour until cancelled."""
        loaded = False
        while True:
            try:
                if loaded:
                    await self.look()
                else:
                    await self.load()
                    loaded = True
            except AgentError as error:
                log.warning("outlet.store", outlet=self._outlet, error=str(error))
            await asyncio.sleep(_LOOK)

    async def load(self) -> None:
        """When it was heard last, in this life or the one before. StoreError when that cannot be read."""
        facts = await meta.read_all(self._database)
        if not self._heard_now and self._key in facts:
            self._heard = min(self._heard, int(facts[self._key]))
            self.told = facts.get(self._told_key) == "1"
        await self._save()

    async def look(self) -> None:
        """Tell, if it has been too long. StoreError when the log cannot be written."""
        silent = self._clock.gt() - self._heard
        if silent < TOO_LONG or self.told:
            await self._save()
            return
        self.told = True
        event = OutletSilent(**self._clock.header(), outlet=self._outlet, days=silent // _DAY)
        log.warning("outlet.silent", outlet=self._outlet, days=event.days)

        async def remember(transaction: aiosqlite.Connection) -> None:
            await meta.write(transaction, self._facts())

        await self._intake.decide(event, also=remember)

    async def _save(self) -> None:
        if self._heard != self._saved:
            heard = self._heard
            async with self._database.transaction() as transaction:
                await meta.write(transaction, self._facts())
            self._saved = heard

    def _facts(self) -> dict[str, str]:
        return {self._key: str(self._heard), self._told_key: "1" if self.told else "0"}

    @property
    def _key(self) -> str:
        return f"outlet_heard.{self._outlet}"

    @property
    def _told_key(self) -> str:
        return f"outlet_silent.{self._outlet}"
