"""Notices and deliveries: what there is to tell, to whom, and how it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store.schema import delivery as table
from relay.store.schema import entry, incident, notice, still

MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """An entry that somebody may have to hear of, not yet routed."""

    id: str
    incident: str
    transition: str
    created: int
    gateway: str
    site: str
    severity: str
    policy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery and what its message needs."""

    id: str
    incident: str
    transition: str
    gateway: str
    site: str
    channel: str
    recipient: str
    digest: str | None
    attempts: int
    created: int
    possibly_repeated: bool


_UNROUTED = (
    select(
        notice.c.id,
        notice.c.incident,
        notice.c.transition,
        notice.c.created,
        incident.c.gateway,
        incident.c.site,
        incident.c.severity,
        incident.c.policy,
    )
    .join(incident, incident.c.id == notice.c.incident)
    .where(notice.c.routed.is_(None))
    .order_by(notice.c.created, notice.c.id)
    .limit(MOST_AT_ONCE)
)
_DELIVERY = (
    select(
        table.c.id,
        table.c.incident,
        notice.c.transition,
        incident.c.gateway,
        incident.c.site,
        table.c.channel,
        table.c.recipient,
        table.c.digest,
        table.c.attempts,
        table.c.created,
        table.c.possibly_repeated,
    )
    .join(notice, notice.c.id == table.c.notice)
    .join(incident, incident.c.id == table.c.incident)
)
_DUE = (
    _DELIVERY.where(table.c.state.in_(("queued", "held")), table.c.next_at <= bindparam("now"))
    .order_by(table.c.rank, table.c.next_at)
    .limit(MOST_AT_ONCE)
    .with_for_update(skip_locked=True, of=table)
)
# Old news of one site to one recipient goes out together, whatever the order in which it came due.
_SAME_DIGEST = _DELIVERY.where(
    table.c.state == "queued", table.c.digest == bindparam("digest"), table.c.recipient == bindparam("recipient")
).with_for_update(skip_locked=True, of=table)


# Asked at every wake, so made once: putting such a statement together costs more than answering it.
_ANYTHING = select(
    or_(
        select(notice.c.id).where(notice.c.routed.is_(None)).exists(),
        select(table.c.id).where(table.c.state.in_(("queued", "held")), table.c.next_at <= bindparam("now")).exists(),
        select(table.c.id).where(table.c.state == "sending", table.c.leased_until < bindparam("now")).exists(),
    )
)
_NEXT = select(func.min(table.c.next_at)).where(table.c.state.in_(("queued", "held")))


async def unrouted(connection: AsyncConnection) -> list[Notice]:
    return [Notice(**row._mapping) for row in await connection.execute(_UNROUTED)]


async def happened(connection: AsyncConnection, notices: Sequence[Notice]) -> dict[tuple[str, str], int]:
    """When (wall µs) each of their incidents last was what they tell, by incident and transition."""
    if not notices:
        return {}
    rows = await connection.execute(
        select(entry.c.incident, entry.c.kind, func.max(entry.c.wall))
        .where(entry.c.incident.in_({notice.incident for notice in notices}))
        .where(entry.c.kind.in_({f"incident.{notice.transition}" for notice in notices}))
        .group_by(entry.c.incident, entry.c.kind)
    )
    return {(incident, kind.removeprefix("incident.")): wall for incident, kind, wall in rows}


async def routed(connection: AsyncConnection, notices: list[str], rows: list[dict[str, Any]], *, now: int) -> None:
    """These notices have become these deliveries."""
    await connection.execute(update(notice).where(notice.c.id.in_(notices)).values(routed=now))
    if rows:
        await connection.execute(insert(table), rows)


def _delivery(row: Any) -> Delivery:
    values = dict(row._mapping)
    return Delivery(**values | {"possibly_repeated": bool(values["possibly_repeated"])})


async def due(connection: AsyncConnection, *, now: int) -> list[Delivery]:
    """What is to be looked at now, the most severe first, whole digests at a time."""
    found = {row.id: _delivery(row) for row in await connection.execute(_DUE, {"now": now})}
    digests = {(one.digest, one.recipient) for one in found.values() if one.digest is not None}
    for digest, recipient in sorted(digests, key=str):
        rows = await connection.execute(_SAME_DIGEST, {"digest": digest, "recipient": recipient})
        found.update({row.id: _delivery(row) for row in rows})
    return list(found.values())


async def hold(connection: AsyncConnection, delivery: str, *, reason: str, until: int) -> None:
    await _set(connection, delivery, state="held", reason=reason, next_at=until)


async def unneeded(connection: AsyncConnection, delivery: str, *, reason: str, now: int) -> None:
    await _set(connection, delivery, state="unneeded", reason=reason, finished=now)


async def sending(connection: AsyncConnection, delivery: str, *, attempts: int, until: int) -> None:
    """Claimed for an attempt: whoever finds it still so after `until` may take it over."""
    await _set(connection, delivery, state="sending", reason="", attempts=attempts, leased_until=until)


async def again(connection: AsyncConnection, delivery: str, *, at: int, error: str, repeated: bool) -> None:
    values: dict[str, Any] = {"possibly_repeated": 1} if repeated else {}
    await _set(connection, delivery, state="queued", leased_until=None, next_at=at, last_error=error, **values)


async def finish(connection: AsyncConnection, delivery: str, *, state: str, reason: str, now: int) -> None:
    error = {"last_error": reason} if reason else {}
    await _set(connection, delivery, state=state, reason=reason, leased_until=None, finished=now, **error)


async def _set(connection: AsyncConnection, delivery: str, **values: Any) -> None:
    await connection.execute(update(table).where(table.c.id == delivery).values(**values))


async def take_over(connection: AsyncConnection, *, now: int, everything: bool) -> int:
    """Attempts whose sender is gone are made again, and say that they may be a repeat; with `everything` all of them
    (we have just started and nobody else sends)."""
    gone = table.c.state == "sending"
    if not everything:
        gone &= or_(table.c.leased_until.is_(None), table.c.leased_until < now)
    done = await connection.execute(
        update(table).where(gone).values(state="queued", leased_until=None, next_at=now, possibly_repeated=1)
    )
    return done.rowcount


async def nothing_to_do(connection: AsyncConnection, *, now: int) -> bool:
    """Whether no row wants anything: most looks find that, and need not become the writer for it."""
    return not await connection.scalar(_ANYTHING, {"now": now})


async def next_due(connection: AsyncConnection) -> int | None:
    """When the next delivery wants to be looked at (wall µs)."""
    found: int | None = await connection.scalar(_NEXT)
    return found


async def first_still(connection: AsyncConnection, wanted: str) -> str | None:
    """The id of an incident's first picture, if one has come."""
    pictures = (
        select(still.c.id)
        .join(incident, (incident.c.id == still.c.incident) & (incident.c.gateway == still.c.gateway))
        .where(still.c.incident == wanted)
        .order_by(still.c.taken)
        .limit(1)
    )
    return await connection.scalar(pictures)
