"""The list of incidents: open ones first, then the recent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.blobs.directory import BlobDirectory
from relay.store import sight
from relay.store.schema import clip, entry, incident, moved, still
from relay.web.reading import reasons
from relay.web.times import Times, length, spoken
from rules.incidents import OVER, WAITING

IN_HAND = ("acknowledged", "in_progress")
FILTERS = ("all", "open", "hand", "mine", "acknowledged", "in_progress", "resolved", "closed")
SHOWN = 60
NEARBY = 12
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
    acknowledged_until: int | None
    started_by: str | None
    closed_by: str | None
    reason: str | None
    assignee: str | None
    assignee_id: str | None
    cancelled: int | None
    cancelled_by: str | None
    covert: bool
    split_from: str | None
    clip_expected: bool
    still: str | None = None
    clip_length: str = ""
    who: str = ""

    @property
    def alarm(self) -> bool:
        return self.severity in ALARM and self.cancelled is None

    @property
    def over(self) -> bool:
        return self.state in OVER

    @property
    def lapses(self) -> int | None:
        """When its acknowledgement ends and it waits again (wall µs)."""
        return self.acknowledged_until if self.state == "acknowledged" else None

    @property
    def reason_word(self) -> str:
        return reasons.spoken(self.reason)

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
        acknowledged_until=row.acknowledged_until,
        started_by=row.started_by,
        closed_by=row.closed_by,
        reason=row.reason,
        assignee=row.assignee,
        assignee_id=row.assignee_id,
        cancelled=row.cancelled,
        cancelled_by=row.cancelled_by,
        covert=bool(row.covert),
        split_from=row.split_from,
        clip_expected=row.clips > 0,
        **more,  # type: ignore[arg-type]
    )


_LAPSED = and_(incident.c.state == "acknowledged", incident.c.acknowledged_until.is_not(None))
_WHEN = func.coalesce(incident.c.opened, incident.c.arrived)


def _in_state(wanted: str, now: int, person: str | None) -> Any:
    lapsed = and_(_LAPSED, incident.c.acknowledged_until <= now)
    if wanted == "open":
        return or_(incident.c.state.in_(WAITING), lapsed)
    if wanted == "hand":
        return and_(incident.c.state.in_(IN_HAND), ~lapsed)
    if wanted == "mine":
        return and_(incident.c.assignee_id == person, incident.c.state.not_in(OVER))
    if wanted == "acknowledged":
        return and_(incident.c.state == "acknowledged", ~lapsed)
    return incident.c.state == wanted


async def counts(connection: AsyncConnection, now: int, *, person: str, on_site: bool) -> dict[str, int]:
    """How many incidents wait, are in somebody's hands, and are this person's (an account's id)."""
    query = select(func.count()).select_from(incident).where(sight.shown(on_site=on_site))
    return {
        name: int(await connection.scalar(query.where(_in_state(name, now, person))) or 0)
        for name in ("open", "hand", "mine")
    }


async def listing(
    connection: AsyncConnection,
    blobs: BlobDirectory,
    times: Times,
    *,
    state: str,
    person: str,
    on_site: bool,
    most: int = SHOWN,
) -> list[Item]:
    """The newest incidents of a filter. With `all`, those that wait come in addition to the newest."""
    newest = select(incident).where(sight.shown(on_site=on_site)).order_by(_WHEN.desc(), incident.c.id.desc())
    newest = newest.limit(most)
    if state != "all":
        rows = list(await connection.execute(newest.where(_in_state(state, times.now, person))))
    else:
        waiting = _in_state("open", times.now, person)
        rows = list(await connection.execute(newest.where(waiting)))
        rows += await connection.execute(newest.where(incident.c.state != "merged", ~waiting))
    return await _decorated(connection, blobs, times, rows)


async def load(connection: AsyncConnection, id: str, now: int, *, on_site: bool) -> Item | None:
    """One incident, if a relay in this place shows it."""
    query = select(incident).where(incident.c.id == id, sight.shown(on_site=on_site))
    row = (await connection.execute(query)).one_or_none()
    return item(row, now) if row else None


async def titles(connection: AsyncConnection, gateway: str, ids: Iterable[str]) -> list[tuple[str, str]]:
    """Id and title of these incidents of a gateway, oldest first."""
    query = select(incident.c.id, incident.c.title).where(incident.c.gateway == gateway, incident.c.id.in_(list(ids)))
    return [(row.id, row.title) for row in await connection.execute(query.order_by(_WHEN, incident.c.id))]


async def mergeable(connection: AsyncConnection, one: Item, now: int) -> list[Item]:
    """The incidents of the same gateway that this one can be merged with, the nearest in time first."""
    query = select(incident).where(
        incident.c.gateway == one.gateway,
        incident.c.id != one.id,
        incident.c.state.not_in(("none", "merged")),
        incident.c.covert == int(one.covert),
    )
    near = query.order_by(func.abs(_WHEN - one.at), incident.c.id).limit(NEARBY)
    found = [item(row, now) for row in await connection.execute(near)]
    # The younger goes on in the older, and nothing goes on in what is settled.
    return [other for other in found if not min(one, other, key=lambda each: (each.at, each.id)).over]


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
    came, left = await _moves(connection, "still", list(owner))
    query = select(still).where(or_(still.c.incident.in_(owner), still.c.id.in_(came)))
    found: dict[str, str] = {}
    for row in await connection.execute(query.order_by(still.c.taken, still.c.id)):
        places = came.get(row.id, set()) | ({row.incident} - left.get(row.id, set()))
        for place in places & owner.keys():
            gateway, tenant = owner[place]
            if place not in found and row.gateway == gateway and blobs.find(tenant, row.sha256) is not None:
                found[place] = row.id
    return found


async def _lengths(connection: AsyncConnection, ids: list[str]) -> dict[str, str]:
    came, left = await _moves(connection, "clip", ids)
    query = select(clip.c.id, clip.c.incident, clip.c.start, clip.c.end).where(
        or_(clip.c.incident.in_(ids), clip.c.id.in_(came)), clip.c.start.is_not(None), clip.c.end.is_not(None)
    )
    found: dict[str, str] = {}
    for row in await connection.execute(query):
        for place in came.get(row.id, set()) | ({row.incident} - left.get(row.id, set())):
            found[place] = length(row.end - row.start)
    return found


async def _moves(
    connection: AsyncConnection, what: str, ids: list[str]
) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    """Footage that came to these incidents and footage that left them: where, by its id."""
    came: dict[str, set[str]] = {}
    left: dict[str, set[str]] = {}
    query = select(moved).where(moved.c.incident.in_(ids), moved.c.what == what)
    for row in await connection.execute(query):
        (came if row.here else left).setdefault(row.subject, set()).add(row.incident)
    return came, left


_ACTS = {
    "incident.acknowledged": "acknowledged",
    "incident.started": "in_progress",
    "incident.resolved": "resolved",
    "incident.closed": "closed",
}


async def _acts(connection: AsyncConnection, times: Times, ids: list[str]) -> dict[tuple[str, str], str]:
    """Who brought an incident into its state, and when."""
    query = (
        select(entry.c.incident, entry.c.kind, entry.c.by, entry.c.wall)
        .where(entry.c.incident.in_(ids), entry.c.kind.in_(_ACTS))
        .order_by(entry.c.lamport, entry.c.origin, entry.c.id)
    )
    rows = await connection.execute(query)
    return {(row.incident, _ACTS[row.kind]): f"{row.by}, {times.short(row.wall)}" for row in rows}
