"""What of an incident an outlet holds outside the building, and after how long: as its gateway told it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import upsert
from relay.store.schema import outside
from rules.events import Event, EvidenceOutside

_FIRST = (
    select(outside.c.what, func.min(outside.c.after).label("after"))
    .where(outside.c.gateway == bindparam("gateway"), outside.c.incident == bindparam("incident"))
    .group_by(outside.c.what)
)


async def apply(connection: AsyncConnection, gateway: str, events: Iterable[Event]) -> set[str]:
    """Keep what these events say; returns the incidents whose pages look different now."""
    rows = [
        {
            "gateway": gateway,
            "incident": event.incident,
            "what": event.what,
            "outlet": event.outlet,
            "after": event.after,
            "wall": event.wall,
        }
        for event in events
        if isinstance(event, EvidenceOutside)
    ]
    if rows:
        await connection.execute(upsert.insert(connection, outside).on_conflict_do_nothing(), rows)
    return {str(row["incident"]) for row in rows}


async def of_incident(connection: AsyncConnection, gateway: str, incident: str) -> dict[str, int]:
    """By what: the shortest time after the opening (µs)."""
    found = await connection.execute(_FIRST, {"gateway": gateway, "incident": incident})
    return {str(row.what): int(row.after) for row in found}
