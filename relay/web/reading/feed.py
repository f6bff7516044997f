"""The list of incidents: open ones first, then the recent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.blobs.directory import BlobDirectory
from relay.store.schema import clip, entry, incident, still
from relay.web.times import Times, length, spoken

WAITING = ("open", "none")
FILTERS = {"all": None, "open": WAITING, "acknowledged": ("acknowledged",), "resolved": ("resolved",)}
SHOWN = 60
ALARM = ("high", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An incident as a list or a page heads it. `at` is when it opened, or when this relay first heard of it."""

    id: str
    gateway: str
    tenant: str
    title: str
    severity: str
    state: str
    at: int
    site: str
    device: str | None
    rule: str | None
    policy: str | None
    acknowledged_by: str | None
    resolved_by: str | None
    merged_into: str | None
    clip_expected: bool
    still: str | None = None
    clip_length: str = ""
    who: str = ""

    @property
    def alarm(self) -> bool:
        return self.severity in ALARM

    @property
    def site_name(self) -> str:
        return spoken(self.site)

    @property
    def device_name(self) -> str:
        return spoken(self.device)

    @property
    def where(self) -> str:
        return " · ".join(part for part in (self.site_name, self.device_name) if part)


def state_now(row: Row[Any], now: int) -> str:
    """The state at this moment: an acknowledgement may have lapsed since the row was folded."""
    lapsed = row.state == "acknowledged" and row.acknowledged_until is not None and now >= row.acknowledged_until
    return "open" if lapsed else str(row.state)


def item(row: Row[Any], now: int, **more: str | None) -> Item:
    """The item in a row of table `incident`."""
    return Item(
        id=row.id,
        gateway=row.gateway,
        tenant=row.tenant,
        title=row.title,
        severity=row.severity,
        state=state_now(row, now),
        at=row.opened if row.opened is not None else row.arrived,
        site=row.site,
        device=row.device,
        rule=row.rule,
        policy=row.policy,
        acknowledged_by=row.acknowledged_by,
        resolved_by=row.resolved_by,
        merged_into=row.merged_into,
        clip_expected=row.clips > 0,
        **more,  # type: ignore[arg-type]
    )


_LAPSED = and_(incident.c.state == "acknowledged", incident.c.acknowledged_until.is_not(None))
_WHEN = func.coalesce(incident.c.opened, incident.c.arrived)


def _in_state(wanted: str, now: int) -> Any:
    lapsed = and_(_LAPSED, incident.c.acknowledged_until <= now)
    if wanted == "open":
        return or_(incident.c.state.in_(WAITING), lapsed)
    if wanted == "acknowledged":
        return and_(incident.c.state == "acknowledged", ~lapsed)
    return incident.c.state == wanted


async def counts(connection: AsyncConnection, now: int) -> dict[str, int]:
    """How many incidents are open and how many acknowledged."""
    return {
        name: int(await connection.scalar(select(func.count()).select_from(incident).where(_in_state(name, now))) or 0)
        for name in ("open", "acknowledged")
    }


async def listing(
    connection: AsyncConnection, blobs: BlobDirectory, times: Times, *, state: str, most: int = SHOWN
) -> list[Item]:
    """The newest incidents of a filter. With `all`, those that wait come in addition to the newest."""
    newest = select(incident).order_by(_WHEN.desc(), incident.c.id.desc()).limit(most)
    if state != "all":
        rows = list(await connection.execute(newest.where(_in_state(state, times.now))))
    else:
        rows = list(await connection.execute(newest.where(_in_state("open", times.now))))
        rows += await connection.execute(newest.where(incident.c.state != "merged", ~_in_state("open", times.now)))
    return await _decorated(connection, blobs, times, rows)


async def load(connection: AsyncConnection, id: str, now: int) -> Item | None:
    """One incident."""
    row = (await connection.execute(select(incident).where(incident.c.id == id))).one_or_none()
    return item(row, now) if row else None


async def _decorated(
    connection: AsyncConnection, blobs: BlobDirectory, times: Times, rows: list[Row[Any]]
) -> list[Item]:
    ids = [row.id for row in rows]
    if not ids:
        return []
    pictures = await _pictures(connection, blobs, rows)
    lengths = await _lengths(connection, ids)
    acts = await _acts(connection, times, ids)
    found = []
    for row in rows:
        state = state_now(row, times.now)
        who = acts.get((row.id, state), "")
        more = {"still": pictures.get(row.id), "clip_length": lengths.get(row.id, ""), "who": who}
        found.append(item(row, times.now, **more))
    return found


async def _pictures(connection: AsyncConnection, blobs: BlobDirectory, rows: Iterable[Row[Any]]) -> dict[str, str]:
    """The first still of each incident whose bytes are here."""
    owner = {row.id: (row.gateway, row.tenant) for row in rows}
    query = select(still).where(still.c.incident.in_(owner)).order_by(still.c.taken, still.c.id)
    found: dict[str, str] = {}
    for row in await connection.execute(query):
        gateway, tenant = owner[row.incident]
        if row.incident not in found and row.gateway == gateway and blobs.find(tenant, row.sha256) is not None:
            found[row.incident] = row.id
    return found


async def _lengths(connection: AsyncConnection, ids: list[str]) -> dict[str, str]:
    query = select(clip.c.incident, clip.c.start, clip.c.end).where(
        clip.c.incident.in_(ids), clip.c.start.is_not(None), clip.c.end.is_not(None)
    )
    return {row.incident: length(row.end - row.start) for row in await connection.execute(query)}


async def _acts(connection: AsyncConnection, times: Times, ids: list[str]) -> dict[tuple[str, str], str]:
    """Who brought an incident into its state, and when."""
    kinds = {"incident.acknowledged": "acknowledged", "incident.resolved": "resolved"}
    query = (
        select(entry.c.incident, entry.c.kind, entry.c.by, entry.c.wall)
        .where(entry.c.incident.in_(ids), entry.c.kind.in_(kinds))
        .order_by(entry.c.lamport, entry.c.origin, entry.c.id)
    )
    rows = await connection.execute(query)
    return {(row.incident, kinds[row.kind]): f"{row.by}, {times.short(row.wall)}" for row in rows}
