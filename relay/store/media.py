"""Clips as manifests, stills, and time without footage: what lane P2 says. The bytes are blobs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, Table, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import upsert
from relay.store.schema import clip, eviction, footage_gap, incident, moved, pictures, segment, still
from rules.events import (
    ClipOpened,
    ClipSealed,
    Event,
    FootageGap,
    KeyPictures,
    MediaEvicted,
    SegmentAdded,
    StillTaken,
)

_CLIP_OWNERS = select(clip.c.id, clip.c.gateway).where(clip.c.id.in_(bindparam("ids", expanding=True)))
_PICTURES_OWNERS = select(pictures.c.clip, pictures.c.gateway).where(
    pictures.c.clip.in_(bindparam("ids", expanding=True))
)
_CLIP_INCIDENTS = select(clip.c.incident).where(
    clip.c.id.in_(bindparam("ids", expanding=True)), clip.c.incident.is_not(None)
)
_OPENED = ("incident", "camera", "trigger", "pre", "post", "start", "mark", "width", "height")


@dataclass(frozen=True, slots=True)
class Touched:
    """Clips and incidents whose pages look different now."""

    clips: set[str] = field(default_factory=set)
    incidents: set[str] = field(default_factory=set)


def clips_named(events: Iterable[Event]) -> set[str]:
    return {event.clip for event in events if isinstance(event, ClipOpened | SegmentAdded | ClipSealed | KeyPictures)}


async def owners(connection: AsyncConnection, clips: set[str]) -> dict[str, str]:
    """The gateway of each clip already known among these, by itself or by its key pictures."""
    if not clips:
        return {}
    names = {"ids": sorted(clips)}
    found = {row.clip: row.gateway for row in await connection.execute(_PICTURES_OWNERS, names)}
    return found | {row.id: row.gateway for row in await connection.execute(_CLIP_OWNERS, names)}


async def apply(connection: AsyncConnection, gateway: str, events: list[Event]) -> Touched:
    """Follow the events of lane P2 in their order; the caller has checked whose clips they name."""
    touched = Touched(clips=clips_named(events))
    bare: dict[str, dict[str, Any]] = {}
    opened: list[dict[str, Any]] = []
    segments: list[dict[str, Any]] = []
    sealed: list[dict[str, Any]] = []
    stills: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    strips: list[dict[str, Any]] = []
    evicted: dict[str, dict[str, Any]] = {}
    for event in events:
        if isinstance(event, ClipOpened):
            opened.append({"id": event.clip, "gateway": gateway} | {name: getattr(event, name) for name in _OPENED})
            touched.incidents.add(event.incident)
        elif isinstance(event, SegmentAdded):
            bare[event.clip] = {"id": event.clip, "gateway": gateway, "camera": event.camera}
            names = [column.name for column in segment.columns]
            segments.append({name: getattr(event, name) for name in names})
        elif isinstance(event, ClipSealed):
            values = {"state": "sealed", "end": event.end, "segments": event.segments, "reason": event.reason}
            sealed.append({"id": event.clip, "gateway": gateway, "camera": event.camera} | values)
        elif isinstance(event, StillTaken):
            names = [column.name for column in still.columns if column.name not in ("id", "gateway")]
            stills.append({"id": event.still, "gateway": gateway} | {name: getattr(event, name) for name in names})
            touched.incidents.add(event.incident)
        elif isinstance(event, KeyPictures):
            names = ["clip", "incident", "camera", "sha256", "bytes", "width", "height"]
            strip = {"gateway": gateway, "taken": json.dumps(event.taken)}
            strips.append(strip | {name: getattr(event, name) for name in names})
            touched.incidents.add(event.incident)
        elif isinstance(event, MediaEvicted):
            gone = {"gateway": gateway, "incident": event.incident, "wall": event.wall, "reason": event.reason}
            evicted[event.incident] = gone | {"held_by": json.dumps(event.held_by)}
            touched.incidents.add(event.incident)
        elif isinstance(event, FootageGap):
            names = ["id", "camera", "since", "until", "reason"]
            gaps.append({"gateway": gateway} | {name: getattr(event, name) for name in names})
    if opened:
        await connection.execute(_setting(connection, *_OPENED), opened)
    if bare:  # a segment whose opening could not be read still needs a clip to belong to
        statement = upsert.insert(connection, clip).on_conflict_do_nothing()
        await connection.execute(statement, list(bare.values()))
    for table, rows in ((segment, segments), (still, stills), (pictures, strips), (footage_gap, gaps)):
        if rows:
            await connection.execute(upsert.insert(connection, table).on_conflict_do_nothing(), rows)
    if evicted:
        newest = upsert.replacing(connection, eviction, "gateway", "incident")
        await connection.execute(newest, list(evicted.values()))
    if sealed:
        await connection.execute(_setting(connection, "state", "end", "segments", "reason"), sealed)
    if touched.clips:
        touched.incidents.update(await connection.scalars(_CLIP_INCIDENTS, {"ids": sorted(touched.clips)}))
    return touched


def _setting(connection: AsyncConnection, *names: str) -> Any:
    statement = upsert.insert(connection, clip)
    return statement.on_conflict_do_update(
        index_elements=["id"], set_={name: statement.excluded[name] for name in names}
    )


# A clip or still shows on an incident's page only when both come from the same gateway: naming somebody else's incident
# puts nothing on their page. What was moved shows where it was moved to.
def _places(what: str, *, here: int) -> Any:
    places = select(moved.c.subject).where(moved.c.incident == bindparam("incident"), moved.c.what == what)
    return places.where(moved.c.here == here)


def _of_incident(table: Table, what: str) -> Any:
    own = (table.c.incident == bindparam("incident")) & table.c.id.not_in(_places(what, here=0))
    return (
        select(table)
        .join(incident, incident.c.gateway == table.c.gateway)
        .where(incident.c.id == bindparam("incident"), own | table.c.id.in_(_places(what, here=1)))
    )


_CLIPS = _of_incident(clip, "clip").order_by(clip.c.trigger, clip.c.id)
_STILLS = _of_incident(still, "still").order_by(still.c.taken, still.c.id)
_SEGMENTS = select(segment).where(segment.c.clip == bindparam("clip")).order_by(segment.c.n)


async def clips_of(connection: AsyncConnection, wanted: str) -> list[Row[Any]]:
    """The clips of an incident, oldest first."""
    return list(await connection.execute(_CLIPS, {"incident": wanted}))


async def stills_of(connection: AsyncConnection, wanted: str) -> list[Row[Any]]:
    """The stills of an incident, oldest first."""
    return list(await connection.execute(_STILLS, {"incident": wanted}))


# Key pictures follow their clip, wherever it was moved; until that has arrived, what they say themselves.
_STRIPS = (
    select(pictures)
    .join(incident, incident.c.gateway == pictures.c.gateway)
    .outerjoin(clip, clip.c.id == pictures.c.clip)
    .where(
        incident.c.id == bindparam("incident"),
        ((pictures.c.incident == bindparam("incident")) & pictures.c.clip.not_in(_places("clip", here=0)))
        | pictures.c.clip.in_(_places("clip", here=1)),
    )
    .order_by(clip.c.trigger, pictures.c.clip)
)


async def pictures_of(connection: AsyncConnection, wanted: str) -> list[Row[Any]]:
    """The strips of key pictures of an incident, oldest first."""
    return list(await connection.execute(_STRIPS, {"incident": wanted}))


async def eviction_of(connection: AsyncConnection, gateway: str, wanted: str) -> Row[Any] | None:
    """When an incident's footage left its gateway's disk; None when it did not."""
    query = select(eviction).where(eviction.c.gateway == gateway, eviction.c.incident == wanted)
    return (await connection.execute(query)).one_or_none()


async def segments_of(connection: AsyncConnection, wanted: str) -> list[Row[Any]]:
    """The segments of a clip in order."""
    return list(await connection.execute(_SEGMENTS, {"clip": wanted}))


async def blob_arrived(connection: AsyncConnection, *, gateway: str, sha256: str) -> Touched:
    """Whose pages look different now that this blob is whole."""
    parts = await connection.execute(
        select(clip.c.id, clip.c.incident)
        .join(segment, segment.c.clip == clip.c.id)
        .where(clip.c.gateway == gateway, (segment.c.sha256 == sha256) | (segment.c.init == sha256))
        .distinct()
    )
    touched = Touched()
    for row in parts:
        touched.clips.add(row.id)
        if row.incident:
            touched.incidents.add(row.incident)
    for table in (still, pictures):
        of = select(table.c.incident).where(table.c.gateway == gateway, table.c.sha256 == sha256)
        touched.incidents.update(await connection.scalars(of))
    return touched
