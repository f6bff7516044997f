"""What is on the media disk, which incidents need it, who holds it back, and what is on its way out.

Everything that a manifest names is written here in the transaction of the manifest, so there is no footage the core
knows of and retention does not.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import aiosqlite

from rules.events import (
    ClipOpened,
    ClipSealed,
    Event,
    KeyPictures,
    MediaHeld,
    MediaReleased,
    SegmentAdded,
    StillTaken,
)
from rules.incidents import Entry

HOUR = 3_600_000_000  # µs

_KINDS = frozenset(
    {"clip.opened", "clip.sealed", "segment.added", "still.taken", "key.pictures", "incident.evidence"}
    | {"media.held", "media.released"}
)


@dataclass(frozen=True, slots=True)
class Going:
    """An incident whose footage is on its way out, and why."""

    incident: str
    marked: int
    reason: str
    blobs: int
    bytes: int
    held_by: tuple[str, ...]


def about_footage(fact: Event | Entry) -> bool:
    """Whether `note` has anything to do with it."""
    return fact.kind in _KINDS


# --- written with the manifest ---------------------------------------------------------------------------------------


async def note(transaction: aiosqlite.Connection, fact: Event | Entry) -> None:
    """Follow one fact of the log. What is not about footage costs nothing."""
    match fact:
        case ClipOpened(clip=clip, incident=incident, gt=gt):
            await transaction.execute_fetchall(
                "INSERT OR IGNORE INTO footage_clip (clip, incident, open) VALUES (?, ?, ?)", (clip, incident, gt)
            )
        case ClipSealed(clip=clip):
            await transaction.execute_fetchall("UPDATE footage_clip SET open = NULL WHERE clip = ?", (clip,))
        case SegmentAdded(clip=clip, gt=gt):
            rows = await transaction.execute_fetchall("SELECT incident FROM footage_clip WHERE clip = ?", (clip,))
            # Without an opening nobody can say whose it is: then it is its own.
            incidents = [str(row[0]) for row in rows] or [clip]
            blobs = [(fact.init, fact.init_bytes), (fact.sha256, fact.bytes)]
            await came(transaction, blobs, subject=clip, incidents=incidents, gt=gt)
        case StillTaken(still=still, incident=incident, sha256=sha256, bytes=size, gt=gt):
            await came(transaction, [(sha256, size)], subject=still, incidents=[incident], gt=gt)
        case KeyPictures(clip=clip, incident=incident, sha256=sha256, bytes=size, gt=gt):
            await came(transaction, [(sha256, size)], subject=clip, incidents=[incident], gt=gt)
        case Entry(kind="incident.evidence", body={"moved_from": str(), "evidence": dict() as evidence}):
            await _moved(transaction, evidence, to=fact.incident)
        case MediaHeld(incident=incident, wall=wall, by=by, reason=reason):
            await _hold(transaction, incident, wall=wall, by=by, reason=reason)
        case MediaReleased(incident=incident):
            await transaction.execute_fetchall("DELETE FROM footage_hold WHERE incident = ?", (incident,))


async def came(
    transaction: aiosqlite.Connection,
    blobs: Sequence[tuple[str, int]],
    *,
    subject: str,
    incidents: Sequence[str],
    gt: int,
) -> None:
    for sha256, size in blobs:
        cursor = await transaction.execute(
            "INSERT OR IGNORE INTO footage (sha256, bytes, came) VALUES (?, ?, ?)", (sha256, size, gt)
        )
        if cursor.rowcount == 1:
            await transaction.execute_fetchall(
                "INSERT INTO footage_hour (hour, bytes) VALUES (?, ?)"
                " ON CONFLICT (hour) DO UPDATE SET bytes = bytes + excluded.bytes",
                (gt // HOUR, size),
            )
        else:  # it was known, perhaps on its way out: it is needed again
            await transaction.execute_fetchall("UPDATE footage SET going = NULL WHERE sha256 = ?", (sha256,))
    await transaction.executemany(
        "INSERT OR IGNORE INTO footage_use (incident, subject, sha256) VALUES (?, ?, ?)",
        [(incident, subject, sha256) for incident in incidents for sha256, _ in blobs],
    )
    await _changed(transaction, incidents, gt=gt)


async def _changed(transaction: aiosqlite.Connection, incidents: Iterable[str], *, gt: int) -> None:
    """These incidents have other footage than before; they are counted anew, and one that was on its way out stays."""
    for incident in incidents:
        await transaction.execute_fetchall(
            "INSERT INTO footage_incident (incident, newest) VALUES (?, ?) ON CONFLICT (incident) DO UPDATE"
            " SET newest = max(newest, excluded.newest), synced = 0, bytes = NULL, waiting = NULL",
            (incident, gt),
        )
        await _stay(transaction, incident)


async def _stay(transaction: aiosqlite.Connection, incident: str) -> None:
    """What of it is marked and not deleted yet is not deleted."""
    await transaction.execute_fetchall("DELETE FROM footage_going WHERE incident = ?", (incident,))
    await transaction.execute_fetchall(
        "UPDATE footage SET going = NULL WHERE going IS NOT NULL"
        " AND sha256 IN (SELECT sha256 FROM footage_use WHERE incident = ?)",
        (incident,),
    )


async def _moved(transaction: aiosqlite.Connection, evidence: dict[str, Any], *, to: str) -> None:
    """A person moved a clip or still to another incident: both need it from now on, also what the clip still gets."""
    for what in ("clip", "still"):
        subject = evidence.get(what)
        if not isinstance(subject, str) or not subject:
            continue
        await transaction.execute_fetchall(
            "INSERT OR IGNORE INTO footage_clip (clip, incident, open)"
            " SELECT clip, ?, open FROM footage_clip WHERE clip = ? LIMIT 1",
            (to, subject),
        )
        await transaction.execute_fetchall(
            "INSERT OR IGNORE INTO footage_use (incident, subject, sha256)"
            " SELECT DISTINCT ?, subject, sha256 FROM footage_use WHERE subject = ?",
            (to, subject),
        )
        rows = list(
            await transaction.execute_fetchall(
                "SELECT max(i.newest) FROM footage_use AS u JOIN footage_incident AS i ON i.incident = u.incident"
                " WHERE u.subject = ?",
                (subject,),
            )
        )
        if rows[0][0] is not None:
            await _changed(transaction, [to], gt=int(rows[0][0]))


async def _hold(transaction: aiosqlite.Connection, incident: str, *, wall: int, by: str, reason: str) -> None:
    await transaction.execute_fetchall(
        "INSERT INTO footage_hold (incident, since, by, reason) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (incident) DO UPDATE SET by = excluded.by, reason = excluded.reason",
        (incident, wall, by, reason),
    )
    await _stay(transaction, incident)


async def gone(transaction: aiosqlite.Connection, going: Going, shas: Sequence[str]) -> None:
    """Phase two, with the record that says so: the rows of deleted blobs and of what nothing is left of. A blob that
    was kept (it is needed again) stays with the incident."""
    await transaction.execute_fetchall("DELETE FROM footage_going WHERE incident = ?", (going.incident,))
    names = json.dumps(list(shas))
    deleted = [
        str(row[0])
        for row in await transaction.execute_fetchall(
            "SELECT sha256 FROM footage WHERE going IS NOT NULL AND sha256 IN (SELECT value FROM json_each(?))",
            (names,),
        )
    ]
    await drop(transaction, deleted)
    left = list(
        await transaction.execute_fetchall(
            "SELECT 1 FROM footage_use AS u JOIN footage AS f ON f.sha256 = u.sha256"
            " WHERE u.incident = ? AND f.going IS NOT NULL LIMIT 1",
            (going.incident,),
        )
    )
    if left:
        await transaction.execute_fetchall(
            "UPDATE footage SET going = NULL WHERE going IS NOT NULL"
            " AND sha256 IN (SELECT sha256 FROM footage_use WHERE incident = ?)",
            (going.incident,),
        )
        await transaction.execute_fetchall(
            "UPDATE footage_incident SET synced = 0, bytes = NULL, waiting = NULL WHERE incident = ?", (going.incident,)
        )
        return
    for table in ("footage_use", "footage_incident", "footage_clip"):
        await transaction.execute_fetchall(
            f"DELETE FROM {table} WHERE incident = ?",  # noqa: S608 - three constants
            (going.incident,),
        )


async def drop(transaction: aiosqlite.Connection, shas: Sequence[str]) -> None:
    """Every row about these blobs."""
    if not shas:
        return
    names = (json.dumps(list(shas)),)
    await transaction.execute_fetchall("DELETE FROM footage WHERE sha256 IN (SELECT value FROM json_each(?))", names)
    await transaction.execute_fetchall(
        "DELETE FROM footage_use WHERE sha256 IN (SELECT value FROM json_each(?))", names
    )
    # The blob before its copies: what is still named and has no copy would be queued again.
    await transaction.execute_fetchall("DELETE FROM blob WHERE sha256 IN (SELECT value FROM json_each(?))", names)
    await transaction.execute_fetchall(
        "DELETE FROM outlet_blob WHERE outlet IN (SELECT name FROM media_outlet)"
        " AND sha256 IN (SELECT value FROM json_each(?))",
        names,
    )
