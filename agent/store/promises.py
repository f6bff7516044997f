"""Footage that was decided upon and is not answered for yet. A crash between the decision and the media worker must not
lose it: what stands here is asked again at the next start."""

from __future__ import annotations

from collections.abc import Iterable

import aiosqlite

from agent.store.database import Database


async def change(
    transaction: aiosqlite.Connection, *, add: Iterable[tuple[str, str, str]], drop: Iterable[str]
) -> None:
    """Write promises as (subject, kernel boot id, request) and remove those that were answered."""
    await transaction.executemany("INSERT OR IGNORE INTO promise (subject, boot_id, data) VALUES (?, ?, ?)", list(add))
    await transaction.executemany("DELETE FROM promise WHERE subject = ?", [(subject,) for subject in drop])


async def load(database: Database) -> list[tuple[str, str, str]]:
    """All that is still owed."""
    return [(row[0], row[1], row[2]) for row in await database.read("SELECT subject, boot_id, data FROM promise")]
