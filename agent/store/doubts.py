"""Blobs an outlet acknowledged and may have lost since: they are asked about again."""

from __future__ import annotations

from collections.abc import Sequence

from agent.store import meta
from agent.store.database import Database

SLICE = 2000  # blobs doubted in one transaction: alarms commit in between


async def doubt(database: Database, outlet: str, sha256: Sequence[str]) -> None:
    """Take back that the outlet holds these blobs; the next HEAD decides. StoreError when it cannot be written."""
    async with database.transaction() as transaction:
        await transaction.executemany(
            "DELETE FROM outlet_blob WHERE outlet = ? AND sha256 = ?", [(outlet, name) for name in sha256]
        )


async def doubt_all(database: Database, outlet: str, *, restored: int) -> bool:
    """The relay behind this outlet was put back from a backup at `restored` (its wall time, µs): take back that it
    holds anything, once for each such moment; whether this was the first time. StoreError when it cannot be written;
    then the next call goes on."""
    key, value = f"outlet_restored.{outlet}", str(restored)
    if (await meta.read_all(database)).get(key) == value:
        return False
    while rows := await database.read("SELECT sha256 FROM outlet_blob WHERE outlet = ? LIMIT ?", (outlet, SLICE)):
        await doubt(database, outlet, [str(row[0]) for row in rows])
    async with database.transaction() as transaction:
        await meta.write(transaction, {key: value})
    return True
