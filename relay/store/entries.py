"""Incidents: their entries, and the row that is the fold of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import upsert
from relay.store.gateways import Gateway
from relay.store.schema import entry as table
from relay.store.schema import incident as incident_table
from relay.store.schema import notice
from rules import ids, incidents, wire

TELLS = {"incident.opened": "opened", "incident.reopened": "reopened"}

_BY_INCIDENT = select(table.c.incident, table.c.data).where(
    table.c.gateway == bindparam("gateway"), table.c.incident.in_(bindparam("incidents", expanding=True))
)
_BY_ID = select(table.c.id, table.c.data).where(
    table.c.gateway == bindparam("gateway"), table.c.id.in_(bindparam("ids", expanding=True))
)
_OWNERS = select(incident_table.c.id, incident_table.c.gateway, incident_table.c.arrived).where(
    incident_table.c.id.in_(bindparam("ids", expanding=True))
)
_DOWN = (
    select(table.c.cursor, table.c.data)
    .where(table.c.gateway == bindparam("gateway"), table.c.cursor > bindparam("after"))
    .where(table.c.origin != bindparam("gateway"))
    .where(or_(table.c.arrived_from.is_(None), table.c.arrived_from != bindparam("gateway")))
    .order_by(table.c.cursor)
    .limit(bindparam("most"))
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose incident it is and since when (wall µs) this relay knows it."""

    gateway: str
    arrived: int


async def owners(connection: AsyncConnection, wanted: Iterable[str]) -> dict[str, Owner]:
    """The incidents already known among these."""
    listed = list(wanted)
    if not listed:
        return {}
    rows = await connection.execute(_OWNERS, {"ids": listed})
    return {row.id: Owner(gateway=row.gateway, arrived=row.arrived) for row in rows}


async def known(connection: AsyncConnection, gateway: str, wanted: list[str]) -> dict[str, bytes]:
    """The bytes of entries already here, wherever they came from."""
    if not wanted:
        return {}
    rows = await connection.execute(_BY_ID, {"gateway": gateway, "ids": wanted})
    return {row.id: row.data for row in rows}


async def of_incident(connection: AsyncConnection, *, gateway: str, incident: str) -> list[incidents.Entry]:
    """Every entry of one incident, in no particular order (`rules.incidents.fold` orders them)."""
    rows = await connection.execute(_BY_INCIDENT, {"gateway": gateway, "incidents": [incident]})
    return [wire.entry(wire.read(row.data)) for row in rows]


async def add(
    connection: AsyncConnection,
    gateway: Gateway,
    new: Sequence[tuple[incidents.Entry, bytes]],
    *,
    arrived_from: str | None,
    now: int,
    owned: dict[str, Owner],
) -> None:
    """Add entries not yet known here: fold their incidents anew and queue what there is to tell, in the caller's
    transaction. `owned` says which of the incidents exist; the caller has checked whose they are."""
    touched: dict[str, list[incidents.Entry]] = defaultdict(list)
    for entry, _ in new:
        touched[entry.incident].append(entry)
    present = [incident for incident in touched if incident in owned]
    if present:
        for row in await connection.execute(_BY_INCIDENT, {"gateway": gateway.id, "incidents": present}):
            touched[row.incident].append(wire.entry(wire.read(row.data)))
    rows = []
    telling: set[str] = set()  # an incident without a policy tells nobody: its rule says so
    for incident, entries in touched.items():
        arrived = owned[incident].arrived if incident in owned else now
        folded = incidents.fold(entries, now=now)
        rows.append(_summary(gateway, folded, arrived=arrived, now=now))
        if folded.policy is not None:
            telling.add(incident)
    await connection.execute(upsert.replacing(connection, incident_table, "id", keep=("gateway", "arrived")), rows)
    await connection.execute(
        insert(table),
        [
            {
                "id": entry.id,
                "incident": entry.incident,
                "gateway": gateway.id,
                "arrived_from": arrived_from,
                "lamport": entry.lamport,
                "origin": entry.origin,
                "kind": entry.kind,
                "wall": entry.wall,
                "by": entry.by,
                "received": now,
                "data": data,
            }
            for entry, data in new
        ],
    )
    notices = [
        {
            "id": ids.derived("notice", gateway.id, entry.id),
            "incident": entry.incident,
            "transition": TELLS[entry.kind],
            "created": now,
            "routed": None,
        }
        for entry, _ in new
        if entry.kind in TELLS and entry.incident in telling
    ]
    if notices:
        await connection.execute(insert(notice), notices)


def _summary(gateway: Gateway, folded: incidents.Incident, *, arrived: int, now: int) -> dict[str, Any]:
    return {
        "id": folded.id,
        "gateway": gateway.id,
        "tenant": gateway.tenant,
        "site": gateway.site,
        "title": folded.title,
        "severity": folded.severity,
        "state": folded.state,
        "opened": folded.opened,
        "policy": folded.policy,
        "rule": folded.rule,
        "device": folded.device,
        "acknowledged_by": folded.acknowledged_by,
        "acknowledged_until": folded.acknowledged_until,
        "resolved_by": folded.resolved_by,
        "merged_into": folded.merged_into,
        "lamport": folded.lamport,
        "clips": len(folded.clips),
        "stills": len(folded.stills),
        "arrived": arrived,
        "updated": now,
    }


async def downwards(
    connection: AsyncConnection, *, gateway: str, after: int, most: int = 100, most_bytes: int = 262_144
) -> tuple[list[str], int]:
    """Entries made elsewhere than at this gateway, after a cursor, as their makers' exact text; and the cursor they
    reach. Bounded: the gateway pulls again."""
    rows = (await connection.execute(_DOWN, {"gateway": gateway, "after": after, "most": most})).all()
    items: list[str] = []
    reached, size = after, 0
    for row in rows:
        size += len(row.data)
        if items and size > most_bytes:
            break
        items.append(row.data.decode())
        reached = row.cursor
    return items, reached
