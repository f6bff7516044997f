"""Entries for the tests of incidents: one of each kind, and the shortest way into each state."""

from __future__ import annotations

from typing import Any

from rules.incidents import Entry, Incident, fold

BODY: dict[str, dict[str, Any]] = {
    "incident.opened": {"title": "Door", "severity": "high", "rule": "r", "policy": "p", "device": "d"},
    "incident.merged": {"into": "other"},
    "incident.evidence": {"evidence": {"clip": "c1", "camera": "cam"}},
    "incident.assigned": {"to": "Bo"},
    "incident.joined": {"source": "other"},
    "incident.split": {"into": "other", "evidence": [{"clip": "c1", "camera": "cam"}]},
}
WAYS = {
    "none": [],
    "open": ["incident.opened"],
    "acknowledged": ["incident.opened", "incident.acknowledged"],
    "in_progress": ["incident.opened", "incident.started"],
    "resolved": ["incident.opened", "incident.resolved"],
    "closed": ["incident.opened", "incident.resolved", "incident.closed"],
    "merged": ["incident.opened", "incident.merged"],
}


def make(kind: str, lamport: int, *, origin: str = "gw", by: str = "Ada", **body: Any) -> Entry:
    """An entry of this kind; its wall time is ten times its lamport."""
    name = f"{kind}-{lamport}-{origin}"
    content = BODY.get(kind, {}) | body
    return Entry(
        id=name, kind=kind, incident="i", lamport=lamport, origin=origin, wall=lamport * 10, by=by, body=content
    )


def walk(kinds: list[str], *, now: int = 0) -> Incident:
    """The fold of entries of these kinds, one after the other."""
    return fold([make(kind, n + 1) for n, kind in enumerate(kinds)], now=now)
