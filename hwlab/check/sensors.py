"""What the sensors said, beside what is in the agent's log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hwlab import journal as journals
from hwlab.check.report import Report
from hwlab.check.stores import Lanes, Row

_REPEATS = ("redelivered", "late")  # what the agent says of a message that its broker sent again


def _counted_events(lanes: Lanes) -> Iterator[tuple[str, int, Row]]:
    for rows in lanes.values():
        for row in rows:
            body = row.body
            device, n = body.get("device"), body.get("n")
            if isinstance(device, str) and isinstance(n, int):
                yield device, n, row


def check_taken(report: Report, journal: Path, agent: Lanes, *, until: int) -> None:
    """Every message the agent had acknowledged to the broker by boot µs `until` is in its log: what a tap between the
    two has written down."""
    report.looks_for("nothing acknowledged is lost")
    there = {(device, n) for device, n, _row in _counted_events(agent)}
    for entry in journals.read(journal):
        if entry["device"] == "agent" and entry["what"] == "took" and entry["boot"] <= until:
            report.count("messages the agent acknowledged")
            if (entry["of"], entry["number"]) not in there:
                where = f"{entry['of']} message {entry['number']}"
                report.add("nothing acknowledged is lost", where, "the agent acknowledged it, its log has it not")


def check_sensors(report: Report, journal: Path, agent: Lanes, *, since: int = 0, broker_repeats: bool = False) -> None:
    """Every message a sensor had acknowledged is in the agent's log exactly once; one whose fate the sensor does not
    know at most once; and nothing is there that no sensor sent. `since`: only messages sent from this boot µs on.
    `broker_repeats`: the broker gives a message that it sends again a new number (NATS does), which nobody can tell
    from a new one; then a row that says that it may be a repeat is only counted."""
    report.looks_for("nothing acknowledged is lost", "nothing is twice", "nothing is made up")
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
    for device, n, row in _counted_events(agent):
        if device not in devices:
            continue
        if broker_repeats and (device, n) in found and row.body.get("delivery") in _REPEATS:
            report.count("repeats by the broker, labelled")
        else:
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
