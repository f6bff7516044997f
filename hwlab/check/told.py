"""Who was told: the relay's notices and deliveries beside what the receiver at the other end has taken down."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hwlab import journal as journals
from hwlab.check.report import Report
from hwlab.check.stores import Reading

_TELLS = {"incident.opened": "opened", "incident.reopened": "reopened", "incident.cancelled": "cancelled"}
_WAITING = ("queued", "held", "sending")


@dataclass(frozen=True, slots=True)
class Heard:
    """One incident in one message at the receiver."""

    message: str
    incident: str
    repeated: bool


def heard(journal: Path, desk: str, *, until: int | None = None) -> list[Heard]:
    """Everything a receiver of the lab took down, in order, by boot µs `until`."""
    return [
        Heard(entry["message"], incident, repeated)
        for entry in journals.read(journal)
        if entry["device"] == desk and entry["what"] == "told" and (until is None or entry["boot"] <= until)
        for incident, repeated in entry["news"]
    ]


def check_told(
    report: Report,
    relay: Path,
    *,
    gateway: str,
    journal: Path | None = None,
    desk: str = "desk",
    settled: bool = True,
    until: int | None = None,
) -> None:
    """Each opening, reopening and cancelling of an incident that names a policy has its notice, each notice somebody to
    tell, and what counts as sent was received; whoever hears of one twice reads that it may be a repeat. `settled`:
    the relay has had the time to tell everybody. `until`: the moment (boot µs) from which `relay` is."""
    report.looks_for("everybody is told", "nobody is told twice")
    received = heard(journal, desk, until=until) if journal is not None else []
    with Reading(relay) as store:
        entries = Counter(
            (incident, _TELLS[kind])
            for incident, kind, policy, split in store.rows(
                "SELECT e.incident, e.kind, i.policy, i.split_from FROM entry AS e JOIN incident AS i"
                " ON i.id = e.incident WHERE e.gateway = ? AND e.kind IN (?, ?, ?)",
                gateway,
                *_TELLS,
            )
            if policy is not None and split is None
        )
        notices = store.rows(
            "SELECT n.id, n.incident, n.transition, n.routed FROM notice AS n JOIN incident AS i ON i.id = n.incident"
            " WHERE i.gateway = ?",
            gateway,
        )
        deliveries = store.rows(
            "SELECT d.id, d.notice, d.incident, d.recipient, d.state, d.reason, d.digest FROM delivery AS d"
            " JOIN incident AS i ON i.id = d.incident WHERE i.gateway = ?",
            gateway,
        )
    there = Counter((incident, transition) for _, incident, transition, _ in notices)
    for (incident, transition), number in entries.items():
        report.count("transitions to tell", number)
        if there[(incident, transition)] < number:
            report.add("everybody is told", incident, f"{transition}: the relay has no notice of it")
    routed = {notice for _, notice, *_ in deliveries}
    for notice, incident, transition, at in notices:
        if notice not in routed and (settled or at is not None):
            report.add("everybody is told", incident, f"{transition}: nobody was to be told")
    messages = {one.message for one in received}
    named = {one.incident for one in received}
    for delivery, _, incident, recipient, state, reason, digest in deliveries:
        report.count(f"deliveries {state}")
        if settled and state in _WAITING:
            report.add("everybody is told", incident, f"{recipient} still waits for it ({state} {reason})".strip())
        if state == "sent" and journal is not None:
            arrived = delivery in messages if digest is None else incident in named
            if not arrived:
                report.add("everybody is told", incident, f"it counts as sent to {recipient}, who never received it")
    _repeats(report, received, Counter(incident for _, incident, _, _ in notices))


def _repeats(report: Report, received: list[Heard], wanted: Counter[str]) -> None:
    """One message without a label for each notice; every other says that it may be a repeat."""
    plain = Counter(one.incident for one in received if not one.repeated)
    report.count("notifications received", len(received))
    report.count("notifications labelled as possible repeats", sum(one.repeated for one in received))
    for incident, number in plain.items():
        if number > wanted[incident]:
            text = f"told {number} times as new, there were {wanted[incident]} things to tell"
            report.add("nobody is told twice", incident, text)
