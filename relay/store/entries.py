"""Incidents: their entries, and the row that is the fold of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import Select, bindparam, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import bulk
from relay.store.gateways import Gateway
from relay.store.schema import entry as table
from relay.store.schema import incident as incident_table
from relay.store.schema import moved, notice
from rules import ids, incidents, wire

TELLS = {"incident.opened": "opened", "incident.reopened": "reopened", "incident.cancelled": "cancelled"}
# Raised when a fold says more or other than before: rows folded by an older program are folded anew.
FOLD = 2
# Entries of incidents that go on are read again with each new one, and reading one costs more than folding it. So many
# are kept at hand, none longer than so many bytes: a few megabytes at most.
_AT_HAND, _LONGEST_AT_HAND = 2048, 2048


@cache
def _by_incident(dialect: str) -> Select[Any]:
    return select(table.c.incident, table.c.data).where(
        table.c.gateway == bindparam("gateway"), bulk.among(dialect, table.c.incident, "incidents")
    )


@cache
def _by_id(dialect: str) -> Select[Any]:
    return select(table.c.id, table.c.data).where(
        table.c.gateway == bindparam("gateway"), bulk.among(dialect, table.c.id, "ids")
    )


@cache
def _owners(dialect: str) -> Select[Any]:
    return select(incident_table.c.id, incident_table.c.gateway, incident_table.c.arrived).where(
        bulk.among(dialect, incident_table.c.id, "ids")
    )


_DOWN = (
    select(table.c.cursor, table.c.data)
    .where(table.c.gateway == bindparam("gateway"), table.c.cursor > bindparam("after"))
    .where(table.c.origin != bindparam("gateway"))
    .where(or_(table.c.arrived_from.is_(None), table.c.arrived_from != bindparam("gateway")))
    .order_by(table.c.cursor)
    .limit(bindparam("most"))
)


# fmt: off
_ENTRY = (
    "id", "incident", "gateway", "arrived_from", "lamport", "origin", "kind", "wall", "by", "received", "data",
)
# fmt: on
_STALE = select(incident_table.c.id, incident_table.c.gateway).where(incident_table.c.fold < FOLD)


def _read(data: bytes) -> incidents.Entry:
    """The entry in these bytes, which never change."""
    return _at_hand(data) if len(data) <= _LONGEST_AT_HAND else wire.entry(wire.read(data))


@lru_cache(_AT_HAND)
def _at_hand(data: bytes) -> incidents.Entry:
    return wire.entry(wire.read(data))


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
    rows = await bulk.rows(connection, _owners(connection.dialect.name), {"ids": bulk.texts(connection, listed)})
    return {identity: Owner(gateway=gateway, arrived=arrived) for identity, gateway, arrived in rows}


async def known(connection: AsyncConnection, gateway: str, wanted: list[str]) -> dict[str, bytes]:
    """The bytes of entries already here, wherever they came from."""
    if not wanted:
        return {}
    values = {"gateway": gateway, "ids": bulk.texts(connection, wanted)}
    return dict(await bulk.rows(connection, _by_id(connection.dialect.name), values))


async def of_incident(connection: AsyncConnection, *, gateway: str, incident: str) -> list[incidents.Entry]:
    """Every entry of one incident, in no particular order (`rules.incidents.fold` orders them)."""
    return [_read(data) for _, data in await _of(connection, gateway, [incident])]


async def _of(connection: AsyncConnection, gateway: str, wanted: Iterable[str]) -> Sequence[Any]:
    """Incident and bytes of every entry of these incidents."""
    values = {"gateway": gateway, "incidents": bulk.texts(connection, wanted)}
    return await bulk.rows(connection, _by_incident(connection.dialect.name), values)


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
        for incident, data in await _of(connection, gateway.id, present):
            touched[incident].append(_read(data))
    folds = {incident: incidents.fold(entries, now=now) for incident, entries in touched.items()}
    rows = [
        {
            "gateway": gateway.id,
            "tenant": gateway.tenant,
            "site": gateway.site,
            "arrived": owned[incident].arrived if incident in owned else now,
            "updated": now,
        }
        | _folded(folded)
        for incident, folded in folds.items()
    ]
    await bulk.replace(connection, incident_table, rows, keys=("id",), keep=("gateway", "arrived"))
    for folded in folds.values():
        await _move(connection, folded)
    await bulk.add(
        connection,
        table,
        _ENTRY,
        [
            (
                entry.id,
                entry.incident,
                gateway.id,
                arrived_from,
                entry.lamport,
                entry.origin,
                entry.kind,
                entry.wall,
                entry.by,
                now,
                data,
            )
            for entry, data in new
        ],
    )
    notices = [
        (ids.derived("notice", gateway.id, entry.id), entry.incident, TELLS[entry.kind], now)
        for entry, _ in new
        if _tells(entry, folds[entry.incident])
    ]
    await bulk.add(connection, notice, ("id", "incident", "transition", "created"), notices)


def _tells(entry: incidents.Entry, folded: incidents.Incident) -> bool:
    """Whether somebody may have to hear of it. An incident without a policy tells nobody: its rule says so; and whoever
    split one knows of its part."""
    return entry.kind in TELLS and folded.policy is not None and entry.body.get("split_from") is None


def _folded(folded: incidents.Incident) -> dict[str, Any]:
    """The columns that are the fold."""
    return {
        "id": folded.id,
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
        "started_by": folded.started_by,
        "closed_by": folded.closed_by,
        "reason": folded.reason,
        "assignee": folded.assignee,
        "assignee_id": folded.assignee_id,
        "cancelled": folded.cancelled,
        "cancelled_by": folded.cancelled_by,
        "split_from": folded.split_from,
        "covert": int(folded.covert),
        "fold": FOLD,
        "lamport": folded.lamport,
        "clips": len(folded.clips),
        "stills": len(folded.stills),
    }


async def _move(connection: AsyncConnection, folded: incidents.Incident) -> None:
    """Say which footage came to this incident and which left it."""
    if not folded.moved_in and not folded.moved_out and not folded.split_into:
        return
    await connection.execute(delete(moved).where(moved.c.incident == folded.id))
    rows = [
        {"incident": folded.id, "what": what, "subject": subject, "here": here}
        for here, pieces in ((1, folded.moved_in), (0, folded.moved_out))
        for what, subject in pieces
    ]
    if rows:
        await connection.execute(insert(moved), rows)


async def refold(connection: AsyncConnection, *, now: int, most: int = 100) -> list[str]:
    """Fold anew some of the incidents that an older program folded; the ids of those it did, none when all are done."""
    rows = (await connection.execute(_STALE.limit(most))).all()
    for row in rows:
        folded = incidents.fold(await of_incident(connection, gateway=row.gateway, incident=row.id), now=now)
        values = _folded(folded) | {"updated": now}
        await connection.execute(update(incident_table).where(incident_table.c.id == row.id).values(**values))
        await _move(connection, folded)
    return [row.id for row in rows]


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
