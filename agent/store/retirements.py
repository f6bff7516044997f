"""Taking an outlet out of service: what waits for it, and letting go of it."""

from __future__ import annotations

import aiosqlite

from agent.store.database import Database

# Who has ever followed this log, by any of its traces.
KNOWN = (
    "SELECT outlet FROM outlet_cursor UNION SELECT outlet FROM entry_cursor UNION SELECT name FROM media_outlet"
    " UNION SELECT outlet FROM outlet_budget"
)


async def waiting(database: Database, outlet: str, epoch: str) -> tuple[int, int]:
    """(records, blobs) that wait for it."""
    rows = await database.read(
        "SELECT coalesce(sum(max(0, l.seq - coalesce(c.seq, 0))), 0) FROM lane AS l LEFT JOIN outlet_cursor AS c"
        " ON c.outlet = ? AND c.epoch = l.epoch AND c.lane = l.lane WHERE l.epoch = ?",
        (outlet, epoch),
    )
    blobs = await database.read("SELECT count(*) FROM blob_waiting WHERE outlet = ?", (outlet,))
    return int(rows[0][0]), int(blobs[0][0])


async def let_go(transaction: aiosqlite.Connection, outlet: str) -> None:
    """Forget where it stood, in the transaction that logs its retirement. Its blobs are let go of in slices after it
    (`Blobs.retire`); from here on its copies count no more."""
    for table in ("outlet_cursor", "entry_cursor", "outlet_budget"):
        await transaction.execute_fetchall(f"DELETE FROM {table} WHERE outlet = ?", (outlet,))  # noqa: S608 - ours
    await transaction.execute_fetchall("DELETE FROM media_outlet WHERE name = ?", (outlet,))
    await transaction.execute_fetchall(
        "DELETE FROM meta WHERE name IN (?, ?, ?, ?, ?)",
        (
            f"outlet_told.{outlet}",
            f"outlet_told.{outlet}.why",
            f"outlet_seen.{outlet}",
            f"outlet_heard.{outlet}",
            f"outlet_silent.{outlet}",
        ),
    )
