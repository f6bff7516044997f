"""Which gateways are alive, and the incident that begins when one falls silent.

Theory of operation: every request and every message of a gateway is a sign of life. One that has given none for 90 s
becomes an incident of this relay, whose id is derived from the gateway, its epoch, this relay and the last P1 record it
sent, so it is opened once however often we look. When the gateway is heard again the relay resolves the incident itself
and says for how long it was silent; of one that comes and goes the incident stays open until it was heard for ten
minutes without a break. A relay that itself slept or was just started gives everybody 90 s first.
"""

from __future__ import annotations

import asyncio
import secrets

import structlog
from sqlalchemy import select, update

from relay.changes import Changes
from relay.clock import Clock
from relay.flapping import Flapping
from relay.incidents import Incidents
from relay.metrics import Metrics
from relay.store import conditions, gateways, lanes
from relay.store.database import FAILURES, Database
from relay.store.gateways import Gateway
from relay.store.schema import gateway as table
from rules import ids
from rules.incidents import Entry

log = structlog.get_logger(__name__)

SILENT = 90_000_000  # µs
LOOK_SECONDS = 5.0
OWN_SLEEP = 30_000_000  # µs between two looks of ours: then we were away, not they
PERSIST = 10_000_000  # µs
_COMES_AND_GOES = (
    "The gateway was silent three times within ten minutes: its connection comes and goes. This incident stays open "
    "until the gateway was heard for ten minutes without a break."
)


class Presence:
    """`heard` is called for each sign of life; `run` looks every five seconds."""

    def __init__(
        self,
        *,
        relay: str,
        own_policy: str | None,
        db: Database,
        incidents: Incidents,
        changes: Changes,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._relay = relay
        self._own_policy = own_policy
        self._db = db
        self._incidents = incidents
        self._changes = changes
        self._metrics = metrics
        self._clock = clock
        self._heard: dict[str, int] = {}  # boot time of the last sign of life since we started
        self._since = clock.boot()  # nobody is judged for the time before this
        self._looked = self._since
        self._persisted = 0
        self._flapping = Flapping()

    def heard(self, gateway: str) -> None:
        self._heard[gateway] = self._clock.boot()

    async def run(self) -> None:
        while True:
            try:
                await self.look()
            except FAILURES as error:
                log.error("presence.store_failed", reason=str(getattr(error, "orig", error)))
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Compare every gateway's last sign of life with now."""
        now = self._clock.boot()
        if now - self._looked > OWN_SLEEP:
            log.warning("presence.away", seconds=(now - self._looked) // 1_000_000)
            self._since = now
        self._looked = now
        async with self._db.read() as connection:
            rows = (
                await connection.execute(select(table.c.id, table.c.lost_incident).where(table.c.status == "active"))
            ).all()
        silent = 0
        for row in rows:
            heard = self._heard.get(row.id)
            quiet = now - max(heard or 0, self._since)
            if row.lost_incident is None and quiet > SILENT:
                await self._lost(row.id, quiet)
            elif row.lost_incident is not None and quiet > SILENT:
                self._flapping.silent(row.id)
            elif row.lost_incident is not None and heard is not None and not self._flapping.waits(row.id, now):
                await self._back(row.id)
            silent += quiet > SILENT
        self._metrics.silent.set(silent)
        if now - self._persisted > PERSIST:
            await self._persist(now)

    async def _persist(self, now: int) -> None:
        """Keep the last signs of life, in wall time, for the pages and the next start."""
        wall = self._clock.wall()
        recent = {name: moment for name, moment in self._heard.items() if moment >= self._persisted}
        self._persisted = now
        if not recent:
            return
        async with self._db.write() as connection:
            for name, moment in recent.items():
                await gateways.heard(connection, name, now=wall - (now - moment))
        self._changes.publish(gateways=recent)

    async def _lost(self, name: str, quiet: int) -> None:
        async with self._db.write() as connection:
            gateway = await gateways.find(connection, name)
            if gateway is None or gateway.lost_incident is not None:
                return
            epoch = gateway.epoch or ""
            lane = await lanes.find(connection, gateway=name, epoch=epoch, lane="P1")
            incident = ids.derived("gateway.lost", name, epoch, self._relay, lane.seq if lane else 0)
            opened = await self._incidents.open_own(
                connection,
                gateway=gateway,
                incident=incident,
                title=f"Gateway {name} at {gateway.site} is not heard",
                severity="high",
                policy=self._own_policy,
            )
            if not opened:  # silent again without a word in between
                await self._incidents.append(
                    connection, incident=incident, make=lambda lamport: self._entry("reopened", incident, lamport, {})
                )
            await connection.execute(update(table).where(table.c.id == name).values(lost_incident=incident))
            await conditions.raise_own(
                connection,
                name,
                family="silent",
                kind="gateway.lost",
                reason=f"nothing was heard for {quiet // 1_000_000} s",
                since=self._clock.wall() - quiet,
            )
            if self._flapping.changed(name, self._clock.boot()):
                note = {"note": _COMES_AND_GOES}
                await self._incidents.append(
                    connection, incident=incident, make=lambda lamport: self._entry("noted", incident, lamport, note)
                )
        log.warning("gateway.lost", gateway=name, seconds=quiet // 1_000_000, incident=incident)
        self._incidents.told(name, incident)
        self._changes.publish(gateways=[name])

    async def _back(self, name: str) -> None:
        async with self._db.write() as connection:
            gateway: Gateway | None = await gateways.find(connection, name)
            if gateway is None or gateway.lost_incident is None:
                return
            incident = gateway.lost_incident
            current, _ = await self._incidents.folded(connection, incident)
            if current.state in ("open", "acknowledged", "in_progress"):
                lost_at = current.entries[-1].wall if current.opened is None else current.opened
                seconds = max(0, self._clock.wall() - lost_at) // 1_000_000
                words = f"The gateway is heard again, {_spoken(seconds)} after this was noticed."
                note = {"note": words, "reason": "technical"}
                await self._incidents.append(
                    connection, incident=incident, make=lambda lamport: self._entry("resolved", incident, lamport, note)
                )
            await connection.execute(update(table).where(table.c.id == name).values(lost_incident=None))
            await conditions.clear_own(connection, name, family="silent")
        self._flapping.changed(name, self._clock.boot())
        log.info("gateway.back", gateway=name, incident=incident)
        self._incidents.told(name, incident)
        self._changes.publish(gateways=[name])

    def _entry(self, act: str, incident: str, lamport: int, body: dict[str, str]) -> Entry:
        wall = self._clock.wall()
        return Entry(
            id=ids.time_ordered(wall=wall, random=secrets.token_bytes(10)),
            kind=f"incident.{act}",
            incident=incident,
            lamport=lamport,
            origin=self._relay,
            wall=wall,
            by=self._relay,
            body=dict(body),
        )


def _spoken(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
