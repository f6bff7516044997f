"""How far each outlet has got: one cursor per outlet and lane, and one for the entries a relay hands down."""

from __future__ import annotations

import aiosqlite

from agent.store.database import Database


class Cursors:
    """The cursors of one epoch."""

    def __init__(self, *, database: Database, epoch: str) -> None:
        self._database = database
        self._epoch = epoch

    async def acknowledged(self, outlet: str, lane: str) -> int:
        """The highest seq this outlet has acknowledged (0: none)."""
        rows = await self._database.read(
            "SELECT seq FROM outlet_cursor WHERE outlet = ? AND epoch = ? AND lane = ?", (outlet, self._epoch, lane)
        )
        return int(rows[0][0]) if rows else 0

    async def acknowledge(self, outlet: str, lane: str, seq: int) -> None:
        """Move the cursor, also back: a relay restored from a backup is sent again what it lost."""
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall(
                "INSERT INTO outlet_cursor (outlet, epoch, lane, seq) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (outlet, epoch, lane) DO UPDATE SET seq = excluded.seq",
                (outlet, self._epoch, lane, seq),
            )

    async def entries_after(self, outlet: str) -> int:
        """The relay's own cursor up to which its entries are in our log."""
        rows = await self._database.read("SELECT after FROM entry_cursor WHERE outlet = ?", (outlet,))
        return int(rows[0][0]) if rows else 0

    async def set_entries_after(self, transaction: aiosqlite.Connection, outlet: str, after: int) -> None:
        """Move it, in the transaction that stores the entries."""
        await transaction.execute_fetchall(
            "INSERT INTO entry_cursor (outlet, after) VALUES (?, ?)"
            " ON CONFLICT (outlet) DO UPDATE SET after = excluded.after",
            (outlet, after),
        )
