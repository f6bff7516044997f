"""Epochs: the names under which the log's records are numbered, and how one follows another.

Theory of operation. A relay knows our records by (epoch, lane, seq). When the log is not the one it knows any more (it
was damaged, or restored from a copy), it goes on under a new epoch that names the old one. What every outlet has stays
under the old name; what one may still lack moves to the new one: the same bytes, seq from 1, a new chain. So an outlet
only ever sends the current epoch, and a relay that had a fact already knows it by its id.

Many records are moved in slices, so that an alarm's commit never waits for all of them. Until the last slice, which
also changes the name, the log goes on under the old epoch and its followers wait.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import aiosqlite

from agent.errors import StoreDamaged, StoreError
from agent.store import meta
from agent.store.database import Database
from agent.store.log import Head, Log
from rules import wire
from rules.wire import LANES

Cause = Literal["conflict", "damage", "restore"]
SLICE = 2000  # records; some 20 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """One that replaced another: why, when (wall µs), and by what cause."""

    epoch: str
    supersedes: str
    cause: Cause
    reason: str
    wall: int


async def lineage(database: Database) -> list[Epoch]:
    """Every epoch that replaced another, the newest first."""
    rows = await database.read("SELECT epoch, supersedes, cause, reason, wall FROM epoch WHERE moving = 0")
    by_name = {row[0]: Epoch(epoch=row[0], supersedes=row[1], cause=row[2], reason=row[3], wall=row[4]) for row in rows}
    current = await database.read("SELECT value FROM meta WHERE name = 'epoch'")
    found: list[Epoch] = []
    at = by_name.pop(str(current[0][0]), None) if current else None
    while at is not None:
        found.append(at)
        at = by_name.pop(at.supersedes, None)
    return found


async def acknowledged_by_all(database: Database, epoch: str, outlets: Sequence[str]) -> dict[str, int] | None:
    """Per lane of an epoch, the highest seq that every one of these outlets has acknowledged; None without outlets."""
    if not outlets:
        return None
    reached: dict[str, list[int]] = {lane: [] for lane in LANES}
    marks = ",".join("?" * len(outlets))
    for lane, seq in await database.read(
        f"SELECT lane, seq FROM outlet_cursor WHERE epoch = ? AND outlet IN ({marks})",  # noqa: S608
        (epoch, *outlets),
    ):
        reached.setdefault(str(lane), []).append(int(seq))
    return {lane: min(seqs) if len(seqs) == len(outlets) else 0 for lane, seqs in reached.items()}


async def begin(*, database: Database, log: Log, outlets: Sequence[str], cause: Cause, reason: str, wall: int) -> Epoch:
    """Begin a new epoch of an open log and move to it what not every one of `outlets` has; the log goes on under the
    new name when this returns, and its followers are woken. Nobody but the log needs to be told. StoreError when it
    cannot be written: then, or when the process ends in between, it is gone on with later."""
    # A commit that nobody waits for any more would leave the log and its file with different names.
    work = asyncio.create_task(
        _begin(database=database, log=log, outlets=outlets, cause=cause, reason=reason, wall=wall), name="store.epoch"
    )
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            cancelled = error
        except (StoreError, StoreDamaged):
            break
    if cancelled is not None and not work.cancelled() and work.exception() is None:
        raise cancelled
    return work.result()


async def go_on(database: Database, log: Log) -> Epoch | None:
    """Finish what a crash cut short, before anybody follows the log; None when there is nothing to finish."""
    rows = await database.read("SELECT epoch, supersedes, cause, reason, wall FROM epoch WHERE moving = 1")
    if not rows:
        return None
    epoch = Epoch(epoch=rows[0][0], supersedes=rows[0][1], cause=rows[0][2], reason=rows[0][3], wall=rows[0][4])
    await _move(database, log, epoch)
    return epoch


async def _begin(
    *, database: Database, log: Log, outlets: Sequence[str], cause: Cause, reason: str, wall: int
) -> Epoch:
    unfinished = await go_on(database, log)
    if unfinished is not None:
        return unfinished
    old = log.epoch
    reached = await acknowledged_by_all(database, old, outlets)
    epoch = Epoch(epoch=str(uuid.uuid4()), supersedes=old, cause=cause, reason=reason, wall=wall)
    cuts = {lane: log.head(lane).seq if reached is None else min(reached[lane], log.head(lane).seq) for lane in LANES}
    async with database.transaction() as transaction:
        await transaction.execute_fetchall(
            "INSERT INTO epoch (epoch, supersedes, cause, reason, wall, moving) VALUES (?, ?, ?, ?, ?, 1)",
            (epoch.epoch, old, cause, reason, wall),
        )
        await transaction.executemany(
            "INSERT INTO epoch_cut (epoch, lane, since) VALUES (?, ?, ?)",
            [(epoch.epoch, lane, since) for lane, since in cuts.items()],
        )
    await _move(database, log, epoch)
    return epoch


async def _move(database: Database, log: Log, epoch: Epoch) -> None:
    """Slice by slice, the last one with the new name."""
    cuts = {
        str(lane): int(since)
        for lane, since in await database.read("SELECT lane, since FROM epoch_cut WHERE epoch = ?", (epoch.epoch,))
    }
    heads = {lane: Head(0, wire.chain_start(log.gateway, epoch.epoch, lane)) for lane in LANES}
    for lane, seq, chain in await database.read("SELECT lane, seq, chain FROM lane WHERE epoch = ?", (epoch.epoch,)):
        heads[lane] = Head(seq, chain)
    with log.being_renumbered():
        while True:
            async with database.transaction() as transaction:
                done = await _slice(transaction, epoch, cuts, heads)
                if done:
                    await _rename(transaction, log, epoch, cuts)
            if done:
                break
        # Nothing was awaited since the commit, so nobody has appended under the old name.
        log.adopt(epoch.epoch, heads)


async def _slice(
    transaction: aiosqlite.Connection, epoch: Epoch, cuts: Mapping[str, int], heads: dict[str, Head]
) -> bool:
    """Move the next records of each lane; True when none is left. Until then the newest of each lane stays, so that the
    lane ends in the file where it should."""
    waiting: dict[str, list[tuple[int, int, bytes]]] = {}
    for lane, cut in cuts.items():
        rows = await transaction.execute_fetchall(
            "SELECT pos, seq, bytes FROM log WHERE epoch = ? AND lane = ? AND seq > ? ORDER BY seq LIMIT ?",
            (epoch.supersedes, lane, cut, SLICE + 1),
        )
        waiting[lane] = [(int(row[0]), int(row[1]), bytes(row[2])) for row in rows]
    room = SLICE
    last = sum(map(len, waiting.values())) <= room
    for lane, cut in cuts.items():
        records = waiting[lane] if last else waiting[lane][:-1][:room]
        room -= len(records)
        if records or last:
            await _gaps_and_records(transaction, epoch, lane, cut, records, None if last else records[-1][1], heads)
    return last


async def _gaps_and_records(
    transaction: aiosqlite.Connection,
    epoch: Epoch,
    lane: str,
    cut: int,
    records: Sequence[tuple[int, int, bytes]],
    upto: int | None,
    heads: dict[str, Head],
) -> None:
    """Give these records, and the gaps between them, the next numbers of the new epoch."""
    gaps = await transaction.execute_fetchall(
        "SELECT since, until, reason, chain FROM log_gap WHERE epoch = ? AND lane = ? AND until > ?"
        " AND (? IS NULL OR since < ?) ORDER BY since",
        (epoch.supersedes, lane, cut, upto, upto),
    )
    head = heads[lane]
    moved: list[tuple[str, int, bytes, int]] = []
    gone: list[tuple[str, str, int, int, int, str, bytes]] = []
    places: list[tuple[int, int, bytes | None, tuple[int, int, str, bytes] | None]] = [
        *((seq, pos, data, None) for pos, seq, data in records),
        *((int(gap[0]), 0, None, (int(gap[0]), int(gap[1]), str(gap[2]), bytes(gap[3]))) for gap in gaps),
    ]
    for _, pos, data, gap in sorted(places, key=lambda place: place[0]):
        if data is not None:
            head = Head(head.seq + 1, wire.chain_next(head.chain, data))
            moved.append((epoch.epoch, head.seq, head.chain, pos))
        elif gap is not None:
            since, until, reason, chain = gap
            count = until - max(since - 1, cut)
            first = head.seq + 1
            head = Head(head.seq + count, wire.chain_next(head.chain, chain))
            gone.append((epoch.epoch, lane, first, head.seq, count, reason, head.chain))
    if head == heads[lane]:
        return
    await transaction.executemany("UPDATE log SET epoch = ?, seq = ?, chain = ? WHERE pos = ?", moved)
    await transaction.executemany(
        "DELETE FROM log_gap WHERE epoch = ? AND lane = ? AND since = ?",
        [(epoch.supersedes, lane, gap[0]) for gap in gaps],
    )
    await transaction.executemany(
        "INSERT INTO log_gap (epoch, lane, since, until, count, reason, chain) VALUES (?, ?, ?, ?, ?, ?, ?)", gone
    )
    await transaction.execute_fetchall(
        "INSERT INTO lane (epoch, lane, seq, chain) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (epoch, lane) DO UPDATE SET seq = excluded.seq, chain = excluded.chain",
        (epoch.epoch, lane, head.seq, head.chain),
    )
    heads[lane] = head


async def _rename(transaction: aiosqlite.Connection, log: Log, epoch: Epoch, cuts: Mapping[str, int]) -> None:
    """The log is called by the new name from here on, and the old epoch ends where it was cut."""
    for lane, cut in cuts.items():
        chain = wire.chain_start(log.gateway, epoch.supersedes, lane) if cut == 0 else None
        if chain is None:
            found = list(
                await transaction.execute_fetchall(
                    "SELECT chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?"
                    " UNION ALL SELECT chain FROM log_gap WHERE epoch = ? AND lane = ? AND until = ?",
                    (epoch.supersedes, lane, cut) * 2,
                )
            )
            chain = bytes(found[0][0]) if found else None
        await transaction.execute_fetchall("DELETE FROM lane WHERE epoch = ? AND lane = ?", (epoch.supersedes, lane))
        if cut and chain is not None:
            await transaction.execute_fetchall(
                "INSERT INTO lane (epoch, lane, seq, chain) VALUES (?, ?, ?, ?)", (epoch.supersedes, lane, cut, chain)
            )
    await transaction.execute_fetchall("UPDATE epoch SET moving = 0 WHERE epoch = ?", (epoch.epoch,))
    await meta.write(transaction, {"epoch": epoch.epoch})
