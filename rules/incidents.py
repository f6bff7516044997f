"""An incident is a fold over a set of immutable entries.

Theory of operation: whoever acts on an incident (the engine, a person at any relay, a relay that told somebody) adds an
entry. An entry carries `lamport` (1 + the highest it had seen in that incident) and `origin` (who wrote it), so the
order (lamport, origin, id) is the same wherever the sets meet, and wall time is shown but never sorted by. Entries are
applied through `LIFE`: one that the current state has no arrow for stays in the timeline and moves nothing. An
acknowledgement may lapse; that is `fold(entries, now=...)`, not an entry.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from rules.events import Clock

EntryKind = Literal[
    "incident.opened",
    "incident.evidence",
    "incident.acknowledged",
    "incident.noted",
    "incident.notified",
    "incident.resolved",
    "incident.reopened",
    "incident.merged",
]
ENTRY_KINDS: tuple[str, ...] = get_args(EntryKind)
Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[str, ...] = get_args(Severity)
State = Literal["open", "acknowledged", "resolved", "merged"]

# {state: {entry kind: next state}}; "none" is an incident whose opening entry has not arrived yet.
LIFE: dict[str, dict[str, str]] = {
    "none": {"incident.opened": "open", "incident.merged": "merged"},
    "open": {
        "incident.acknowledged": "acknowledged",
        "incident.resolved": "resolved",
        "incident.merged": "merged",
    },
    "acknowledged": {
        "incident.acknowledged": "acknowledged",
        "incident.resolved": "resolved",
        "incident.reopened": "open",
        "incident.merged": "merged",
    },
    "resolved": {"incident.reopened": "open", "incident.merged": "merged"},
    "merged": {},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One act on one incident. `body` holds what its kind adds (see `rules/README.md`); `by` is who a person reads."""

    id: str
    kind: str
    incident: str
    lamport: int
    origin: str
    wall: int
    by: str
    clock: Clock = "synced"
    gt: int | None = None
    cause: str | None = None
    body: dict[str, Any] = field(default_factory=dict)

    @property
    def order(self) -> tuple[int, str, str]:
        """The one order of the entries of an incident."""
        return (self.lamport, self.origin, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What the entries add up to. `state` "none" means that the opening entry is not known here yet."""

    id: str
    state: str
    title: str
    severity: str
    policy: str | None
    rule: str | None
    device: str | None
    opened: int | None
    acknowledged_by: str | None
    acknowledged_until: int | None
    resolved_by: str | None
    merged_into: str | None
    clips: tuple[str, ...]
    stills: tuple[str, ...]
    entries: tuple[Entry, ...]
    lamport: int


def fold(entries: Iterable[Entry], *, now: int) -> Incident:
    """The incident these entries make at wall time `now` (µs). Duplicates and order do not matter; all entries must
    name one incident, and there must be at least one (ValueError otherwise)."""
    unique: dict[str, Entry] = {}
    for entry in sorted(entries, key=lambda entry: entry.order):
        unique.setdefault(entry.id, entry)  # even two entries of one id, a fault, fold the same way everywhere
    ordered = list(unique.values())
    if not ordered or len({entry.incident for entry in ordered}) != 1:
        raise ValueError("fold needs the entries of exactly one incident")
    state, opened = "none", None
    acknowledged: Entry | None = None
    resolved: Entry | None = None
    merged: Entry | None = None
    clips: list[str] = []
    stills: list[str] = []
    # The opening entry counts first even when a relay that had not seen it acted with a lower lamport.
    for entry in sorted(ordered, key=lambda entry: entry.kind != "incident.opened"):
        if entry.kind == "incident.evidence":
            evidence = entry.body.get("evidence", {})
            for name, seen in (("clip", clips), ("still", stills)):
                if name in evidence and evidence[name] not in seen:
                    seen.append(evidence[name])
        following = LIFE[state].get(entry.kind)
        if following is None:
            continue
        state = following
        if entry.kind == "incident.opened":
            opened = entry
        elif entry.kind == "incident.acknowledged":
            acknowledged = entry
        elif entry.kind == "incident.resolved":
            resolved = entry
        elif entry.kind == "incident.merged":
            merged = entry
        elif entry.kind == "incident.reopened":
            acknowledged = resolved = None
    until = acknowledged.body.get("until") if acknowledged else None
    if state == "acknowledged" and until is not None and now >= until:
        state = "open"
    head = opened.body if opened else {}
    severity = str(head.get("severity", "high"))
    return Incident(
        id=ordered[0].incident,
        state=state,
        title=str(head.get("title", "Incident (its opening has not arrived yet)")),
        severity=severity if severity in SEVERITIES else "high",  # a word from a newer peer is no reason to be calm
        policy=head.get("policy"),
        rule=head.get("rule"),
        device=head.get("device"),
        opened=opened.wall if opened else None,
        acknowledged_by=acknowledged.by if acknowledged and state != "open" else None,
        acknowledged_until=until,
        resolved_by=resolved.by if resolved and state == "resolved" else None,
        merged_into=merged.body.get("into") if merged else None,
        clips=tuple(clips),
        stills=tuple(stills),
        entries=tuple(ordered),
        lamport=ordered[-1].lamport,
    )
