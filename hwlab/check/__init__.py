"""The invariant checker. Reads files only: the lab's journal, an agent's store and a relay's, and the folders of their
media; all of them opened read-only.

It is written from the description of the formats and shares no code with those who write them, so that a mistake
cannot hide by being made twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hwlab.check.lanes import check_chain, check_epochs, check_gaps, check_relay, check_sequence
from hwlab.check.marks import check_marks, note_marks, note_restored
from hwlab.check.media import check_media
from hwlab.check.order import check_order
from hwlab.check.report import HARMS, Report, Violation
from hwlab.check.sensors import check_sensors, check_taken
from hwlab.check.stores import (
    Gap,
    Kept,
    LaneKey,
    Lanes,
    Reading,
    Row,
    agent_log,
    read_acked,
    read_agent,
    read_relay,
    relay_log,
)
from hwlab.check.told import check_told

__all__ = [
    "HARMS",
    "Gap",
    "Kept",
    "LaneKey",
    "Lanes",
    "Report",
    "Row",
    "Violation",
    "check",
    "check_chain",
    "check_epochs",
    "check_gaps",
    "check_marks",
    "check_media",
    "check_order",
    "check_relay",
    "check_sensors",
    "check_sequence",
    "check_taken",
    "check_told",
    "check_whole",
    "note_marks",
    "note_restored",
    "read_acked",
    "read_agent",
    "read_relay",
]


def check_whole(report: Report, *stores: Path) -> None:
    """SQLite finds nothing wrong with these files."""
    report.looks_for("the file is whole")
    for path in stores:
        with Reading(path) as store:
            said = store.whole()
        report.count("files checked whole")
        if said != "ok":
            report.add("the file is whole", str(path), said)


def check(
    *,
    gateway: str,
    journal: Path | None = None,
    agent: Path | None = None,
    relay: Path | None = None,
    acked: Mapping[LaneKey, int] | None = None,
    since: int = 0,
    restored: bool = False,
    broker_repeats: bool = False,
    seed: int | None = None,
) -> Report:
    """All invariants of the log that the given files allow to check."""
    report = Report(seed=seed)
    ours = agent_log(agent) if agent is not None else Kept()
    theirs = relay_log(relay, gateway=gateway) if relay is not None else Kept()
    if agent is not None:
        check_sequence(report, ours.lanes, owner="agent", gaps=ours.gaps)
        check_gaps(report, ours, owner="agent")
        check_chain(report, ours.lanes, gateway=gateway, owner="agent", gaps=ours.gaps)
        check_epochs(report, ours, owner="agent")
        if journal is not None:
            check_sensors(report, journal, ours.lanes, since=since, broker_repeats=broker_repeats)
    if relay is not None:
        check_chain(report, theirs.lanes, gateway=gateway, owner="relay", gaps=theirs.gaps)
        check_sequence(report, theirs.lanes, owner="relay", gaps=theirs.gaps)
        check_gaps(report, theirs, owner="relay")
        check_epochs(report, theirs, owner="relay")
        if agent is not None:
            check_relay(report, ours, theirs, acked=acked, restored=restored)
    return report
