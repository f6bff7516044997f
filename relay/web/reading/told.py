"""Who was told of an incident, by which way, and why somebody was not."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store.schema import delivery
from relay.web.times import Times


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery row in words."""

    id: str
    recipient: str
    state: str
    created: int
    finished: int | None
    sentence: str


_STATES = {
    "queued": "waiting to be sent",
    "held": "held back",
    "sending": "being sent",
    "sent": "sent",
    "failed": "given up",
    "expired": "too late, not sent",
    "dropped": "not sent",
}


async def of_incident(connection: AsyncConnection, incident: str, times: Times) -> list[Delivery]:
    """The deliveries of an incident, oldest first."""
    query = select(delivery).where(delivery.c.incident == incident).order_by(delivery.c.created, delivery.c.id)
    found = []
    for row in await connection.execute(query):
        parts = [f"By {row.channel}, {_STATES.get(row.state, row.state)}"]
        if row.attempts > 1:
            parts.append(f"{row.attempts} attempts")
        if row.reason:
            parts.append(row.reason)
        if row.state in ("queued", "failed") and row.last_error:
            parts.append(row.last_error)
        if row.state == "queued" and row.attempts and row.next_at > times.now:
            parts.append(f"next attempt {times.clock_s(row.next_at)}")
        if row.possibly_repeated:
            parts.append("possibly a repeat")
        found.append(
            Delivery(
                id=row.id,
                recipient=row.recipient,
                state=row.state,
                created=row.created,
                finished=row.finished,
                sentence="; ".join(parts) + ".",
            )
        )
    return found
