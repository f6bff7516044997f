"""How far each outlet has got: one cursor per outlet and lane, and one for the entries a relay hands down."""

from __future__ import annotations

import aiosqlite

from agent.clock import wall_now
from agent.store import meta
from agent.store.database import Database
from agent.store.log import Log

_NOTE_AFTER = 60_000_000  # µs: not with every cursor, which would write a page more each time


class Cursors:
    """The cursors of the epoch the log is in."""

    def __init__(self, *, database: Database, log: Log) -> None:
        self._database = database
        self._log = log
        self._noted: dict[str, int] = {}  # when each outlet's last acknowledgement was noted, wall µs

    @property
    def _epoch(self) -> str:
        return self._log.epoch  # it may change at any time

    async def acknowledged(self, outlet: str, lane: str) -> int:
        """The highest seq this outlet has acknowledged (0: none)."""
        rows = await self._database.read(
            "SELECT seq FROM outlet_cursor WHERE outlet = ? AND epoch = ? AND lane = ?", (outlet, self._epoch, lane)
        )
        return int(rows[0][0]) if rows else 0

    async def acknowledge(self, outlet: str, lane: str, seq: int, *, epoch: str | None = None) -> None:
        """Move the cursor, also back: a relay restored from a backup is sent again what it lost. `epoch` is the one
        that `seq` counts in, where that may be another than the log is in by now."""
        async with self._database.transaction() as transaction:
            await transaction.execute_fetchall(
                "INSERT INTO outlet_cursor (outlet, epoch, lane, seq) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (outlet, epoch, lane) DO UPDATE SET seq = excluded.seq",
                (outlet, epoch or self._epoch, lane, seq),
            )
            if (now := wall_now()) - self._noted.get(outlet, 0) >= _NOTE_AFTER:  # for a person who asks
                self._noted[outlet] = now
                await meta.write(transaction, {f"outlet_seen.{outlet}": str(now)})

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
