"""Blobs that manifests name, which outlet has them, and what leaves next: the transfer of lane P3.

Theory of operation. Each outlet that keeps a copy has a queue (`blob_waiting`) of exactly the blobs it has not
acknowledged; triggers in the schema keep it so, whoever writes. It is ordered by rank, then by the newest incident,
then as the blobs were made: a burglary now goes before the rest of yesterday's clip, because somebody can still act
on it. So what leaves next is one look into an index, however much has left already or still waits.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import aiosqlite

from agent.store import meta
from agent.store.database import Database

BlobKind = Literal["still", "pictures", "init", "segment"]
STILL, PICTURES, PRE_ROLL, REST = range(4)
SLICE = 2000  # blobs queued, or let go of, in one transaction: alarms commit in between


@dataclass(frozen=True, slots=True)
class Blob:
    """One blob: its name, size in bytes, what it is, and how soon it leaves (STILL, PICTURES, PRE_ROLL, REST).
    `newest` is the opening of the newest incident it shows (gt, µs)."""

    sha256: str
    bytes: int
    kind: BlobKind
    rank: int = REST
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much of it waits for an outlet."""

    blobs: int
    bytes: int


def synced(sha256: str = "blob.sha256") -> str:
    """The SQL condition that a blob is safe elsewhere: an outlet that keeps a copy, and was not retired, has
    acknowledged it. `sha256` is the column that names the blob. Costs two looks into an index for each such outlet.
    Where no outlet keeps a copy nothing is ever synced: see `NOBODY_KEEPS`."""
    return (
        "EXISTS (SELECT 1 FROM media_outlet AS keeper JOIN outlet_blob AS copy"  # noqa: S608 - names a column of ours
        f" ON copy.outlet = keeper.name AND copy.sha256 = {sha256})"
    )


# The SQL condition that there is no outlet to wait for: then age and bytes decide what is deleted.
NOBODY_KEEPS = "NOT EXISTS (SELECT 1 FROM media_outlet)"


class Blobs:
    """Which blobs exist by our manifests, and which outlet acknowledged them. Errors are the database's."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def serve(self, outlets: Collection[str], *, gt: int, leave: Collection[str] = ()) -> None:
        """These outlets keep a copy: from now on (gateway time, µs) what manifests name waits for them. One that is
        not named any more goes on having its queue until it is retired; those to `leave` keep no copy any more (`tidy`
        empties what was queued for them)."""
        known = {str(row[0]) for row in await self._database.read("SELECT name FROM media_outlet")}
        fresh, gone = sorted(set(outlets) - known), sorted(known & set(leave))
        if fresh or gone:
            async with self._database.transaction() as transaction:
                await transaction.executemany(
                    "INSERT OR IGNORE INTO media_outlet (name, since) VALUES (?, ?)", [(name, gt) for name in fresh]
                )
                await transaction.executemany("DELETE FROM media_outlet WHERE name = ?", [(name,) for name in gone])

    async def tidy(self) -> None:
        """Empty, in slices, the queues of whoever keeps no copy any more."""
        after = ""
        while True:
            rows = await self._database.read(
                "SELECT outlet, EXISTS (SELECT 1 FROM media_outlet WHERE name = outlet) FROM blob_waiting"
                " WHERE outlet > ? ORDER BY outlet LIMIT 1",
                (after,),
            )
            if not rows:
                return
            after = str(rows[0][0])
            if not rows[0][1]:
                await self._empty("blob_waiting", after)

    async def fill(self, outlet: str) -> None:
        """Queue what was there before the outlet came, in slices; returns when that is done."""
        while True:
            rows = await self._database.read("SELECT filled, after FROM media_outlet WHERE name = ?", (outlet,))
            if not rows or rows[0][0]:
                return
            after = str(rows[0][1])
            page = await self._database.read(
                "SELECT sha256 FROM blob WHERE sha256 > ? ORDER BY sha256 LIMIT ?", (after, SLICE)
            )
            until = page[-1][0] if page else after
            async with self._database.transaction() as transaction:
                await transaction.execute_fetchall(
                    "INSERT OR IGNORE INTO blob_waiting (outlet, sha256, rank, newest, added, kind, bytes, grave)"
                    " SELECT ?1, sha256, rank, newest, added, kind, bytes, grave FROM blob AS b"
                    " WHERE sha256 > ?2 AND sha256 <= ?3"
                    " AND EXISTS (SELECT 1 FROM media_outlet WHERE name = ?1)"
                    " AND NOT EXISTS (SELECT 1 FROM outlet_blob AS o WHERE o.outlet = ?1 AND o.sha256 = b.sha256)",
                    (outlet, after, until),
                )
                await transaction.execute_fetchall(
                    "UPDATE media_outlet SET after = ?, filled = ? WHERE name = ?",
                    (until, int(len(page) < SLICE), outlet),
                )

    async def add(self, transaction: aiosqlite.Connection, blobs: Sequence[Blob], *, pos: int, grave: bool) -> None:
        """Remember what a manifest names; `pos` orders those of one rank and incident. A blob named twice is one blob,
        as urgent as the more urgent of both."""
        await transaction.executemany(
            "INSERT INTO blob (sha256, bytes, kind, added, rank, newest, grave) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (sha256) DO UPDATE SET rank = min(rank, excluded.rank),"
            " newest = max(newest, excluded.newest), grave = max(grave, excluded.grave)"
            " WHERE rank > excluded.rank OR newest < excluded.newest OR grave < excluded.grave",
            [(blob.sha256, blob.bytes, blob.kind, pos, blob.rank, blob.newest, int(grave)) for blob in blobs],
        )

    async def waiting(self, outlet: str, *, limit: int, grave: bool = False, until: int = REST) -> list[Blob]:
        """What this outlet has not acknowledged, in the order in which it leaves, up to and with rank `until`. `grave`:
        only stills and key pictures of high and critical incidents."""
        narrow = "AND grave = 1 AND rank <= 1" if grave else f"AND rank <= {int(until)}"
        rows = await self._database.read(
            f"SELECT sha256, bytes, kind, rank, newest FROM blob_waiting WHERE outlet = ? {narrow}"  # noqa: S608
            " ORDER BY rank, newest DESC, added, kind LIMIT ?",
            (outlet, limit),
        )
        return [Blob(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    async def waits(self, outlet: str, sha256: str) -> bool:
        """Whether this one still does: the retention may have let it go meanwhile."""
        return bool(
            await self._database.read("SELECT 1 FROM blob_waiting WHERE outlet = ? AND sha256 = ?", (outlet, sha256))
        )

    async def amount(self, outlet: str) -> Waiting:
        """How much waits for it. It is counted: for a person who asks, not for a loop."""
        rows = await self._database.read(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM blob_waiting WHERE outlet = ?", (outlet,)
        )
        return Waiting(int(rows[0][0]), int(rows[0][1]))

    async def acknowledge(self, outlet: str, sha256: str, *, wall: int, used: int | None = None) -> None:
        """The outlet holds it durably. `used`: bytes of its data budget, made durable on the same occasion."""
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall(
                "INSERT OR IGNORE INTO outlet_blob (outlet, sha256, wall) VALUES (?, ?, ?)", (outlet, sha256, wall)
            )
            if used is not None:
                await transaction.execute_fetchall("UPDATE outlet_budget SET used = ? WHERE outlet = ?", (used, outlet))
            await meta.write(transaction, {f"outlet_seen.{outlet}": str(wall)})

    async def retire(self, outlet: str) -> None:
        """Let go of everything that waits for it or that it has acknowledged, in slices: its copies count no more."""
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall("DELETE FROM media_outlet WHERE name = ?", (outlet,))
        for table in ("blob_waiting", "outlet_blob", "outside"):
            await self._empty(table, outlet)

    async def _empty(self, table: str, outlet: str) -> None:
        key = "incident" if table == "outside" else "sha256"
        while True:
            async with self._database.transaction() as transaction:
                rows = await transaction.execute_fetchall(
                    f"DELETE FROM {table} WHERE outlet = ?1 AND {key} IN"  # noqa: S608 - three tables of ours
                    f" (SELECT {key} FROM {table} WHERE outlet = ?1 LIMIT ?2) RETURNING 1",
                    (outlet, SLICE),
                )
            if not list(rows):
                return
