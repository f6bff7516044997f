"""Acting on incidents here: people's entries, and the incidents the relay opens itself.

An entry made here is written once, as record bytes, with this relay as its origin. It goes down to the gateway through
the channel and from there to every other relay of that gateway.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

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
from rules.incidents import LIFE, Entry, Incident, fold

log = structlog.get_logger(__name__)

ACTS = {
    "acknowledged": "incident.acknowledged",
    "resolved": "incident.resolved",
    "noted": "incident.noted",
    "reopened": "incident.reopened",
}
LONGEST_NOTE = 4_000


def _nothing() -> None:
    return None


class Incidents:
    """`act` for people, `open_own` for the relay; `on_notice` is called after a commit that queued a notice."""

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
    ) -> Entry:
        """A person (shown as `by`) acknowledges, resolves, notes or reopens. `request`, when given, makes a repeated
        call the same entry. NotFound; Refused when the incident's state has no such step, with a sentence."""
        if kind not in ACTS:
            raise Refused(f"{kind!r} is not one of {', '.join(ACTS)}")
        note = (note or "").strip() or None
        if kind == "noted" and note is None:
            raise Refused("a note needs some text")
        if note is not None and len(note) > LONGEST_NOTE:
            raise Refused(f"a note may have {LONGEST_NOTE} characters, this one has {len(note)}")
        body: dict[str, Any] = {}
        if note is not None:
            body["note"] = note
        if person is not None:
            body["person"] = person
        now = self._clock.wall()
        identity = (
            ids.derived("act", self._relay, incident, request)
            if request is not None
            else ids.time_ordered(wall=now, random=secrets.token_bytes(10))
        )
        async with self._db.write() as connection:
            current, owner = await self.folded(connection, incident, to_change=True)
            repeated = next((entry for entry in current.entries if entry.id == identity), None)
            if repeated is not None:
                return repeated
            if kind != "noted" and ACTS[kind] not in LIFE[current.state]:
                raise Refused(_why_not(current, kind))
            entry = Entry(
                id=identity,
                kind=ACTS[kind],
                incident=incident,
                lamport=current.lamport + 1,
                origin=self._relay,
                wall=now,
                by=by,
                body=body,
            )
            await self._append(connection, owner, [entry], now=now)
        log.info("incident.acted", incident=incident, kind=entry.kind, gateway=owner)
        self._told(owner, incident)
        return entry

    async def append(self, connection: AsyncConnection, *, incident: str, make: Callable[[int], Entry]) -> str:
        """Inside the caller's transaction: add the entry that `make(lamport)` returns, unless its id is known; returns
        the incident's gateway. After the commit call `told`."""
        current, owner = await self.folded(connection, incident, to_change=True)
        entry = make(current.lamport + 1)
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
        encoded = [(entry, wire.encode(entry)) for entry in new]
        await entries.add(connection, gateway, encoded, arrived_from=None, now=now, owned=owned)

    def _told(self, gateway: str, incident: str) -> None:
        self._changes.publish(incidents=[incident])
        self._hub.wake(gateway)
        self.on_notice()


def _why_not(current: Incident, kind: str) -> str:
    if current.state == "none":
        return "the opening of this incident has not arrived yet; add a note, or try again in a moment"
    if current.state == "merged":
        return "this incident was merged into another one; act on that one"
    if current.state == "resolved":
        return f"this incident is already resolved, by {current.resolved_by or 'somebody'}; reopen it first"
    return f"an incident that is {current.state} cannot be {kind}"
