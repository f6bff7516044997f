"""Receipts: broker messages that were decided upon, kept while the broker may still send them again. With them, a
message that comes again after a crash is told from one that is new.

A broker numbers what it has not seen acknowledged, and uses a number again only after that. So the newest message of a
packet id is all that can come again. A broker's window has a thousand; but acknowledgements reach it in another order
than messages were decided, and those of many short lives may never reach it: the oldest in it can lie further back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import aiosqlite

from agent.store.database import Database

KEPT = 4 * 1000  # windows of a broker


class Receipt(NamedTuple):
    """A message as the broker numbers it, and a digest of its topic and payload: SHA-256, or, where a code may be in
    it, keyed with the gateway's pepper, which is not in this store."""

    packet_id: int
    digest: bytes


async def load(database: Database, broker: str) -> list[Receipt]:
    """The receipts of a broker's session, oldest first."""
    rows = await database.read("SELECT packet_id, digest FROM receipt WHERE broker = ? ORDER BY n", (broker,))
    return [Receipt(row[0], row[1]) for row in rows]


async def add(transaction: aiosqlite.Connection, broker: str, session: int, new: Sequence[Receipt]) -> None:
    """Write some, each in the place of an older one of its packet id, and let go of what is older than the window or of
    another session."""
    await transaction.executemany(
        "INSERT OR REPLACE INTO receipt (broker, session, packet_id, digest) VALUES (?, ?, ?, ?)",
        [(broker, session, *receipt) for receipt in new],
    )
    await transaction.execute_fetchall(
        "DELETE FROM receipt WHERE broker = ? AND (session <> ? OR n <= (SELECT max(n) FROM receipt) - ?)",
        (broker, session, KEPT),
    )


async def session(database: Database, broker: str) -> int | None:
    """Which session the newest receipt is of; None when there is none."""
    rows = await database.read("SELECT session FROM receipt WHERE broker = ? ORDER BY n DESC LIMIT 1", (broker,))
    return int(rows[0][0]) if rows else None


async def clear(database: Database, broker: str) -> None:
    """The broker has no session any more: nothing it sends can be a repetition."""
    async with database.transaction() as transaction:
        await transaction.execute_fetchall("DELETE FROM receipt WHERE broker = ?", (broker,))
