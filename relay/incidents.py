"""Acting on incidents here: people's entries, and the incidents the relay opens itself.

An entry made here is written once, as record bytes, with this relay as its origin. It goes down to the gateway through
the channel and from there to every other relay of that gateway.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay import acts
from relay.changes import Changes
from relay.clock import Clock
from relay.errors import NotFound, Refused
from relay.hub import Hub
from relay.store import entries, gateways
from relay.store.database import Database
from relay.store.gateways import Gateway
from relay.store.schema import gateway as gateway_table
from relay.store.schema import incident as incident_table
from rules import ids, wire
from rules.incidents import Entry, Incident, fold

log = structlog.get_logger(__name__)


def _nothing() -> None:
    return None


class Incidents:
    """`act`, `merge` and `split` for people, `open_own` for the relay; `on_notice` is called after a commit that queued
    a notice."""

    def __init__(self, *, relay: str, db: Database, changes: Changes, hub: Hub, clock: Clock) -> None:
        self._relay = relay
        self._db = db
        self._changes = changes
        self._hub = hub
        self._clock = clock
        self.on_notice: Callable[[], None] = _nothing

    async def folded(
        self, connection: AsyncConnection, incident: str, *, to_change: bool = False
    ) -> tuple[Incident, str]:
        """An incident as it is now, with its entries, and its gateway. `to_change` holds the gateway's row until the
        transaction ends, so that two processes do not fold past each other. NotFound when there is none."""
        owner = (
            select(gateway_table.c.id)
            .join(incident_table, incident_table.c.gateway == gateway_table.c.id)
            .where(incident_table.c.id == incident)
        )
        gateway = await connection.scalar(owner.with_for_update(of=gateway_table) if to_change else owner)
        if gateway is None:
            raise NotFound("there is no such incident")
        listed = await entries.of_incident(connection, gateway=gateway, incident=incident)
        return fold(listed, now=self._clock.wall()), gateway

    async def act(
        self,
        *,
        incident: str,
        kind: str,
        by: str,
        note: str | None = None,
        person: str | None = None,
        request: str | None = None,
        reason: str | None = None,
        until: int | None = None,
    ) -> Entry:
        """A person (shown as `by`) does one of `acts.ACTS`: `reason` with resolved and closed, `until` (wall µs) with
        acknowledged; what is assigned is assigned to whoever does it. `request`, when given, makes a repeated call the
        same entry. NotFound; Refused when the incident's state has no such step, with a sentence."""
        hand = self._hand(by=by, person=person)
        identity = ids.derived("act", self._relay, incident, request) if request is not None else hand.identity()
        hand = replace(hand, identity=lambda: identity)
        async with self._db.write() as connection:
            current, owner = await self.folded(connection, incident, to_change=True)
            repeated = next((entry for entry in current.entries if entry.id == identity), None)
            if repeated is not None:
                return repeated
            entry = acts.act(hand, current, kind, note=note, reason=reason, until=until)
            await self._append(connection, owner, [entry], now=hand.wall)
        log.info("incident.acted", incident=incident, kind=entry.kind, gateway=owner)
        self._told(owner, incident)
        return entry

    async def merge(
        self, *, incident: str, other: str, by: str, person: str | None = None, note: str | None = None
    ) -> str:
        """Make two incidents of one gateway one; returns the older, in which both go on. NotFound; Refused."""
        hand = self._hand(by=by, person=person)
        async with self._db.write() as connection:
            one, owner = await self.folded(connection, incident, to_change=True)
            two, owner_of_other = await self.folded(connection, other)
            if owner != owner_of_other:
                raise Refused("only incidents of the same gateway can be merged")
            made = acts.merge(hand, one, two, note=note)
            await self._append(connection, owner, made, now=hand.wall)
        younger, older = acts.in_order(one, two)
        log.info("incident.merged", incident=younger.id, into=older.id, gateway=owner)
        self._told(owner, younger.id, older.id)
        return older.id

    async def split(
        self,
        *,
        incident: str,
        title: str,
        clips: Sequence[str],
        stills: Sequence[str],
        by: str,
        person: str | None = None,
    ) -> str:
        """Make these clips and stills an incident of their own; returns its id. Nobody is told anew: whoever splits it
        knows of it. NotFound; Refused."""
        hand = self._hand(by=by, person=person)
        new = hand.identity()
        async with self._db.write() as connection:
            current, owner = await self.folded(connection, incident, to_change=True)
            made = acts.split(hand, current, new=new, title=title, clips=clips, stills=stills)
            await self._append(connection, owner, made, now=hand.wall)
        log.info("incident.split", incident=incident, into=new, gateway=owner)
        self._told(owner, incident, new)
        return new

    def _hand(self, *, by: str, person: str | None) -> acts.Hand:
        now = self._clock.wall()
        return acts.Hand(
            origin=self._relay,
            by=by,
            person=person,
            wall=now,
            identity=lambda: ids.time_ordered(wall=now, random=secrets.token_bytes(10)),
        )

    async def append(self, connection: AsyncConnection, *, incident: str, make: Callable[[int], Entry]) -> str:
        """Inside the caller's transaction: add the entry that `make(lamport)` returns, unless its id is known; returns
        the incident's gateway. After the commit call `told`."""
        current, owner = await self.folded(connection, incident, to_change=True)
        entry = make(current.lamport + 1)
        if current.covert:
            entry = replace(entry, body=entry.body | {"covert": True})
        if all(known.id != entry.id for known in current.entries):
            await self._append(connection, owner, [entry], now=self._clock.wall())
        return owner

    def told(self, gateway: str, incident: str) -> None:
        """After the commit of `append` or `open_own`: wake pages, the gateway's channel, and the notifier."""
        self._told(gateway, incident)

    async def open_own(
        self,
        connection: AsyncConnection,
        *,
        gateway: Gateway,
        incident: str,
        title: str,
        severity: str,
        policy: str | None,
        cause: str | None = None,
    ) -> bool:
        """Inside the caller's transaction: an incident of the relay's own. Its id is derived by the caller, so it is
        opened once; False when it exists."""
        if await entries.owners(connection, [incident]):
            return False
        now = self._clock.wall()
        body: dict[str, Any] = {"title": title, "severity": severity, "rule": "relay"}
        if policy is not None:
            body["policy"] = policy
        entry = Entry(
            id=ids.derived(incident, "opened"),
            kind="incident.opened",
            incident=incident,
            lamport=1,
            origin=self._relay,
            wall=now,
            by=self._relay,
            cause=cause,
            body=body,
        )
        await entries.add(connection, gateway, [(entry, wire.encode(entry))], arrived_from=None, now=now, owned={})
        log.warning("incident.own_opened", incident=incident, gateway=gateway.id, title=title)
        return True

    async def _append(self, connection: AsyncConnection, owner: str, new: list[Entry], *, now: int) -> None:
        gateway = await gateways.find(connection, owner)
        assert gateway is not None  # a foreign key says so
        owned = await entries.owners(connection, {entry.incident for entry in new})
        await entries.add(connection, gateway, acts.fits(new), arrived_from=None, now=now, owned=owned)

    def _told(self, gateway: str, *incidents: str) -> None:
        self._changes.publish(incidents=incidents)
        self._hub.wake(gateway)
        self.on_notice()
