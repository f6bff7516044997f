"""What facts say about recordings: which blobs an incident has, how urgent each is, and what is outside the building.

A blob is as urgent as what it shows: a still (0), key pictures (1), the time up to the alarm (2), the rest (3).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import aiosqlite

from agent.store.blobs import PICTURES, PRE_ROLL, REST, STILL, Blob, Blobs
from agent.store.database import Database
from rules.events import ClipOpened, ClipSealed, Event, KeyPictures, SegmentAdded, StillTaken
from rules.incidents import Entry

What = Literal["record", "still", "pictures", "pre_roll", "clip"]
WHATS: tuple[What, ...] = ("record", "still", "pictures", "pre_roll", "clip")
GRAVE = ("high", "critical")
KINDS = frozenset(
    {"incident.opened", "clip.opened", "segment.added", "clip.sealed", "still.taken", "key.pictures"}
)  # all that `note` looks at


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident as far as recordings need it: when it opened (gt, µs) and whether it is high or critical."""

    incident: str
    gt: int
    grave: bool


async def note(transaction: aiosqlite.Connection, blobs: Blobs, facts: Iterable[Event | Entry]) -> None:
    """Take in what these facts say of incidents, clips and blobs, in the transaction that logs them."""
    for fact in facts:
        if isinstance(fact, Entry):
            if fact.kind == "incident.opened":
                await _opened(transaction, fact)
        elif isinstance(fact, ClipOpened):
            await transaction.execute_fetchall(
                "INSERT OR IGNORE INTO clip (id, incident, camera, start, mark) VALUES (?, ?, ?, ?, ?)",
                (fact.clip, fact.incident, fact.camera, fact.start, fact.mark),
            )
        elif isinstance(fact, SegmentAdded):
            await _segment(transaction, blobs, fact)
        elif isinstance(fact, ClipSealed):
            await transaction.execute_fetchall(
                "UPDATE clip SET sealed = ? WHERE id = ? AND sealed IS NULL", (fact.gt, fact.clip)
            )
        elif isinstance(fact, StillTaken):
            blob = Blob(fact.sha256, fact.bytes, "still", STILL)
            await _show(transaction, blobs, fact.incident, [blob], at=fact.gt)
        elif isinstance(fact, KeyPictures):
            blob = Blob(fact.sha256, fact.bytes, "pictures", PICTURES)
            await _show(transaction, blobs, fact.incident, [blob], at=fact.gt)


async def _opened(transaction: aiosqlite.Connection, entry: Entry) -> None:
    if entry.gt is not None:  # one that a relay opened: nobody waits for its record to get outside
        await transaction.execute_fetchall(
            "INSERT OR IGNORE INTO incident (id, entry, gt, grave) VALUES (?, ?, ?, ?)",
            (entry.incident, entry.id, entry.gt, int(entry.body.get("severity") in GRAVE)),
        )


async def _segment(transaction: aiosqlite.Connection, blobs: Blobs, fact: SegmentAdded) -> None:
    rows = list(await transaction.execute_fetchall("SELECT incident, start, mark FROM clip WHERE id = ?", (fact.clip,)))
    incident, rank, end = None, REST, fact.start + fact.duration
    if rows:
        incident, start, mark = rows[0]
        rank = PRE_ROLL if fact.start <= mark and end >= start else REST
        await transaction.execute_fetchall(
            "UPDATE clip SET reached = max(coalesce(reached, ?1), ?1) WHERE id = ?2", (end, fact.clip)
        )
    named = [
        Blob(fact.init, fact.init_bytes, "init", rank),
        Blob(fact.sha256, fact.bytes, "segment", rank),
    ]
    await _show(transaction, blobs, incident, named, at=fact.gt)


async def _show(
    transaction: aiosqlite.Connection, blobs: Blobs, incident: str | None, named: Sequence[Blob], *, at: int
) -> None:
    rows = list(await transaction.execute_fetchall("SELECT gt, grave FROM incident WHERE id = ?", (incident,)))
    newest, grave = rows[0] if rows else (at, 1)  # not known here: it is treated as one that matters
    ranked = [Blob(blob.sha256, blob.bytes, blob.kind, blob.rank, newest) for blob in named]
    await blobs.add(transaction, ranked, pos=at, grave=bool(grave))
    if incident is not None:
        await transaction.executemany(
            "INSERT OR IGNORE INTO evidence (incident, rank, sha256) VALUES (?, ?, ?)",
            [(incident, blob.rank, blob.sha256) for blob in named],
        )


class Outside:
    """What of each incident one outlet holds. Reading; telling it is `agent/outlets/witness.py`'s."""

    def __init__(self, *, database: Database, outlet: str) -> None:
        self._database = database
        self._outlet = outlet

    async def incidents_of(self, sha256: str) -> list[str]:
        """The incidents that a blob shows."""
        rows = await self._database.read("SELECT incident FROM evidence WHERE sha256 = ?", (sha256,))
        return [str(row[0]) for row in rows]

    async def sealed_after(self, gt: int) -> tuple[int, list[str]]:
        """The incidents of clips sealed after this gateway time, and the newest such time."""
        rows = await self._database.read("SELECT sealed, incident FROM clip WHERE sealed > ? ORDER BY sealed", (gt,))
        return (int(rows[-1][0]) if rows else gt), [str(row[1]) for row in rows]

    async def opened(self, incident: str) -> Opened | None:
        """The incident, if it opened after this outlet came into service."""
        rows = await self._database.read(
            "SELECT i.id, i.gt, i.grave FROM incident AS i JOIN media_outlet AS m ON m.name = ?"
            " WHERE i.id = ? AND i.gt >= m.since",
            (self._outlet, incident),
        )
        return Opened(str(rows[0][0]), int(rows[0][1]), bool(rows[0][2])) if rows else None

    async def recent(self, gt: int) -> list[str]:
        """The incidents that opened after this gateway time, oldest first."""
        rows = await self._database.read("SELECT id FROM incident WHERE gt > ? ORDER BY gt", (gt,))
        return [str(row[0]) for row in rows]

    async def told(self, incident: str) -> set[str]:
        """What was told of it."""
        rows = await self._database.read(
            "SELECT what FROM outside WHERE outlet = ? AND incident = ?", (self._outlet, incident)
        )
        return {str(row[0]) for row in rows}

    async def held(self, incident: str) -> set[What]:
        """What of its pictures the outlet holds: the first still, the first key pictures, the time up to the alarm of
        all its clips, and everything, once every clip is sealed."""
        found: set[What] = set()
        ranks = await self._database.read(
            "SELECT e.rank, count(*), sum(o.sha256 IS NOT NULL) FROM evidence AS e LEFT JOIN outlet_blob AS o"
            " ON o.outlet = ? AND o.sha256 = e.sha256 WHERE e.incident = ? GROUP BY e.rank",
            (self._outlet, incident),
        )
        there = {int(rank): (int(count), int(have)) for rank, count, have in ranks}
        if there.get(STILL, (0, 0))[1]:
            found.add("still")
        if there.get(PICTURES, (0, 0))[1]:
            found.add("pictures")
        clips = await self._database.read(
            "SELECT count(*), sum(sealed IS NOT NULL), sum(sealed IS NOT NULL OR reached >= mark) FROM clip"
            " WHERE incident = ?",
            (incident,),
        )
        many, sealed, covered = (int(value or 0) for value in clips[0])
        before = there.get(PRE_ROLL, (0, 0))
        if before[0] and before[0] == before[1] and covered == many:
            found.add("pre_roll")
        if many and sealed == many and all(count == have for count, have in there.values()):
            promised = await self._database.read(
                "SELECT 1 FROM promise WHERE json_extract(data, '$.incident') = ? LIMIT 1", (incident,)
            )
            if not promised and any(there.values()):
                found.add("clip")
        return found

    async def records_from(self, epoch: str) -> int:
        """The seq of lane P0 up to which records were looked through in this epoch."""
        rows = await self._database.read(
            "SELECT seq FROM media_outlet WHERE name = ? AND epoch = ?", (self._outlet, epoch)
        )
        return int(rows[0][0]) if rows else 0

    async def openings(self, epoch: str, since: int, until: int, *, limit: int) -> list[tuple[int, Opened]]:
        """(seq, incident) of what records of lane P0 in (since, until] open, and what is not told yet; incidents from
        before this outlet came are left out."""
        rows = await self._database.read(
            "SELECT l.seq, i.id, i.gt, i.grave FROM media_outlet AS m, log AS l JOIN incident AS i ON i.entry = l.id"
            " WHERE m.name = ? AND l.epoch = ? AND l.lane = 'P0' AND l.seq > ? AND l.seq <= ?"
            " AND l.kind = 'incident.opened' AND i.gt >= m.since AND NOT EXISTS"
            " (SELECT 1 FROM outside AS o WHERE o.outlet = m.name AND o.incident = i.id AND o.what = 'record')"
            " ORDER BY l.seq LIMIT ?",
            (self._outlet, epoch, since, until, limit),
        )
        return [(int(row[0]), Opened(str(row[1]), int(row[2]), bool(row[3]))) for row in rows]

    async def remember(self, transaction: aiosqlite.Connection, incident: str, what: What, *, after: int) -> None:
        """It is told, in the transaction that logs the fact."""
        await transaction.execute_fetchall(
            "INSERT OR IGNORE INTO outside (outlet, incident, what, after) VALUES (?, ?, ?, ?)",
            (self._outlet, incident, what, after),
        )

    async def looked_through(self, transaction: aiosqlite.Connection, epoch: str, seq: int) -> None:
        """Records of lane P0 up to here are told."""
        await transaction.execute_fetchall(
            "UPDATE media_outlet SET epoch = ?, seq = ? WHERE name = ?", (epoch, seq, self._outlet)
        )
