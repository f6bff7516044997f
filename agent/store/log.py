"""The log: rows in one total order, numbered and chained per lane, read by those who follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import aiosqlite

from agent.errors import StoreBroken, StoreDamaged, StoreError
from agent.store.database import Database
from agent.store.witness import Mark
from rules import wire
from rules.wire import LANES

_PAGE = 5000
_GAP = b'{"gap":'
_RECORDS = (
    "SELECT seq AS since, seq AS until, NULL AS count, NULL AS reason, bytes, chain FROM log"
    " WHERE epoch = ? AND lane = ? AND seq > ? ORDER BY seq LIMIT ?"
)
# One statement, so that what is pruned meanwhile is seen as records or as a gap, never as both.
_LINES = (
    "SELECT * FROM (" + _RECORDS + ") UNION ALL"  # noqa: S608 - our own words
    " SELECT since, until, count, reason, NULL, chain FROM log_gap WHERE epoch = ? AND lane = ? AND until > ?"
    " ORDER BY since LIMIT ?"
)


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
    """A line as a follower reads it: a record, or, from `since` to `seq`, records that are gone (then `data` is a gap
    line). A record's `since` is its `seq`."""

    since: int
    seq: int
    data: bytes
    chain: bytes

    @property
    def gone(self) -> bool:
        """Whether this line stands for records that no longer exist."""
        return self.data.startswith(_GAP)


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a lane: highest seq given (0: none) and its chain hash."""

    seq: int
    chain: bytes


class Log:
    """Appends inside the caller's transaction; the new heads count only once `committed` is called."""

    def __init__(self, *, database: Database, gateway: str, epoch: str, mark: Mark | None = None) -> None:
        """`mark` is told of every commit."""
        self._database = database
        self._mark = mark
        self.gateway = gateway
        self.epoch = epoch
        self._heads: dict[str, Head] = {}
        self._pending: dict[str, Head] = {}
        self._waiters: set[asyncio.Event] = set()
        self._renumbering = False
        self._adrift = False

    async def load(self) -> None:
        """Read the heads of this epoch and check that the newest row of each lane agrees."""
        path = self._database.path
        rows = await self._database.read("SELECT value FROM meta WHERE name = 'epoch'")
        if rows and rows[0][0] != self.epoch:
            replaces = "SELECT epoch FROM epoch WHERE epoch = ? AND supersedes = ? AND moving = 0"
            if await self._database.read(replaces, (rows[0][0], self.epoch)):
                self.epoch = str(rows[0][0])  # a commit that was called failed and is in the file
        if not rows or rows[0][0] != self.epoch:
            raise StoreDamaged(f"{path} is not the log this agent has been writing (epoch {self.epoch}). Put it back.")
        self._heads = {lane: Head(0, wire.chain_start(self.gateway, self.epoch, lane)) for lane in LANES}
        for lane, seq, chain in await self._database.read(
            "SELECT lane, seq, chain FROM lane WHERE epoch = ?", (self.epoch,)
        ):
            self._heads[lane] = Head(seq, chain)
            if await self._end(lane) != Head(seq, chain):
                raise StoreBroken(
                    f"lane {lane} of {path} should end at record {seq} and does not. "
                    "Restore a backup; nothing was overwritten."
                )
        self._pending = dict(self._heads)
        self._renumbering = bool(await self._database.read("SELECT 1 FROM epoch WHERE moving = 1"))
        self._adrift = False
        if not self._renumbering:
            self._put_mark()

    async def _end(self, lane: str) -> Head | None:
        """Where the lane's rows end; its last records may all be gone."""
        rows = await self._database.read(
            "SELECT seq, chain FROM log WHERE epoch = ? AND lane = ? ORDER BY seq DESC LIMIT 1", (self.epoch, lane)
        )
        rows += await self._database.read(
            "SELECT until, chain FROM log_gap WHERE epoch = ? AND lane = ? ORDER BY since DESC LIMIT 1",
            (self.epoch, lane),
        )
        return max((Head(row[0], row[1]) for row in rows), key=lambda head: head.seq, default=None)

    @contextmanager
    def being_renumbered(self) -> Iterator[None]:
        """While records move to a new epoch their readers are told to wait, and after a failure in it nothing is
        appended until `load` has seen what is in the file."""
        self._renumbering = True
        try:
            yield
        except BaseException:
            self._adrift = True
            raise
        self._renumbering = False

    def adopt(self, epoch: str, heads: Mapping[str, Head]) -> None:
        """Go on under a new epoch, whose heads are durable; whoever follows is woken."""
        self.epoch, self._heads = epoch, dict(heads)
        self._pending = dict(self._heads)
        self._put_mark()
        for waiter in self._waiters:
            waiter.set()

    def _put_mark(self) -> None:
        if self._mark is not None:
            self._mark.put(self.epoch, {lane: head.seq for lane, head in self._heads.items()})

    @property
    def renumbering(self) -> bool:
        """Whether records are moving to a new epoch just now."""
        return self._renumbering

    def _readable(self) -> None:
        if self._renumbering:
            raise StoreError(f"{self._database.path}: records are moving to a new epoch; trying again")

    async def verify(self, pos: int, *, alive: Callable[[], None] = lambda: None) -> None:
        """Check that each record after `pos` follows from the one before it in its lane. StoreDamaged when not.
        `alive` is called now and then where that takes long."""
        ends: dict[str, Head] = {}
        while True:
            rows = await self._database.read(
                "SELECT pos, lane, seq, chain, bytes FROM log WHERE pos > ? AND epoch = ? ORDER BY pos LIMIT ?",
                (pos, self.epoch, _PAGE),
            )
            for _, lane, seq, chain, data in rows:
                if lane is None:
                    continue
                if not isinstance(seq, int) or not isinstance(chain, bytes) or not isinstance(data, bytes):
                    raise StoreBroken(
                        f"a record of lane {lane} in {self._database.path} has values that are none of its own. "
                        "Restore a backup; nothing was overwritten."
                    )
                end = ends.get(lane)
                follows = end is not None and end.seq == seq - 1
                before = end.chain if end is not None and follows else await self.chain_at(lane, seq - 1)
                if before is None:
                    raise StoreBroken(
                        f"the records before {seq} of lane {lane} in {self._database.path} are missing. "
                        "Restore a backup; nothing was overwritten."
                    )
                if wire.chain_next(before, data) != chain:
                    raise StoreBroken(
                        f"record {seq} of lane {lane} in {self._database.path} was changed after it was written. "
                        "Restore a backup; nothing was overwritten."
                    )
                ends[lane] = Head(seq, chain)
            if len(rows) < _PAGE:
                return
            alive()
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
        if self._adrift:
            raise StoreError(f"{self._database.path} has to be read anew: the change of its epoch failed half-way")
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
        self._put_mark()
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
        """The next lines of a lane, at most `limit` and about `max_bytes` (always at least one)."""
        self._readable()
        rows = await self._database.read(_RECORDS, (self.epoch, lane, seq, limit))
        if (rows[-1][1] - seq if rows else self._heads[lane].seq - seq) != len(rows):  # something is gone
            rows = await self._database.read(_LINES, (self.epoch, lane, seq, limit) * 2)
        kept: list[Kept] = []
        total = 0
        for since, last, count, reason, data, chain in rows:
            line = Kept(since, last, data, chain) if count is None else _gap(since, last, count, reason, chain, seq)
            total += len(line.data)
            if kept and total > max_bytes:
                break
            kept.append(line)
        return kept

    async def chain_at(self, lane: str, seq: int) -> bytes | None:
        """The chain hash at a seq of this epoch, also at the end of a gap; None when the log does not reach there, or
        what was there is gone."""
        self._readable()
        if seq == 0:
            return wire.chain_start(self.gateway, self.epoch, lane)
        rows = await self._database.read(
            "SELECT chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?"
            " UNION ALL SELECT chain FROM log_gap WHERE epoch = ? AND lane = ? AND until = ? LIMIT 1",
            (self.epoch, lane, seq) * 2,
        )
        return rows[0][0] if rows else None

    async def gone(self, lane: str, seq: int) -> bool:
        """Whether the record with this seq was here and is no longer: its hash is not known, but that of what follows
        the gap is."""
        rows = await self._database.read(
            "SELECT 1 FROM log_gap WHERE epoch = ? AND lane = ? AND since <= ? AND until >= ?",
            (self.epoch, lane, seq, seq),
        )
        return bool(rows)


def _gap(since: int, until: int, count: int, reason: str, chain: bytes, seq: int) -> Kept:
    """The line of a gap for a follower that has everything up to `seq`."""
    first = max(since, seq + 1)
    gone = wire.GapRange(
        **{"from": first}, to=until, count=min(count, until - first + 1), reason=reason, chain=chain.hex()
    )
    return Kept(first, until, wire.GapLine(gap=gone).text().encode(), chain)
