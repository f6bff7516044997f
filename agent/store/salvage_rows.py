"""Which rows of a damaged log are good: each is checked by itself, and each lane by its chain."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from agent.store.cells import Cell, Value
from rules import wire

COLUMNS = (
    "pos",
    "epoch",
    "lane",
    "seq",
    "id",
    "kind",
    "gt",
    "wall",
    "clock",
    "input",
    "acked_before_durable",
    "chain",
    "bytes",
)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


Row = tuple[Value, ...]


def in_line(cells: Iterable[Cell], doubtful: list[Row]) -> Iterator[Row]:
    """The rows whose place and number follow from those before them in their lane, as they come; the others are put
    into `doubtful`: a flipped bit in a number must not push out the row that has this number."""
    ends: dict[tuple[Value, Value], tuple[int, bytes]] = {}
    last = 0
    waiting: Row | None = None

    def sure(row: Row, after: int) -> bool:
        pos, epoch, lane, seq, chain, data = row[0], row[1], row[2], row[3], row[11], row[12]
        assert isinstance(pos, int) and isinstance(data, bytes)  # noqa: PT018 - `log_row` has looked
        placed = last < pos < after
        if lane is None:
            return placed
        assert isinstance(seq, int) and isinstance(chain, bytes)  # noqa: PT018
        before = ends.get((epoch, lane), (0, b""))
        ends[(epoch, lane)] = (seq, chain)
        return placed and seq == before[0] + 1 and wire.chain_next(before[1], data) == chain

    for cell in cells:
        row = log_row(cell.key, cell.values or ())
        if row is None:
            continue
        if waiting is not None:
            if sure(waiting, cell.key):
                yield waiting
            else:
                doubtful.append(waiting)
            last = int(waiting[0] or 0)
        waiting = row
    if waiting is not None:
        doubtful.append(waiting)


def fits(connection: sqlite3.Connection, row: Row) -> bool:
    """Whether the neighbours that are there already, in its lane of a rescued log, vouch for a row: at least one is
    there, it stands on the right side of it, and the chain goes through."""
    pos, epoch, lane, seq, chain, data = row[0], row[1], row[2], row[3], row[11], row[12]
    if lane is None:
        return False
    assert isinstance(pos, int) and isinstance(seq, int) and isinstance(chain, bytes) and isinstance(data, bytes)  # noqa: PT018
    neighbours = connection.execute(
        "SELECT seq, pos, chain, bytes FROM log WHERE epoch = ? AND lane = ? AND seq IN (?, ?)",
        (epoch, lane, seq - 1, seq + 1),
    ).fetchall()
    return bool(neighbours) and all(
        (place < pos and wire.chain_next(other, data) == chain)
        if number < seq
        else (pos < place and wire.chain_next(chain, following) == other)
        for number, place, other, following in neighbours
    )


def log_row(key: int, values: tuple[Value, ...]) -> Row | None:
    """The row of the log that a record of a table holds, its moments as the record's bytes say; None when it is no such
    row, or not a good one."""
    if len(values) != len(COLUMNS) or key < 1:
        return None
    _, epoch, lane, seq, name, kind, _, _, _, is_input, early, chain, data = values
    if not (isinstance(epoch, str) and isinstance(data, bytes) and isinstance(name, str) and isinstance(kind, str)):
        return None
    if lane is None:
        if seq is not None or chain is not None:
            return None
    elif not (
        lane in wire.LANES and isinstance(seq, int) and seq > 0 and isinstance(chain, bytes) and len(chain) == 32
    ):
        return None
    if is_input not in (0, 1) or early not in (0, 1) or not _UUID.fullmatch(epoch):
        return None
    try:
        record = json.loads(data)
        if (record["id"], record["kind"]) != (name, kind):
            return None
        wall, clock, gt = record["wall"], record.get("clock", "unsynced"), record.get("gt")
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(wall, int) or not isinstance(clock, str) or not (gt is None or isinstance(gt, int)):
        return None
    return (key, epoch, lane, seq, name, kind, gt, wall, clock, is_input, early, chain, data)


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is left of one lane of one epoch: its last seq (0: nothing) with its chain hash, and the ranges that are
    missing before it."""

    epoch: str
    lane: str
    seq: int
    chain: bytes
    holes: tuple[tuple[int, int], ...]


def judge(
    connection: sqlite3.Connection,
    *,
    gateway: str,
    known: Callable[[str, str], bool] = lambda epoch, lane: True,
    check: bool = True,
) -> list[Stretch]:
    """Delete the rows of a rescued log that their chain contradicts, and say what each lane is left with. A lane that
    is not `known`, by epoch and name, and none of whose rows follows from another, is no lane but a flipped bit in the
    row that names it. Without `check` nothing is deleted."""
    found = []
    lanes = connection.execute("SELECT DISTINCT epoch, lane FROM log WHERE lane IS NOT NULL").fetchall()
    for epoch, lane in lanes:
        gaps = connection.execute(
            "SELECT since, until, chain FROM log_gap WHERE epoch = ? AND lane = ? ORDER BY since", (epoch, lane)
        ).fetchall()
        if check:
            ends = {int(until): chain for _, until, chain in gaps}
            followed = _drop_contradicted(connection, gateway, epoch, lane, ends)
            if not followed and not known(epoch, lane):
                connection.execute("DELETE FROM log WHERE epoch = ? AND lane = ?", (epoch, lane))
                continue
        found.append(_stretch(connection, gateway, epoch, lane, [(int(gap[0]), int(gap[1])) for gap in gaps]))
    return found


def _drop_contradicted(
    connection: sqlite3.Connection, gateway: str, epoch: str, lane: str, gap_ends: dict[int, bytes]
) -> int:
    """One walk along the lane. A record must follow from the one before it, where that is here. How many did."""
    bad: list[tuple[int]] = []
    followed = 0
    end, chain, place = 0, wire.chain_start(gateway, epoch, lane), 0
    rows = connection.execute(
        "SELECT pos, seq, chain, bytes, lead(pos) OVER (ORDER BY seq) FROM log WHERE epoch = ? AND lane = ?"
        " ORDER BY seq",
        (epoch, lane),
    )
    for pos, seq, own, data, following in rows:
        before = chain if seq == end + 1 else gap_ends.get(seq - 1)
        misplaced = pos <= place or (following is not None and place < following <= pos)
        if (before is not None and wire.chain_next(before, data) != own) or misplaced:
            bad.append((pos,))
            continue
        followed += before is not None
        end, chain, place = seq, own, pos
    connection.executemany("DELETE FROM log WHERE pos = ?", bad)
    return followed


def _stretch(
    connection: sqlite3.Connection, gateway: str, epoch: str, lane: str, gaps: Iterable[tuple[int, int]]
) -> Stretch:
    runs = connection.execute(
        "SELECT min(seq), max(seq) FROM (SELECT seq, seq - row_number() OVER (ORDER BY seq) AS run FROM log"
        " WHERE epoch = ? AND lane = ?) GROUP BY run ORDER BY 1",
        (epoch, lane),
    ).fetchall()
    holes = []
    end = 0
    for since, until in sorted([(int(run[0]), int(run[1])) for run in runs] + list(gaps)):
        if since > end + 1:
            holes.append((end + 1, since - 1))
        end = max(end, until)
    row = connection.execute(
        "SELECT chain FROM log WHERE epoch = ? AND lane = ? AND seq = ?"
        " UNION ALL SELECT chain FROM log_gap WHERE epoch = ? AND lane = ? AND until = ?",
        (epoch, lane, end) * 2,
    ).fetchone()
    return Stretch(epoch, lane, end, row[0] if row else wire.chain_start(gateway, epoch, lane), tuple(holes))
