"""Blobs that manifests name, and which outlet has them: the transfer of lane P3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import aiosqlite

from agent.store.database import Database

BlobKind = Literal["still", "init", "segment"]


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob: its name, size in bytes, and what it is part of."""

    sha256: str
    bytes: int
    kind: BlobKind
    incident: str | None


class Blobs:
    """Which blobs exist by our manifests, and which outlet acknowledged them."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def add(self, transaction: aiosqlite.Connection, blobs: Sequence[Blob], *, pos: int) -> None:
        """Remember what a manifest names; `pos` orders the transfer. A blob named twice is one blob."""
        await transaction.executemany(
            "INSERT OR IGNORE INTO blob (sha256, bytes, kind, incident, added) VALUES (?, ?, ?, ?, ?)",
            [(blob.sha256, blob.bytes, blob.kind, blob.incident, pos) for blob in blobs],
        )

    async def waiting(self, outlet: str, *, limit: int) -> list[Blob]:
        """What this outlet has not acknowledged: stills first (the first picture outside), then as they were made."""
        rows = await self._database.read(
            "SELECT sha256, bytes, kind, incident FROM blob AS b"
            " WHERE NOT EXISTS (SELECT 1 FROM outlet_blob AS o WHERE o.outlet = ? AND o.sha256 = b.sha256)"
            " ORDER BY kind <> 'still', added LIMIT ?",
            (outlet, limit),
        )
        return [Blob(row[0], row[1], row[2], row[3]) for row in rows]

    async def acknowledge(self, outlet: str, sha256: str, *, wall: int) -> None:
        """The outlet holds it durably."""
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall(
                "INSERT OR IGNORE INTO outlet_blob (outlet, sha256, wall) VALUES (?, ?, ?)", (outlet, sha256, wall)
            )
