"""Alarms go first: no media arrived at the relay while an older alarm record was still on its way."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

from hwlab.check.media import files
from hwlab.check.report import Report
from hwlab.check.stores import relay_log

SLACK = 1_000_000  # µs: the piece of media that is on its way when an alarm comes is finished, about a second of it


def check_order(report: Report, relay: Path, blobs: Path, *, gateway: str, slack: int = SLACK, since: int = 0) -> None:
    """`blobs` is the relay's tree of the gateway's tenant; a file's modification time is when its last byte came.
    `since` (wall µs): only media that came later, for a relay put back to an older copy."""
    report.looks_for("alarms go first")
    arrivals = sorted((path.stat().st_mtime_ns // 1000, path.name) for path in files(blobs))
    arrivals = [one for one in arrivals if one[0] >= since]
    report.count("media arrivals compared", len(arrivals))
    longest = 0
    for (epoch, lane), rows in relay_log(relay, gateway=gateway).lanes.items():
        if lane != "P0":
            continue
        for row in rows:
            if row.state == "known":
                continue  # it was here before, by another way or under another epoch
            longest = max(longest, row.received - row.wall)
            first = bisect_left(arrivals, (row.wall + slack, ""))
            behind = [name for at, name in arrivals[first:] if at < row.received]
            if behind:
                text = f"{len(behind)} blobs came while it was on its way for {(row.received - row.wall) / 1e6:.2f} s"
                report.add("alarms go first", f"{epoch} {lane} {row.seq}", text)
    report.count("slowest alarm record in ms", longest // 1000)
