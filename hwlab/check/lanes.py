"""The log itself: numbers without a hole, hashes that follow, one row a fact; and the relay's copy of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from itertools import pairwise

from hwlab.check.report import Report
from hwlab.check.stores import Gap, Gaps, Kept, LaneKey, Lanes, Row


def check_sequence(report: Report, lanes: Lanes, *, owner: str, gaps: Gaps | None = None) -> None:
    """`seq` has no hole within a lane of an epoch but declared gaps, and no fact is in the log twice; a relay may keep
    a fact's second coming, if it says so."""
    report.looks_for("sequence", "one row a fact")
    for (epoch, lane), rows in lanes.items():
        report.count(f"{owner} records in {lane}", len(rows))
        declared = (gaps or {}).get((epoch, lane), [])
        for before, after in pairwise(rows):
            expected = before.seq + 1
            if after.seq != expected and not _covered(declared, expected, after.seq - 1):
                text = f"after seq {before.seq} comes {after.seq}, not {expected}"
                report.add("sequence", f"{owner} {epoch} {lane}", text)
    seen: dict[str, str] = {}
    for (epoch, lane), rows in lanes.items():
        for row in rows:
            if row.state in ("known", "conflict"):
                report.count(f"{owner} records that came before")
                continue
            where = f"{epoch} {lane} {row.seq}"
            if row.id and row.id in seen:
                text = f"{row.kind} {row.id} is there already as {seen[row.id]}"
                report.add("one row a fact", f"{owner} {where}", text)
            seen[row.id] = where


def _covered(gaps: list[Gap], since: int, until: int) -> bool:
    """Whether declared gaps account for every number from `since` to `until`."""
    for gap in gaps:
        if gap.since <= since <= gap.until:
            since = gap.until + 1
    return since > until


def check_gaps(report: Report, kept: Kept, *, owner: str) -> None:
    """A declared gap names a range that holds nothing, no more records than the range has numbers, and a reason."""
    report.looks_for("a declared gap is one")
    for (epoch, lane), gaps in kept.gaps.items():
        there = {row.seq for row in kept.lanes.get((epoch, lane), [])}
        for gap in gaps:
            where = f"{owner} {epoch} {lane} {gap.since}-{gap.until}"
            report.count(f"{owner} declared gaps")
            if not gap.since <= gap.until or gap.count > gap.until - gap.since + 1:
                report.add("a declared gap is one", where, f"it says that it held {gap.count} records")
            if any(gap.since <= seq <= gap.until for seq in there):
                report.add("a declared gap is one", where, "there are records in it")
            if not gap.reason:
                report.add("a declared gap is one", where, "it has no reason")


def check_chain(report: Report, lanes: Lanes, *, gateway: str, owner: str, gaps: Gaps | None = None) -> None:
    """Each hash is that of the one before and the record's bytes. A lane whose beginning was pruned is checked from its
    first row on; after a gap, from the hash the gap names."""
    report.looks_for("chain")
    for (epoch, lane), rows in lanes.items():
        ends = {gap.until: gap.chain for gap in (gaps or {}).get((epoch, lane), [])}
        ends[0] = hashlib.sha256(f"nightporter/1|{gateway}|{epoch}|{lane}".encode()).digest()
        previous, last = ends[0], 0
        for row in rows:
            if row.seq != last + 1:  # a hole that no gap declares is reported by check_sequence
                previous = ends.get(row.seq - 1)
            follows = hashlib.sha256(previous + row.data).digest() if previous is not None else None
            if follows is not None and row.chain is not None and follows != row.chain:
                report.add("chain", f"{owner} {epoch} {lane} {row.seq}", "the hash does not follow from the one before")
            previous, last = row.chain or follows, row.seq
        report.count(f"{owner} hashes checked", len(rows))


def check_relay(
    report: Report, agent: Kept, relay: Kept, *, acked: Mapping[LaneKey, int] | None = None, restored: bool = False
) -> None:
    """Up to the highest seq the relay acknowledged it has the agent's rows, all of them, with the same bytes. Rows that
    moved to a new epoch are found by their fact. `acked` is the agent's own cursor for that relay, where the caller
    knows it: nothing at or below may be missing. `restored`: the agent was, and may have less than the relay."""
    report.looks_for("relay is the agent's log", "acknowledged is kept")
    by_fact = {row.id: row for rows in agent.lanes.values() for row in rows if row.id}
    for key, theirs in relay.lanes.items():
        _compare(report, key, theirs, agent, by_fact, superseded=key[0] in agent.follows.values(), restored=restored)
        _not_skipped(report, key, theirs, agent, relay)
        report.count(f"relay rows compared in {key[1]}", len(theirs))
    for (epoch, lane), mark in (acked or {}).items():
        have = max(relay.passed((epoch, lane)), 0)
        if have < mark:
            text = f"the agent believes that {mark} was acknowledged, the relay has {have}"
            report.add("acknowledged is kept", f"{epoch} {lane}", text)


def _compare(
    report: Report,
    key: LaneKey,
    theirs: list[Row],
    agent: Kept,
    by_fact: Mapping[str, Row],
    *,
    superseded: bool,
    restored: bool,
) -> None:
    ours = {row.seq: row for row in agent.lanes.get(key, [])}
    gaps = agent.gaps.get(key, [])
    for row in theirs:
        where, mine = f"{key[0]} {key[1]} {row.seq}", ours.get(row.seq)
        if mine is None or (superseded and mine.id != row.id):
            moved = by_fact.get(row.id)
            if moved is not None and moved.data == row.data:
                report.count("relay rows that moved to another epoch")
            elif moved is not None:
                report.add("relay is the agent's log", where, "the relay has other bytes of this fact")
            elif superseded and restored:
                report.count("relay rows from before the agent was restored")
            elif not _covered(gaps, row.seq, row.seq) and (not ours or row.seq >= min(ours)):
                # Older ones were pruned by the agent.
                report.add("relay is the agent's log", where, "the relay has a row the agent never wrote")
        elif mine.data != row.data or mine.id != row.id:
            report.add("relay is the agent's log", where, "the relay has other bytes under this number")
        elif row.chain is not None and mine.chain != row.chain:
            report.add("relay is the agent's log", where, "the relay has another hash under this number")


def _not_skipped(report: Report, key: LaneKey, theirs: list[Row], agent: Kept, relay: Kept) -> None:
    mark, kept = relay.passed(key), {row.seq for row in theirs}
    gaps = relay.gaps.get(key, [])
    for row in agent.lanes.get(key, []):
        if row.seq <= mark and row.seq not in kept:
            where = f"{key[0]} {key[1]} {row.seq}"
            if _covered(gaps, row.seq, row.seq):
                report.add("relay is the agent's log", where, "the relay was told of a gap, the agent has the record")
            else:
                report.add("relay is the agent's log", where, "the relay went past it without having it")


def check_epochs(report: Report, kept: Kept, *, owner: str) -> None:
    """Every epoch but one names the one it follows, and no two follow the same."""
    report.looks_for("an epoch follows another")
    epochs = {epoch for epoch, _ in kept.lanes}
    report.count(f"{owner} epochs", len(epochs))
    first = [epoch for epoch in epochs if epoch not in kept.follows]
    if len(first) > 1:
        text = f"{len(first)} epochs follow none: {', '.join(sorted(first))}"
        report.add("an epoch follows another", owner, text)
    before = list(kept.follows.values())
    for epoch in {one for one in before if before.count(one) > 1}:
        report.add("an epoch follows another", f"{owner} {epoch}", "more than one epoch follows it")
