"""The log: rows in one total order, numbered and chained per lane, read by those who follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiosqlite

from agent.errors import StoreDamaged
from agent.store.database import Database
from rules import wire
from rules.wire import LANES

_PAGE = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row to append. `lane` None stays home; `is_input` rows are what the engine stepped."""

    id: str
    kind: str
    lane: str | None
    gt: int | None
    wall: int
    clock: str
    data: bytes
    is_input: bool
    acked_before_durable: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """A row as a follower reads it."""

    seq: int
    data: bytes
    chain: bytes


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a lane: highest seq given (0: none) and its chain hash."""

    seq: int
    chain: bytes


class Log:
    """Appends inside the caller's transaction; the new heads count only once `committed` is called."""

    def __init__(self, *, database: Database, gateway: str, epoch: str) -> None:
        self._database = database
        self.gateway = gateway
        self.epoch = epoch
        self._heads: dict[str, Head] = {}
        self._pending: dict[str, Head] = {}
        self._waiters: set[asyncio.Event] = set()

    async def load(self) -> None:
        """Read the heads of this epoch and check that the newest row of each lane agrees."""
        path = self._database.path
        rows = await self._database.read("SELECT value FROM meta WHERE name = 'epoch'")
        if not rows or rows[0][0] != self.epoch:
            raise StoreDamaged(f"{path} is not the log this agent has been writing (epoch {self.epoch}). Put it back.")
        self._heads = {lane: Head(0, wire.chain_start(self.gateway, self.epoch, lane)) for lane in LANES}
        for lane, seq, chain in await self._database.read(
            "SELECT lane, seq, chain FROM lane WHERE epoch = ?", (self.epoch,)
        ):
            self._heads[lane] = Head(seq, chain)
            rows = await self._database.read(
                "SELECT seq, chain FROM log WHERE epoch = ? AND lane = ? ORDER BY seq DESC LIMIT 1", (self.epoch, lane)
            )
            if not rows or (rows[0][0], rows[0][1]) != (seq, chain):
                raise StoreDamaged(
                    f"lane {lane} of {path} should end at record {seq} and does not. "
                    "Restore a backup; nothing was overwritten."
                )
        self._pending = dict(self._heads)

    async def verify(self, pos: int) -> None:
        """Check that each record after `pos` follows from the one before it in its lane. StoreDamaged when not."""
        chains: dict[str, bytes | None] = {}
        while True:
            rows = await self._database.read(
                "SELECT pos, lane, seq, chain, bytes FROM log WHERE pos > ? AND epoch = ? ORDER BY pos LIMIT ?",
                (pos, self.epoch, _PAGE),
            )
            for _, lane, seq, chain, data in rows:
                if lane is None:
                    continue
                if lane not in chains:
                    chains[lane] = await self.chain_at(lane, seq - 1)
                before = chains[lane]
                if before is not None and wire.chain_next(before, data) != chain:
                    raise StoreDamaged(
                        f"record {seq} of lane {lane} in {self._database.path} was changed after it was written. "
                        "Restore a backup; nothing was overwritten."
                    )
                chains[lane] = chain
            if len(rows) < _PAGE:
                return
            pos = rows[-1][0]

    def head(self, lane: str) -> Head:
        """The durable end of a lane."""
        return self._heads[lane]

    async def known(self, ids: Sequence[str]) -> set[str]:
        """Which of these facts the log already has."""
        found: set[str] = set()
        for start in range(0, len(ids), 500):
            part = ids[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = await self._database.read(f"SELECT id FROM log WHERE id IN ({marks})", part)  # noqa: S608
            found.update(str(row[0]) for row in rows)
        return found

    async def append(self, transaction: aiosqlite.Connection, rows: Sequence[Row]) -> None:
        """Write rows, in order, with the next seq and chain hash of their lanes."""
        self._pending = dict(self._heads)
        values = []
        for row in rows:
            seq = chain = None
            if row.lane is not None:
                head = self._pending[row.lane]
                seq, chain = head.seq + 1, wire.chain_next(head.chain, row.data)
                self._pending[row.lane] = Head(seq, chain)
            values.append(
                (
                    self.epoch,
                    row.lane,
                    seq,
                    row.id,
                    row.kind,
                    row.gt,
                    row.wall,
                    row.clock,
                    int(row.is_input),
                    int(row.acked_before_durable),
                    chain,
                    row.data,
                )
            )
        await transaction.executemany(
            "INSERT INTO log (epoch, lane, seq, id, kind, gt, wall, clock, input, acked_before_durable, chain, bytes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        moved = [
            (self.epoch, lane, head.seq, head.chain)
            for lane, head in self._pending.items()
            if head != self._heads[lane]
        ]
        await transaction.executemany(
            "INSERT INTO lane (epoch, lane, seq, chain) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (epoch, lane) DO UPDATE SET seq = excluded.seq, chain = excluded.chain",
            moved,
        )

    def committed(self) -> None:
        """The transaction of the last `append` is durable: followers may read on."""
        self._heads = self._pending
        for waiter in self._waiters:
            waiter.set()

    def follow(self) -> asyncio.Event:
        """An event that is set after each commit; the follower clears it before it reads."""
        waiter = asyncio.Event()
        self._waiters.add(waiter)
        return waiter

    def unfollow(self, waiter: asyncio.Event) -> None:
        """Stop setting it."""
        self._waiters.discard(waiter)

    async def after(self, lane: str, seq: int, *, limit: int, max_bytes: int) -> list[Kept]:
        """The next records of a lane, at most `limit` and about `max_bytes` (always at least one)."""
        rows = await self._database.read(
            "SELECT seq, bytes, chain FROM log WHERE epoch = ? AND lane = ? AND seq > ? ORDER BY seq LIMIT ?",
            (self.epoch, lane, seq, limit),
        )
        kept: list[Kept] = []
        total = 0
        for row in rows:
            total += len(row[1])
            if kept and total > max_bytes:
                break
            kept.append(Kept(row[0], row[1], row[2]))
        return kept

    async def chain_at(self, lane: str, seq: int) -> bytes | None:
        """The chain hash at a seq of this epoch; None when the log does not reach there."""
        if seq == 0:
            return wire.chain_start(self.gateway, self.epoch, lane)
        rows = await self._database.read(
            "SELECT chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?", (self.epoch, lane, seq)
        )
        return rows[0][0] if rows else None
