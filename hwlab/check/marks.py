"""Watermarks over time: the lab notes them while things run, and none goes back without a reason that is noted too."""

from __future__ import annotations

from pathlib import Path

from hwlab import journal as journals
from hwlab.check.report import Report
from hwlab.check.stores import relay_log
from hwlab.errors import LabError
from hwlab.journal import Journal


def note_marks(journal: Journal, name: str, relay: Path, *, gateway: str) -> None:
    """Write the watermarks a relay has just now into the lab's journal; nothing while there is no store to read."""
    try:
        marks = relay_log(relay, gateway=gateway).marks
    except LabError:
        return
    journal.add(name, "marks", marks=[[epoch, lane, seq] for (epoch, lane), seq in sorted(marks.items())])


def note_restored(journal: Journal, name: str) -> None:
    """Write down that this store was put back to an older copy: its watermarks may go back, once."""
    journal.add(name, "restored")


def check_marks(report: Report, journal: Path, name: str, relay: Path, *, gateway: str) -> None:
    """No watermark was lower than an earlier one, unless the store was restored in between."""
    report.looks_for("a watermark stays")
    highest: dict[tuple[str, str], int] = {}

    def compare(marks: list[tuple[str, str, int]], when: str) -> None:
        report.count(f"{name} watermarks compared", len(marks))
        now = {(epoch, lane): seq for epoch, lane, seq in marks}
        for key, before in highest.items():
            if now.get(key, 0) < before:
                text = f"it was {before} and is {now.get(key, 0)} {when}"
                report.add("a watermark stays", f"{name} {key[0]} {key[1]}", text)
        highest.update(now)

    for entry in journals.read(journal):
        if entry["device"] != name:
            continue
        if entry["what"] == "restored":
            highest.clear()
        elif entry["what"] == "marks":
            compare([(epoch, lane, seq) for epoch, lane, seq in entry["marks"]], f"at boot µs {entry['boot']}")
    final = relay_log(relay, gateway=gateway).marks
    compare([(epoch, lane, seq) for (epoch, lane), seq in final.items()], "at the end")
