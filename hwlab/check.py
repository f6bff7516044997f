"""The invariant checker. Reads files only: the lab's journal, an agent's store and a relay's, both opened read-only.

It is written from the description of the formats and shares no code with those who write them, so that a mistake
cannot hide by being made twice.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from hwlab import journal as journals
from hwlab.errors import LabError

LaneKey = tuple[str, str]  # epoch, lane
_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise: which invariant, where, and what was seen."""

    invariant: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}: {self.where}: {self.text}"


@dataclass(slots=True)
class Report:
    """What was counted, and what was wrong; `ok` when nothing was."""

    counted: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.violations

    def add(self, invariant: str, where: str, text: str) -> None:
        self.violations.append(Violation(invariant, where, text))

    def count(self, what: str, number: int = 1) -> None:
        self.counted[what] = self.counted.get(what, 0) + number

    def __str__(self) -> str:
        lines = [f"{what}: {number}" for what, number in self.counted.items()]
        lines += [str(violation) for violation in self.violations[:_MOST_SHOWN]]
        if len(self.violations) > _MOST_SHOWN:
            lines.append(f"... and {len(self.violations) - _MOST_SHOWN} more")
        lines.append("all invariants hold" if self.ok else f"{len(self.violations)} violations")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Row:
    """One record as a store keeps it; `chain` is 32 bytes, None where the store keeps none for this row."""

    seq: int
    id: str
    kind: str
    wall: int
    chain: bytes | None
    data: bytes

    @property
    def body(self) -> dict[str, Any]:
        try:
            body = json.loads(self.data)["body"]
        except (ValueError, TypeError, KeyError):
            return {}
        return body if isinstance(body, dict) else {}


Lanes = dict[LaneKey, list[Row]]


def read_agent(path: Path) -> Lanes:
    """The agent's log by (epoch, lane), in the order of `seq`; rows without a lane are local and left out."""
    query = (
        "SELECT epoch, lane, seq, id, kind, wall, chain, bytes FROM log"
        " WHERE lane IS NOT NULL AND seq IS NOT NULL ORDER BY epoch, lane, seq"
    )
    return _lanes(path, query, ())


def read_relay(path: Path, *, gateway: str) -> Lanes:
    """What a relay keeps of one gateway. Its chain hash stands with the lane, at the watermark."""
    query = (
        "SELECT l.epoch, l.lane, r.seq, coalesce(r.fact, ''), r.kind, r.wall, iif(r.seq = l.seq, l.chain, NULL), r.data"
        " FROM record AS r JOIN lane AS l ON l.id = r.lane WHERE l.gateway = ? ORDER BY l.epoch, l.lane, r.seq"
    )
    return _lanes(path, query, (gateway,))


def _lanes(path: Path, query: str, arguments: tuple[str, ...]) -> Lanes:
    if not path.is_file():
        raise LabError(f"there is no store at {path}")
    lanes: Lanes = {}
    try:
        with closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True)) as store:
            for epoch, lane, seq, fact, kind, wall, chain, data in store.execute(query, arguments):
                row = Row(seq, str(fact), kind, wall, _raw(chain), data.encode() if isinstance(data, str) else data)
                lanes.setdefault((str(epoch), lane), []).append(row)
    except sqlite3.Error as error:
        raise LabError(f"{path} cannot be read as a store: {error}") from None
    return lanes


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _raw(chain: bytes | str | None) -> bytes | None:
    return bytes.fromhex(chain) if isinstance(chain, str) else chain


def check_sequence(report: Report, lanes: Lanes, *, owner: str) -> None:
    """`seq` has no hole within a lane of an epoch, and no fact is in the log twice."""
    for (epoch, lane), rows in lanes.items():
        report.count(f"{owner} records in {lane}", len(rows))
        for before, after in pairwise(rows):
            if after.seq != before.seq + 1:
                report.add(
                    "sequence",
                    f"{owner} {epoch} {lane}",
                    f"after seq {before.seq} comes {after.seq}, not {before.seq + 1}",
                )
    seen: dict[str, str] = {}
    for (epoch, lane), rows in lanes.items():
        for row in rows:
            where = f"{epoch} {lane} {row.seq}"
            if row.id and row.id in seen:
                report.add(
                    "one row a fact", f"{owner} {where}", f"{row.kind} {row.id} is there already as {seen[row.id]}"
                )
            seen[row.id] = where


def check_chain(report: Report, lanes: Lanes, *, gateway: str, owner: str) -> None:
    """Each hash is that of the one before and the record's bytes. A lane whose beginning was pruned is checked from its
    first row on."""
    for (epoch, lane), rows in lanes.items():
        previous: bytes | None = None
        if rows and rows[0].seq == 1:
            previous = hashlib.sha256(f"nightporter/1|{gateway}|{epoch}|{lane}".encode()).digest()
        expected_seq = rows[0].seq if rows else 0
        for row in rows:
            if row.seq != expected_seq:  # the hole itself is reported by check_sequence
                previous = None
            follows = hashlib.sha256(previous + row.data).digest() if previous is not None else None
            if follows is not None and row.chain is not None and follows != row.chain:
                report.add("chain", f"{owner} {epoch} {lane} {row.seq}", "the hash does not follow from the one before")
            previous, expected_seq = row.chain or follows, row.seq + 1
        report.count(f"{owner} hashes checked", len(rows))


def check_relay(report: Report, agent: Lanes, relay: Lanes, *, acked: Mapping[LaneKey, int] | None = None) -> None:
    """Up to the highest seq the relay acknowledged it has the agent's rows, all of them, with the same bytes.

    `acked` is the agent's own cursor for that relay, where the caller knows it: nothing at or below may be missing."""
    for (epoch, lane), theirs in relay.items():
        ours = {row.seq: row for row in agent.get((epoch, lane), [])}
        mark = theirs[-1].seq
        kept = {row.seq for row in theirs}
        for row in theirs:
            where, mine = f"{epoch} {lane} {row.seq}", ours.get(row.seq)
            if mine is None:
                if not ours or row.seq >= min(ours):  # older ones were pruned by the agent
                    report.add("relay is the agent's log", where, "the relay has a row the agent never wrote")
            elif mine.data != row.data or mine.id != row.id:
                report.add("relay is the agent's log", where, "the relay has other bytes under this number")
            elif row.chain is not None and mine.chain != row.chain:
                report.add("relay is the agent's log", where, "the relay has another hash under this number")
        for seq in ours:
            if seq <= mark and seq not in kept:
                report.add(
                    "relay is the agent's log", f"{epoch} {lane} {seq}", "the relay went past it without having it"
                )
        report.count(f"relay rows compared in {lane}", len(theirs))
    for (epoch, lane), mark in (acked or {}).items():
        last = relay.get((epoch, lane), [])
        have = last[-1].seq if last else 0
        if have < mark:
            text = f"the agent believes that {mark} was acknowledged, the relay has {have}"
            report.add("acknowledged is kept", f"{epoch} {lane}", text)


def _counted_events(lanes: Lanes) -> Iterator[tuple[str, int, Row]]:
    for rows in lanes.values():
        for row in rows:
            body = row.body
            device, n = body.get("device"), body.get("n")
            if isinstance(device, str) and isinstance(n, int):
                yield device, n, row


def check_sensors(report: Report, journal: Path, agent: Lanes, *, since: int = 0) -> None:
    """Every message a sensor had acknowledged is in the agent's log exactly once; one whose fate the sensor does not
    know at most once; and nothing is there that no sensor sent. `since`: only messages sent from this boot µs on."""
    fates: dict[tuple[str, int], str] = {}
    early: set[tuple[str, int]] = set()
    for entry in journals.read(journal):
        n, what = entry.get("n"), entry["what"]
        if not isinstance(n, int) or what not in ("sent", "acked", "unacked"):
            continue
        key = (entry["device"], n)
        if what == "sent" and entry["boot"] < since:
            early.add(key)
        fates[key] = what
    found: dict[tuple[str, int], int] = {}
    devices = {device for device, _ in fates}
    for device, n, _row in _counted_events(agent):
        if device in devices:
            found[(device, n)] = found.get((device, n), 0) + 1
    for key, fate in fates.items():
        times, where = found.get(key, 0), f"{key[0]} message {key[1]}"
        if key in early:
            continue
        report.count(f"sensor messages {fate}")
        if fate == "acked" and times == 0:
            report.add("nothing acknowledged is lost", where, "the broker acknowledged it, the agent's log has it not")
        if times > 1:
            report.add("nothing is twice", where, f"the agent's log has it {times} times")
    for key in found:
        if key not in fates:
            report.add("nothing is made up", f"{key[0]} message {key[1]}", "the agent's log has it, no sensor sent it")


def check(
    *,
    gateway: str,
    journal: Path | None = None,
    agent: Path | None = None,
    relay: Path | None = None,
    acked: Mapping[LaneKey, int] | None = None,
    since: int = 0,
) -> Report:
    """All invariants that the given files allow to check."""
    report = Report()
    ours = read_agent(agent) if agent is not None else {}
    theirs = read_relay(relay, gateway=gateway) if relay is not None else {}
    if agent is not None:
        check_sequence(report, ours, owner="agent")
        check_chain(report, ours, gateway=gateway, owner="agent")
        if journal is not None:
            check_sensors(report, journal, ours, since=since)
    if relay is not None:
        check_chain(report, theirs, gateway=gateway, owner="relay")
        check_sequence(report, theirs, owner="relay")
        if agent is not None:
            check_relay(report, ours, theirs, acked=acked)
    return report
