"""Clips as a player needs them: the manifest, and the files of one part in the order in which they make a whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.blobs.directory import BlobDirectory
from relay.store import media, sight
from relay.store.schema import clip, incident, pictures, still
from relay.web.times import Times, spoken

REASONS = {
    "complete": "",
    "camera_lost": "The camera was lost while it recorded: the clip is shorter than asked.",
    "worker_lost": "The recorder stopped while it recorded: the clip is shorter than asked.",
    "disk_full": "The gateway's disk was full: the clip is shorter than asked.",
    "no_footage": "The camera gave no picture at that time.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A row of table `segment`, and the files behind it when they are here."""

    row: Row[Any]
    file: Path | None
    init: Path | None

    @property
    def have(self) -> bool:
        return self.file is not None and self.init is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip with its segments, oldest first. `incident` is the id of an incident of the same gateway."""

    row: Row[Any]
    incident: str
    segments: tuple[Segment, ...]
    poster: str | None
    gone: str = ""
    """Why nothing of it is here any more, where its gateway has deleted it; "" otherwise."""

    @property
    def id(self) -> str:
        return str(self.row.id)

    @property
    def camera_name(self) -> str:
        return spoken(self.row.camera)

    @property
    def width(self) -> int | None:
        return self.row.width or None

    @property
    def height(self) -> int | None:
        return self.row.height or None

    @property
    def sealed(self) -> bool:
        return bool(self.row.state == "sealed")

    @property
    def parts(self) -> list[int]:
        """The parts of which something can be played."""
        return sorted({segment.row.part for segment in self.segments if segment.have})

    @property
    def missing(self) -> int:
        """Segments announced whose bytes are not here."""
        return sum(not segment.have for segment in self.segments)

    @property
    def sentence(self) -> str:
        """What there is to say about it before the script speaks."""
        if not self.segments:
            return REASONS["no_footage"] if self.sealed else "Waiting for the first pictures"
        if self.missing:
            return f"Waiting for {self.missing} of {len(self.segments)} segments"
        return REASONS.get(self.row.reason or "", "") if self.sealed else "Still recording"

    def files(self, part: int) -> list[Path]:
        """Init and fragments of a part that are here: concatenated they are a file that plays."""
        found = [segment for segment in self.segments if segment.row.part == part and segment.have]
        inits = [segment.init for segment in found[:1] if segment.init]
        return inits + [segment.file for segment in found if segment.file]

    def manifest(self) -> dict[str, Any]:
        """For the player; times in µs on the camera's timeline, `wall_start` and `trigger` wall µs."""
        row = self.row
        segments = self.segments
        first = segments[0].row.start if segments else 0
        start = row.start if row.start is not None else first
        end = row.end if self.sealed and row.end is not None else None
        return {
            "clip": row.id,
            "incident": self.incident,
            "camera": row.camera,
            "trigger": row.trigger,
            "pre": row.pre or 0,
            "post": row.post or 0,
            "start": start,
            "mark": row.mark if row.mark is not None else start,
            "end": end,
            "sealed": self.sealed,
            "reason": REASONS.get(row.reason or "complete", ""),
            "planned": row.segments,
            "parts": [
                {"part": part, "init": sha256, "bytes": size, "url": f"/clips/{row.id}/init/{part}"}
                for part, (sha256, size) in sorted(
                    {one.row.part: (one.row.init, one.row.init_bytes) for one in reversed(segments)}.items()
                )
            ],
            "segments": [
                {
                    "n": one.row.n,
                    "part": one.row.part,
                    "start": one.row.start,
                    "duration": one.row.duration,
                    "wall_start": one.row.wall_start,
                    "bytes": one.row.bytes,
                    "sha256": one.row.sha256,
                    "codec": one.row.codec,
                    "have": one.have,
                    "url": f"/clips/{row.id}/segments/{one.row.n}",
                }
                for one in segments
            ],
        }


def _gone(eviction: Row[Any] | None, times: Times | None) -> str:
    """When footage left the gateway, and who holds a copy."""
    if eviction is None or times is None:
        return ""
    held_by = [spoken(str(name)) for name in json.loads(eviction.held_by)]
    copies = "copy" if len(held_by) == 1 else "copies"
    where = " and ".join(held_by)
    kept = f"the {copies} at {where} {'is' if len(held_by) == 1 else 'are'} kept" if held_by else "there is no copy"
    return f"No longer on the gateway since {times.short(eviction.wall)}; {kept}."


async def _whole(
    connection: AsyncConnection,
    blobs: BlobDirectory,
    row: Row[Any],
    tenant: str,
    shown_in: str,
    times: Times | None = None,
) -> Clip:
    segments = []
    inits: dict[str, Path | None] = {}
    for one in await media.segments_of(connection, row.id):
        if one.init not in inits:
            inits[one.init] = blobs.find(tenant, one.init)
        segments.append(Segment(row=one, file=blobs.find(tenant, one.sha256), init=inits[one.init]))
    # Of the pictures of the same camera, the first whose bytes are here stands in until the clip plays.
    pictures = [one for one in await media.stills_of(connection, shown_in) if one.camera == row.camera]
    poster = next((picture.id for picture in pictures if blobs.find(tenant, picture.sha256)), None)
    gone = ""
    if segments and not any(segment.have for segment in segments):
        gone = _gone(await media.eviction_of(connection, row.gateway, row.incident or shown_in), times)
    return Clip(row=row, incident=shown_in, segments=tuple(segments), poster=poster, gone=gone)


async def evicted(connection: AsyncConnection, gateway: str, wanted: str, times: Times) -> str:
    """The sentence about footage of an incident that left its gateway; "" when none did."""
    return _gone(await media.eviction_of(connection, gateway, wanted), times)


async def of_incident(
    connection: AsyncConnection, blobs: BlobDirectory, wanted: str, tenant: str, times: Times | None = None
) -> list[Clip]:
    """The clips of an incident, oldest first."""
    rows = await media.clips_of(connection, wanted)
    return [await _whole(connection, blobs, row, tenant, wanted, times) for row in rows]


async def load(
    connection: AsyncConnection, blobs: BlobDirectory, id: str, *, on_site: bool
) -> tuple[Clip, Row[Any]] | None:
    """A clip and the row of its incident; None unless both are here, of one gateway, and shown in this place."""
    row = (await connection.execute(select(clip).where(clip.c.id == id))).one_or_none()
    if row is None or row.incident is None:
        return None
    owner = await _owner(connection, row.incident, row.gateway, on_site=on_site)
    return (await _whole(connection, blobs, row, owner.tenant, row.incident), owner) if owner else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """One picture, and its file when it is here."""

    id: str
    camera_name: str
    taken: int
    width: int
    height: int
    sha256: str
    file: Path | None
    gone: bool = False
    """Its gateway has deleted it, and it is not here."""

    @property
    def have(self) -> bool:
        return self.file is not None


def _still(row: Row[Any], blobs: BlobDirectory, tenant: str, *, evicted: bool = False) -> Still:
    return Still(
        id=row.id,
        camera_name=spoken(row.camera),
        taken=row.taken,
        width=row.width,
        height=row.height,
        sha256=row.sha256,
        file=(file := blobs.find(tenant, row.sha256)),
        gone=evicted and file is None,
    )


async def stills_of(connection: AsyncConnection, blobs: BlobDirectory, wanted: str, tenant: str) -> list[Still]:
    """The stills of an incident, oldest first."""
    found = []
    for row in await media.stills_of(connection, wanted):
        evicted = await media.eviction_of(connection, row.gateway, row.incident) is not None
        found.append(_still(row, blobs, tenant, evicted=evicted))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Key pictures of a clip side by side, oldest first, and the file when it is here. `taken` are their wall times."""

    clip: str
    camera_name: str
    taken: tuple[int, ...]
    width: int
    height: int
    sha256: str
    file: Path | None

    @property
    def have(self) -> bool:
        return self.file is not None


def _strip(row: Row[Any], blobs: BlobDirectory, tenant: str) -> Strip:
    return Strip(
        clip=row.clip,
        camera_name=spoken(row.camera),
        taken=tuple(json.loads(row.taken)),
        width=row.width,
        height=row.height,
        sha256=row.sha256,
        file=blobs.find(tenant, row.sha256),
    )


async def strips_of(connection: AsyncConnection, blobs: BlobDirectory, wanted: str, tenant: str) -> list[Strip]:
    """The key pictures of an incident's clips, oldest clip first."""
    return [_strip(row, blobs, tenant) for row in await media.pictures_of(connection, wanted)]


async def load_strip(
    connection: AsyncConnection, blobs: BlobDirectory, id: str, *, on_site: bool
) -> tuple[Strip, Row[Any]] | None:
    """The key pictures of a clip and the row of its incident; None unless both are here, of one gateway, and shown in
    this place."""
    row = (await connection.execute(select(pictures).where(pictures.c.clip == id))).one_or_none()
    if row is None:
        return None
    owner = await _owner(connection, row.incident, row.gateway, on_site=on_site)
    return (_strip(row, blobs, owner.tenant), owner) if owner else None


async def load_still(
    connection: AsyncConnection, blobs: BlobDirectory, id: str, *, on_site: bool
) -> tuple[Still, Row[Any]] | None:
    """A still and the row of its incident; None unless both are here, of one gateway, and shown in this place."""
    row = (await connection.execute(select(still).where(still.c.id == id))).one_or_none()
    if row is None:
        return None
    owner = await _owner(connection, row.incident, row.gateway, on_site=on_site)
    return (_still(row, blobs, owner.tenant), owner) if owner else None


async def _owner(connection: AsyncConnection, id: str, gateway: str, *, on_site: bool) -> Row[Any] | None:
    of_gateway = select(incident).where(incident.c.id == id, incident.c.gateway == gateway)
    query = of_gateway.where(sight.shown(on_site=on_site))
    return (await connection.execute(query)).one_or_none()
