"""Blobs an outlet acknowledged and may have lost since: they are asked about again."""

from __future__ import annotations

from collections.abc import Sequence

from agent.store.database import Database


async def doubt(database: Database, outlet: str, sha256: Sequence[str]) -> None:
    """Take back that the outlet holds these blobs; the next HEAD decides. StoreError when it cannot be written."""
    async with database.transaction() as transaction:
        await transaction.executemany(
            "DELETE FROM outlet_blob WHERE outlet = ? AND sha256 = ?", [(outlet, name) for name in sha256]
        )
