"""What of an incident is outside the building, and after how long: told once each, as `evidence.outside`.

Its record when the outlet acknowledged it in lane P0; a still, key pictures, the time up to the alarm and everything
when it acknowledged their blobs. What was told is kept in the store, and at a start the incidents of the last days
are looked at again: a crash between an acknowledgement and its telling loses nothing. Incidents from before the
outlet came are not told of.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict

import aiosqlite
import structlog

from agent.clock import Clock
from agent.errors import AgentError
from agent.intake import Input, Intake
from agent.outlets.backoff import Backoff
from agent.outlets.lane import LaneFollower
from agent.store.database import Database
from agent.store.evidence import WHATS, Opened, Outside, What
from agent.store.log import Log
from rules import ids
from rules.events import EvidenceOutside
from rules.units import DAY

log = structlog.get_logger()

_LOOK_BACK = 7 * DAY  # at a start
_PAGE = 200
_MOST = 4096  # blobs acknowledged that wait to be looked at; more than that, and a start finds the rest


class Witness:
    """Service. `got` and `moved` are called by the connections; `run` looks and tells."""

    def __init__(
        self, *, outlet: str, alarms: LaneFollower, database: Database, log: Log, intake: Intake, clock: Clock
    ) -> None:
        """`alarms` is the follower of lane P0."""
        self.name = f"outlet.{outlet}.witness"
        self._outlet = outlet
        self._alarms = alarms
        self._database = database
        self._log = log
        self._intake = intake
        self._clock = clock
        self._outside = Outside(database=database, outlet=outlet)
        self._blobs: OrderedDict[str, int] = OrderedDict()  # sha256 -> gateway time of its acknowledgement
        self._records: OrderedDict[str, int] = OrderedDict()
        self._epoch = ""
        self._seen = 0  # of lane P0, in this epoch
        self._sealed = 0
        self._manifests = -1
        self._wake = asyncio.Event()
        self._acknowledged = (0, 0)  # (seq, gateway time) of lane P0
        self._life = uuid.uuid4().hex

    def got(self, sha256: str) -> None:
        """The outlet holds this blob."""
        self._blobs.setdefault(sha256, self._clock.gt())
        while len(self._blobs) > _MOST:
            self._blobs.popitem(last=False)
        self._wake.set()

    def moved(self) -> None:
        """A cursor may have moved."""
        if self._alarms.seq != self._acknowledged[0]:
            self._acknowledged = (self._alarms.seq, self._clock.gt())
            self._wake.set()

    async def run(self) -> None:
        """Look and tell until cancelled; a store that fails is tried again."""
        self._wake = self._log.follow()
        backoff = Backoff()
        try:
            looked_back = False
            while True:
                try:
                    if not looked_back:
                        await self._look_back()
                        looked_back = True
                    await self._look()
                    backoff.reset()
                except AgentError as error:
                    log.warning("outlet.store", outlet=self._outlet, error=str(error))
                    await backoff.pause()
        finally:
            self._log.unfollow(self._wake)

    async def _look_back(self) -> None:
        now = self._clock.gt()
        self._sealed = now - _LOOK_BACK
        for incident in await self._outside.recent(now - _LOOK_BACK):
            await self._judge(incident, now)

    async def _look(self) -> None:
        """One round: wait for something, and tell what follows from it."""
        if not self._blobs and not self._news:
            self._wake.clear()
            if not self._blobs and not self._news:
                await self._wake.wait()
        if self._epoch != self._log.epoch or self._seen != self._alarms.seq:
            await self._look_at_records()
        if self._manifests != self._log.head("P2").seq:
            self._manifests = self._log.head("P2").seq
            self._sealed, incidents = await self._outside.sealed_after(self._sealed)
            for incident in incidents:
                await self._judge(incident, self._clock.gt())
        while self._blobs:
            sha256, at = next(iter(self._blobs.items()))
            for incident in await self._outside.incidents_of(sha256):
                await self._judge(incident, at)
            self._blobs.pop(sha256, None)

    @property
    def _news(self) -> bool:
        return (
            self._epoch != self._log.epoch
            or self._seen != self._alarms.seq
            or self._manifests != self._log.head("P2").seq
        )

    async def _look_at_records(self) -> None:
        epoch = self._log.epoch
        if self._epoch != epoch:
            self._seen = await self._outside.records_from(epoch)
            self._epoch = epoch
        until = self._alarms.seq
        at = self._acknowledged[1] or self._clock.gt()
        while self._seen < until:
            page = await self._outside.openings(epoch, self._seen, until, limit=_PAGE)
            for seq, opened in page:
                await self._tell(opened, "record", at, through=(epoch, seq))
            self._seen = page[-1][0] if len(page) == _PAGE else until
        self._seen = until  # also back, when the relay was restored from an older copy

    async def _judge(self, incident: str, at: int) -> None:
        """Tell what the outlet holds of its pictures and was not told."""
        opened = await self._outside.opened(incident)
        if opened is None:
            return
        missing = set(WHATS) - await self._outside.told(incident)
        if not missing:
            return
        held = await self._outside.held(incident)
        for what in WHATS:
            if what in missing and what in held:
                await self._tell(opened, what, at)

    async def _tell(self, opened: Opened, what: What, at: int, *, through: tuple[str, int] | None = None) -> None:
        header = self._clock.header()
        # Once in this life. In another, on a store that was put back, it is another fact: it took another time.
        header["id"] = ids.derived("outside", self._life, self._outlet, opened.incident, what)
        after = max(0, at - opened.gt)
        fact = EvidenceOutside(**header, outlet=self._outlet, incident=opened.incident, what=what, after=after)

        async def remember(transaction: aiosqlite.Connection) -> None:
            await self._outside.remember(transaction, opened.incident, what, after=after)
            if through is not None:
                await self._outside.looked_through(transaction, *through)

        await self._intake.offer(Input(fact=fact, repeatable=True, also=remember))
