"""Small facts about this store: whose it is, its epoch, and where time stood."""

from __future__ import annotations

from collections.abc import Mapping

import aiosqlite

from agent.store.database import Database


async def read_all(database: Database) -> dict[str, str]:
    """Every small fact."""
    return {str(row[0]): str(row[1]) for row in await database.read("SELECT name, value FROM meta")}


async def write(transaction: aiosqlite.Connection, values: Mapping[str, str]) -> None:
    """Set some."""
    await transaction.executemany(
        "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        list(values.items()),
    )
