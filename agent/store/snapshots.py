"""Engine states in the log, and the rows to replay after the newest good one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiosqlite

from agent.store.database import Database
from rules.state import ENGINE_VERSION

_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An engine state right after the row at `pos`, made under the site document `site_sha256`."""

    pos: int
    site_sha256: str
    data: bytes


async def save(transaction: aiosqlite.Connection, *, data: bytes, site_sha256: str, wall: int) -> None:
    """Write a snapshot after the newest row; keep the newest two, and the last of each day."""
    rows = list(await transaction.execute_fetchall("SELECT coalesce(max(pos), 0) FROM log"))
    await transaction.execute_fetchall(
        "INSERT OR REPLACE INTO snapshot (pos, engine_version, site_sha256, wall, sha256, data)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (rows[0][0], ENGINE_VERSION, site_sha256, wall, hashlib.sha256(data).digest(), data),
    )
    await transaction.execute_fetchall(
        "DELETE FROM snapshot WHERE pos NOT IN (SELECT pos FROM snapshot ORDER BY pos DESC LIMIT 2)"
        " AND pos NOT IN (SELECT max(pos) FROM snapshot GROUP BY wall / 86400000000)"
    )


async def good(database: Database) -> AsyncIterator[Snapshot]:
    """The snapshots of this engine whose bytes are what was written, newest first."""
    for (pos,) in await database.read(
        "SELECT pos FROM snapshot WHERE engine_version = ? ORDER BY pos DESC", (ENGINE_VERSION,)
    ):
        for digest, site_sha256, data in await database.read(
            "SELECT sha256, site_sha256, data FROM snapshot WHERE pos = ?", (pos,)
        ):
            if hashlib.sha256(data).digest() == digest:
                yield Snapshot(pos, site_sha256, data)


async def older(database: Database) -> AsyncIterator[Snapshot]:
    """The snapshots of older engines whose bytes are what was written, oldest first: with them the most is replayed."""
    rows = await database.read("SELECT pos FROM snapshot WHERE engine_version < ? ORDER BY pos", (ENGINE_VERSION,))
    for (pos,) in rows:
        for digest, site_sha256, data in await database.read(
            "SELECT sha256, site_sha256, data FROM snapshot WHERE pos = ?", (pos,)
        ):
            if hashlib.sha256(data).digest() == digest:
                yield Snapshot(pos, site_sha256, data)


async def beginning_gone(database: Database) -> bool:
    """Whether what the engine once stepped is no longer all there."""
    rows = await database.read(
        "SELECT 1 FROM log_gap UNION ALL SELECT 1 FROM meta WHERE name = 'pruned_local' AND value > '0' LIMIT 1"
    )
    return bool(rows)


async def inputs_after(database: Database, pos: int) -> AsyncIterator[bytes]:
    """The record bytes of everything the engine stepped after `pos`, in order."""
    while True:
        rows = await database.read(
            "SELECT pos, bytes FROM log WHERE pos > ? AND input = 1 ORDER BY pos LIMIT ?", (pos, _PAGE)
        )
        for row in rows:
            yield row[1]
        if len(rows) < _PAGE:
            return
        pos = rows[-1][0]
