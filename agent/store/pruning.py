"""What the log lets go of with time, a little at a time.

Theory of operation. Age is gateway time, which no jump of the wall clock touches. It grows with `pos`, so an age is a
position, found by halving. A row may go when it lies before that position and not after the older of the two newest
states of the engine, which a restart may need. A record must besides have been acknowledged by every outlet, but for
readings and for epochs that another one replaced: there, what an outlet still lacked was moved. What goes from a lane
leaves a gap line with the chain hash at its end. Gaps end where an outlet's cursor stands, so that its hash is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiosqlite

from agent.errors import StoreError
from agent.store.database import Database
from agent.store.log import Log
from rules.state import ENGINE_VERSION

BATCH = 200  # rows a transaction: a few milliseconds, which is all that an alarm's commit may have to wait
READINGS = "P4"
RECORDS_AGED = "older than records are kept"
READINGS_AGED = "older than readings are kept"
_OWN_TIME = "gt IS NOT NULL AND NOT (input = 1 AND kind LIKE 'incident.%')"  # others' entries bear their maker's time


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Rows up to and including these positions may go: by the age of records, and by that of readings."""

    records: int
    readings: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """Records `since` to `until` (seq) of a lane that went together; `unsent` of them had not reached every outlet."""

    epoch: str
    lane: str
    since: int
    until: int
    unsent: int
    reason: str

    @property
    def count(self) -> int:
        """How many."""
        return self.until - self.since + 1


async def bounds(database: Database, *, now: int, keep: int, keep_readings: int) -> Bounds:
    """Up to which positions rows are old enough at gateway time `now` (µs)."""
    rows = await database.read(
        "SELECT pos FROM snapshot WHERE engine_version = ? ORDER BY pos DESC LIMIT 1 OFFSET 1", (ENGINE_VERSION,)
    )
    most = int(rows[0][0]) if rows else 0
    return Bounds(
        records=min(most, await _older_than(database, now - keep)),
        readings=min(most, await _older_than(database, now - keep_readings)),
    )


async def _older_than(database: Database, moment: int) -> int:
    """The last position whose row is from before `moment` (gateway time)."""
    ends = await database.read("SELECT min(pos), max(pos) FROM log")
    if ends[0][0] is None:
        return 0
    low, high = int(ends[0][0]) - 1, int(ends[0][1])  # the answer is in [low, high]
    while low < high:
        middle = (low + high + 1) // 2
        rows = await database.read(
            f"SELECT pos, gt FROM log WHERE pos >= ? AND pos <= ? AND {_OWN_TIME} ORDER BY pos LIMIT 1",  # noqa: S608
            (middle, high),
        )
        if rows and rows[0][1] < moment:
            low = int(rows[0][0])
        else:  # too young, or nothing in this half tells
            high = middle - 1
    return low


async def lanes(database: Database) -> list[tuple[str, str]]:
    """Every (epoch, lane) the log may have records of."""
    return [(str(row[0]), str(row[1])) for row in await database.read("SELECT epoch, lane FROM lane")]


async def prune_lane(
    database: Database, log: Log, *, epoch: str, lane: str, bounds: Bounds, outlets: Sequence[str]
) -> Pruned | None:
    """Let the next few records of a lane go; None when none may. StoreError when it cannot be written, or records are
    moving to a new epoch: then nobody can say yet who lacks what."""
    async with database.transaction() as transaction:
        if log.renumbering:
            raise StoreError("nothing is pruned while records move to a new epoch; trying again later")
        cursors = [await _reached(transaction, outlet, epoch, lane) for outlet in outlets]
        safe = min(cursors, default=None) if epoch == log.epoch else None
        rows = list(
            await transaction.execute_fetchall(
                "SELECT seq, pos FROM log WHERE epoch = ? AND lane = ? ORDER BY seq LIMIT ?", (epoch, lane, BATCH)
            )
        )
        bound = bounds.readings if lane == READINGS else bounds.records
        last = 0
        for seq, pos in rows:
            if pos > bound or (safe is not None and seq > safe and lane != READINGS) or (last and seq != last + 1):
                break
            last = int(seq)
            if last in cursors:
                break  # a gap ends where an outlet stands
        if not last:
            return None
        first = int(rows[0][0])
        reason = READINGS_AGED if lane == READINGS else RECORDS_AGED
        await _leave_gap(transaction, epoch, lane, first, last, reason, cursors)
        await transaction.execute_fetchall(
            "DELETE FROM log WHERE epoch = ? AND lane = ? AND seq BETWEEN ? AND ?", (epoch, lane, first, last)
        )
    unsent = 0 if safe is None else last - max(first - 1, min(safe, last))
    return Pruned(epoch=epoch, lane=lane, since=first, until=last, unsent=unsent, reason=reason)


async def _reached(transaction: aiosqlite.Connection, outlet: str, epoch: str, lane: str) -> int:
    rows = list(
        await transaction.execute_fetchall(
            "SELECT seq FROM outlet_cursor WHERE outlet = ? AND epoch = ? AND lane = ?", (outlet, epoch, lane)
        )
    )
    return int(rows[0][0]) if rows else 0


async def _leave_gap(
    transaction: aiosqlite.Connection,
    epoch: str,
    lane: str,
    since: int,
    until: int,
    reason: str,
    cursors: Sequence[int],
) -> None:
    """One line for what goes, or a longer one where it goes on from the one before."""
    rows = await transaction.execute_fetchall(
        "SELECT chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?", (epoch, lane, until)
    )
    (chain,) = next(iter(rows))
    longer = 0
    if since - 1 not in cursors:
        cursor = await transaction.execute(
            "UPDATE log_gap SET until = ?, count = count + ?, chain = ?"
            " WHERE epoch = ? AND lane = ? AND until = ? AND reason = ?",
            (until, until - since + 1, chain, epoch, lane, since - 1, reason),
        )
        longer = cursor.rowcount
        await cursor.close()
    if not longer:
        await transaction.execute_fetchall(
            "INSERT INTO log_gap (epoch, lane, since, until, count, reason, chain) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (epoch, lane, since, until, until - since + 1, reason, chain),
        )


async def prune_local(database: Database, *, after: int, bounds: Bounds) -> tuple[int, int]:
    """Let go of rows that never leave the building and lie after position `after`. Returns how many went, and the
    position that has been looked at; the same one when nothing is left to look at."""
    rows = await database.read("SELECT min(pos) FROM log WHERE pos > ?", (after,))
    if rows[0][0] is None or rows[0][0] > bounds.records:
        return 0, after
    until = min(int(rows[0][0]) + 4 * BATCH - 1, bounds.records)
    async with database.transaction() as transaction:
        cursor = await transaction.execute(
            "DELETE FROM log WHERE pos > ? AND pos <= ? AND lane IS NULL", (after, until)
        )
        gone = cursor.rowcount
        await cursor.close()
    return gone, until


async def prune_snapshots(database: Database) -> int:
    """Let go of states from which no row can be replayed any more; the newest two stay. Returns how many went."""
    async with database.transaction() as transaction:
        cursor = await transaction.execute(
            "DELETE FROM snapshot WHERE pos IN (SELECT pos FROM"
            " (SELECT pos, lead(pos, 1) OVER (ORDER BY pos) AS next, lead(pos, 2) OVER (ORDER BY pos) AS third"
            "  FROM snapshot) AS s WHERE third IS NOT NULL"
            " AND NOT EXISTS (SELECT 1 FROM log WHERE log.pos > s.pos AND log.pos <= s.next) LIMIT ?)",
            (BATCH // 10,),
        )
        gone = cursor.rowcount
        await cursor.close()
    return gone
