"""Footage that a person keeps from being deleted: as the gateway says, which alone decides."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Row, bindparam, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import upsert
from relay.store.schema import hold
from rules.events import Event, MediaHeld, MediaReleased

_RELEASE = delete(hold).where(hold.c.gateway == bindparam("whose"), hold.c.incident == bindparam("which"))


async def apply(connection: AsyncConnection, gateway: str, events: Iterable[Event]) -> set[str]:
    """Follow the events of lane P1 in their order; the incidents whose pages look different now."""
    latest: dict[str, MediaHeld | MediaReleased] = {}
    for event in events:
        if isinstance(event, MediaHeld | MediaReleased):
            latest[event.incident] = event
    held = [
        {"gateway": gateway, "incident": one.incident, "since": one.wall, "by": one.by, "reason": one.reason}
        for one in latest.values()
        if isinstance(one, MediaHeld)
    ]
    released = [{"whose": gateway, "which": one.incident} for one in latest.values() if isinstance(one, MediaReleased)]
    if held:
        await connection.execute(upsert.replacing(connection, hold, "gateway", "incident"), held)
    if released:
        await connection.execute(_RELEASE, released)
    return set(latest)


async def of_incident(connection: AsyncConnection, gateway: str, incident: str) -> Row[Any] | None:
    """The hold of an incident's footage; None when there is none."""
    query = select(hold).where(hold.c.gateway == gateway, hold.c.incident == incident)
    return (await connection.execute(query)).one_or_none()
