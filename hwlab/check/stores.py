"""The rows of an agent's store and a relay's, read from their files and from nothing else."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hwlab.errors import LabError

LaneKey = tuple[str, str]  # epoch, lane


@dataclass(frozen=True, slots=True)
class Row:
    """One record as a store keeps it; `chain` is 32 bytes, None where the store keeps none for this row. `state` is a
    relay's word for what it made of it ("" in an agent's store), `received` its wall clock (µs) then."""

    seq: int
    id: str
    kind: str
    wall: int
    chain: bytes | None
    data: bytes
    state: str = ""
    received: int = 0

    @property
    def body(self) -> dict[str, Any]:
        try:
            body = json.loads(self.data)["body"]
        except (ValueError, TypeError, KeyError):
            return {}
        return body if isinstance(body, dict) else {}


@dataclass(frozen=True, slots=True)
class Gap:
    """A declared gap: `since` to `until` (both included) hold `count` records no more; `chain` is the hash at
    `until`, None where the store keeps none."""

    since: int
    until: int
    count: int
    reason: str
    chain: bytes | None


Lanes = dict[LaneKey, list[Row]]
Gaps = dict[LaneKey, list[Gap]]


@dataclass(slots=True)
class Kept:
    """What a store says of one gateway's log. `follows`: epoch -> the one it supersedes; `marks`: the watermarks."""

    lanes: Lanes = field(default_factory=dict)
    gaps: Gaps = field(default_factory=dict)
    marks: dict[LaneKey, int] = field(default_factory=dict)
    follows: dict[str, str] = field(default_factory=dict)

    def passed(self, key: LaneKey) -> int:
        """The highest seq this store accounts for, by a row or by a gap."""
        rows, gaps = self.lanes.get(key, []), self.gaps.get(key, [])
        return max([row.seq for row in rows[-1:]] + [gap.until for gap in gaps], default=0)


def read_agent(path: Path) -> Lanes:
    """The agent's log by (epoch, lane), in the order of `seq`; rows without a lane are local and left out."""
    return agent_log(path).lanes


def read_relay(path: Path, *, gateway: str) -> Lanes:
    """What a relay keeps of one gateway. Its chain hash stands with the lane, at the watermark."""
    return relay_log(path, gateway=gateway).lanes


def agent_log(path: Path) -> Kept:
    """Rows, gaps and epochs of the agent."""
    with Reading(path) as store:
        kept = Kept()
        for epoch, lane, seq, fact, kind, wall, chain, data in store.rows(
            "SELECT epoch, lane, seq, id, kind, wall, chain, bytes FROM log"
            " WHERE lane IS NOT NULL AND seq IS NOT NULL ORDER BY epoch, lane, seq"
        ):
            row = Row(seq, str(fact), kind, wall, _raw(chain), _bytes(data))
            kept.lanes.setdefault((str(epoch), lane), []).append(row)
            if kind == "epoch.began":
                before = row.body.get("supersedes")
                if isinstance(before, str):
                    kept.follows[str(row.body.get("epoch", epoch))] = before
        if store.has("log_gap"):
            for epoch, lane, since, until, count, reason, chain in store.rows(
                "SELECT epoch, lane, since, until, count, reason, chain FROM log_gap ORDER BY epoch, lane, since"
            ):
                kept.gaps.setdefault((str(epoch), lane), []).append(Gap(since, until, count, reason, _raw(chain)))
        if store.has("lane"):
            kept.marks = {
                (str(epoch), lane): seq for epoch, lane, seq in store.rows("SELECT epoch, lane, seq FROM lane")
            }
        return kept


def relay_log(path: Path, *, gateway: str) -> Kept:
    """Rows, gaps, watermarks and epochs a relay keeps of one gateway."""
    with Reading(path) as store:
        kept = Kept()
        for epoch, lane, seq, fact, kind, wall, chain, data, became, at in store.rows(
            "SELECT l.epoch, l.lane, r.seq, coalesce(r.fact, ''), r.kind, r.wall, iif(r.seq = l.seq, l.chain, NULL),"
            " r.data, r.state, r.received FROM record AS r JOIN lane AS l ON l.id = r.lane"
            " WHERE l.gateway = ? ORDER BY l.epoch, l.lane, r.seq",
            gateway,
        ):
            row = Row(seq, str(fact), kind, wall, _raw(chain), _bytes(data), became, at)
            kept.lanes.setdefault((str(epoch), lane), []).append(row)
        for epoch, lane, seq in store.rows("SELECT epoch, lane, seq FROM lane WHERE gateway = ?", gateway):
            kept.marks[(str(epoch), lane)] = seq
        if store.has("log_gap"):
            for epoch, lane, since, until, count, reason in store.rows(
                'SELECT l.epoch, l.lane, g.since, g."to", g.count, g.reason FROM log_gap AS g'
                " JOIN lane AS l ON l.id = g.lane WHERE l.gateway = ? ORDER BY l.epoch, l.lane, g.since",
                gateway,
            ):
                kept.gaps.setdefault((str(epoch), lane), []).append(Gap(since, until, count, reason, None))
        if store.has("epoch"):
            kept.follows = {
                str(epoch): str(before)
                for epoch, before in store.rows(
                    "SELECT epoch, supersedes FROM epoch WHERE gateway = ? AND supersedes IS NOT NULL", gateway
                )
            }
        return kept


def read_acked(path: Path, outlet: str) -> dict[LaneKey, int]:
    """How far the agent believes this outlet to have acknowledged each lane."""
    with Reading(path) as store:
        rows = store.rows("SELECT epoch, lane, seq FROM outlet_cursor WHERE outlet = ?", outlet)
    return {(str(epoch), lane): seq for epoch, lane, seq in rows}


class Reading:
    """A store opened read-only; whatever is wrong with the file is a LabError."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Reading:
        if not self._path.is_file():
            raise LabError(f"there is no store at {self._path}")
        name = str(self._path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        try:
            self._store = sqlite3.connect(f"file:{name}?mode=ro", uri=True, timeout=5)
        except sqlite3.Error as error:
            raise LabError(f"{self._path} cannot be opened: {error}") from None
        return self

    def __exit__(self, *_: object) -> None:
        self._store.close()

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        try:
            with closing(self._store.execute(query, arguments)) as cursor:
                return cursor.fetchall()
        except sqlite3.Error as error:
            raise LabError(f"{self._path} cannot be read as a store: {error}") from None

    def has(self, table: str, column: str = "") -> bool:
        """Whether there is such a table, with such a column: an older store has fewer."""
        columns = {str(row[1]) for row in self.rows(f"PRAGMA table_info({table})")}
        return bool(columns) and (not column or column in columns)

    def whole(self) -> str:
        """SQLite's own check of the whole file: "ok", or its first complaint."""
        return str(self.rows("PRAGMA integrity_check(1)")[0][0])


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


def _raw(chain: bytes | str | None) -> bytes | None:
    return bytes.fromhex(chain) if isinstance(chain, str) else chain
