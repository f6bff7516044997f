"""What a damaged log lost, and how it comes back: ranges of a lane that somebody may still have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.store.database import Database
from rules import wire
from rules.errors import WireError

_SLICE = 200  # rows a transaction


@dataclass(frozen=True, slots=True)
class Range:
    """Records of a lane, both ends inclusive; `until` None: up to wherever it went."""

    epoch: str
    lane: str
    since: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """A record that came back, with the chain hash it has in its place."""

    epoch: str
    lane: str
    seq: int
    chain: bytes
    record: wire.Record


async def ranges(database: Database, outlet: str) -> list[Range]:
    """What this outlet has not been asked for, in order."""
    rows = await database.read(
        "SELECT epoch, lane, since, until FROM missing AS m WHERE NOT EXISTS"
        " (SELECT 1 FROM missing_asked AS a WHERE a.outlet = ? AND a.epoch = m.epoch) ORDER BY epoch, lane, since",
        (outlet,),
    )
    return [Range(row[0], row[1], row[2], row[3]) for row in rows]


async def chain_before(database: Database, gateway: str, place: Range) -> bytes | None:
    """The chain hash before the first missing record; None when that is missing too."""
    if place.since == 1:
        return wire.chain_start(gateway, place.epoch, place.lane)
    rows = await database.read(
        "SELECT chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?"
        " UNION ALL SELECT chain FROM log_gap WHERE epoch = ? AND lane = ? AND until = ? AND length(chain) = 32",
        (place.epoch, place.lane, place.since - 1) * 2,
    )
    return bytes(rows[0][0]) if rows else None


async def joins(database: Database, place: Range, last: bytes) -> bool:
    """Whether the record after the range, if it is here, follows from this hash at its end."""
    if place.until is None:
        return True
    rows = await database.read(
        "SELECT bytes, chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?",
        (place.epoch, place.lane, place.until + 1),
    )
    return not rows or wire.chain_next(last, rows[0][0]) == rows[0][1]


def follow(place: Range, chain: bytes, records: Sequence[tuple[int, bytes]]) -> list[Found] | None:
    """These bytes as records of the range, from its beginning on; None when they cannot be."""
    found = []
    for number, (seq, data) in enumerate(records, place.since):
        if seq != number:
            break
        chain = wire.chain_next(chain, data)
        try:
            found.append(Found(place.epoch, place.lane, seq, chain, wire.read(data)))
        except WireError:
            return None
    return found


async def put_back(database: Database, found: Sequence[Found]) -> int:
    """Write records into their places, as far as possible where they stood; no replay steps them again. Returns how
    many were not here by then."""
    merged = sorted(found, key=lambda each: (each.record.gt or 0, each.lane, each.seq))
    count = 0
    for start in range(0, len(merged), _SLICE):
        async with database.transaction() as transaction:
            for each in merged[start : start + _SLICE]:
                record = each.record
                before = await transaction.execute_fetchall(
                    "SELECT pos FROM log WHERE epoch = ? AND lane = ? AND seq < ? ORDER BY seq DESC LIMIT 1",
                    (each.epoch, each.lane, each.seq),
                )
                rows = list(before)
                place = await transaction.execute_fetchall(
                    "SELECT ? + 1 WHERE NOT EXISTS (SELECT 1 FROM log WHERE pos = ? + 1) UNION ALL"
                    " SELECT * FROM (SELECT pos + 1 FROM log AS l WHERE pos > ?"
                    " AND NOT EXISTS (SELECT 1 FROM log WHERE pos = l.pos + 1) ORDER BY pos LIMIT 1) LIMIT 1",
                    (rows[0][0] if rows else 0,) * 3,
                )
                cursor = await transaction.execute(
                    "INSERT OR IGNORE INTO log (pos, epoch, lane, seq, id, kind, gt, wall, clock, input, chain, bytes)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
                    (
                        next(iter(place))[0],
                        each.epoch,
                        each.lane,
                        each.seq,
                        record.id,
                        record.kind,
                        record.gt,
                        record.wall,
                        record.clock,
                        each.chain,
                        record.data,
                    ),
                )
                count += cursor.rowcount
                await cursor.close()
    return count


async def mend(database: Database, place: Range, last: bytes, data: bytes) -> bool:
    """The record behind the range has other bytes than its own hash says: with nothing before it nobody could see that.
    Put `data` in their place, if that is what it was; whether it was."""
    if place.until is None:
        return False
    where = (place.epoch, place.lane, place.until + 1)
    rows = await database.read("SELECT chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?", where)
    if not rows or wire.chain_next(last, data) != rows[0][0]:
        return False
    async with database.transaction() as transaction:
        await transaction.execute_fetchall(
            "UPDATE log SET bytes = ? WHERE epoch = ? AND lane = ? AND seq = ?", (data, *where)
        )
    return True


async def narrow(database: Database, place: Range, *, since: int) -> None:
    """The range begins later now, or is filled."""
    async with database.transaction() as transaction:
        await transaction.execute_fetchall(
            "DELETE FROM missing WHERE epoch = ? AND lane = ? AND since = ?", (place.epoch, place.lane, place.since)
        )
        if place.until is None or since <= place.until:
            await transaction.execute_fetchall(
                "INSERT OR REPLACE INTO missing (epoch, lane, since, until) VALUES (?, ?, ?, ?)",
                (place.epoch, place.lane, since, place.until),
            )


async def asked(database: Database, outlet: str, epochs: Sequence[str]) -> None:
    """This outlet has given what it has of these epochs."""
    async with database.transaction() as transaction:
        await transaction.executemany(
            "INSERT OR IGNORE INTO missing_asked (outlet, epoch) VALUES (?, ?)", [(outlet, each) for each in epochs]
        )


async def count(database: Database) -> int:
    """Records that are known to be missing and may still come back."""
    rows = await database.read("SELECT coalesce(sum(until - since + 1), 0) FROM missing WHERE until IS NOT NULL")
    return int(rows[0][0])


async def give_up(database: Database, outlets: Sequence[str], *, reason: str) -> int:
    """What every one of these outlets was asked for and none has is a gap for good; how many records that is. The chain
    hash at its end is known to nobody and empty."""
    rows = await database.read("SELECT epoch, lane, since, until FROM missing")
    done = await database.read("SELECT outlet, epoch FROM missing_asked")
    asked_of: dict[str, set[str]] = {}
    for outlet, epoch in done:
        asked_of.setdefault(str(epoch), set()).add(str(outlet))
    over = [row for row in rows if set(outlets) <= asked_of.get(str(row[0]), set())]
    if not over:
        return 0
    gone = 0
    async with database.transaction() as transaction:
        for epoch, lane, since, until in over:
            if until is not None:
                gone += until - since + 1
                await transaction.execute_fetchall(
                    "INSERT OR IGNORE INTO log_gap (epoch, lane, since, until, count, reason, chain)"
                    " VALUES (?, ?, ?, ?, ?, ?, x'')",
                    (epoch, lane, since, until, until - since + 1, reason),
                )
            await transaction.execute_fetchall(
                "DELETE FROM missing WHERE epoch = ? AND lane = ? AND since = ?", (epoch, lane, since)
            )
    return gone
