"""The incident that a set of entries makes: the same for every order, every repetition and every way they met."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from rules.incidents.entry import SEVERITIES, Entry
from rules.incidents.life import LIFE
from rules.quick import quicken

_ORDER = attrgetter("lamport", "origin", "id")
_FOOTAGE = ("clip", "still")


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What the entries add up to. `state` "none" means that the opening entry is not known here yet; who did something
    is given as long as it counts; times are wall µs. `covert` is told outside the building only."""

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
    started_by: str | None = None
    closed_by: str | None = None
    reason: str | None = None
    assignee: str | None = None
    assignee_id: str | None = None
    cancelled: int | None = None
    cancelled_by: str | None = None
    covert: bool = False
    merged_from: tuple[str, ...] = ()
    split_from: str | None = None
    split_into: tuple[str, ...] = ()
    moved_in: tuple[tuple[str, str], ...] = ()
    moved_out: tuple[tuple[str, str], ...] = ()


quicken(Incident)


class _Walk:
    """The state and the marks, entry by entry. `last` is the entry that counts for each mark."""

    __slots__ = ("footage", "last", "merged_from", "moved_in", "moved_out", "opened", "reason", "split_into", "state")

    def __init__(self) -> None:
        self.state = "none"
        self.opened: Entry | None = None
        self.last: dict[str, Entry] = {}
        self.reason: str | None = None
        self.footage: dict[tuple[str, str], None] = {}  # in order
        self.moved_in: dict[tuple[str, str], None] = {}
        self.moved_out: dict[tuple[str, str], None] = {}
        self.merged_from: dict[str, None] = {}
        self.split_into: dict[str, None] = {}

    def take(self, entry: Entry) -> None:
        kind = entry.kind
        if kind == "incident.evidence":
            self._see(entry)
            return
        following = LIFE[self.state].get(kind)
        if following is not None:
            self._move(entry, following)
        if kind == "incident.assigned" or kind == "incident.cancelled":
            self.last[kind] = entry
        elif kind == "incident.unassigned":
            self.last.pop("incident.assigned", None)
        elif kind == "incident.joined":
            self.merged_from[str(entry.body.get("source"))] = None
        elif kind == "incident.split":
            self._part(entry)

    def _move(self, entry: Entry, following: str) -> None:
        if self.state == "none" and following == "open":
            self.opened = entry
        elif following == "open":  # nobody has it in hand any more, and it is not what somebody thought it was
            for kind in ("acknowledged", "started", "resolved", "closed", "cancelled"):
                self.last.pop(f"incident.{kind}", None)
            self.reason = None
        else:
            self.last[entry.kind] = entry
            if following in ("resolved", "closed"):
                self.reason = entry.body.get("reason") or self.reason
        self.state = following

    def _see(self, entry: Entry) -> None:
        evidence = entry.body.get("evidence") or {}
        for what in _FOOTAGE:
            if evidence.get(what):
                piece = (what, evidence[what])
                self.footage.setdefault(piece)
                self.moved_out.pop(piece, None)
                if entry.body.get("moved_from"):
                    self.moved_in.setdefault(piece)

    def _part(self, entry: Entry) -> None:
        self.split_into[str(entry.body.get("into"))] = None
        for evidence in entry.body.get("evidence") or ():
            for what in _FOOTAGE:
                if evidence.get(what):
                    piece = (what, evidence[what])
                    self.footage.pop(piece, None)
                    self.moved_in.pop(piece, None)
                    self.moved_out.setdefault(piece)

    def by(self, kind: str) -> str | None:
        entry = self.last.get(f"incident.{kind}")
        return entry.by if entry else None


def fold(entries: Iterable[Entry], *, now: int) -> Incident:
    """The incident these entries make at wall time `now` (µs). Duplicates and order do not matter; all entries must
    name one incident, and there must be at least one (ValueError otherwise)."""
    ordered = _unique(entries)
    if not ordered or any(entry.incident != ordered[0].incident for entry in ordered):
        raise ValueError("fold needs the entries of exactly one incident")
    walk = _Walk()
    # The opening entry counts first even when a relay that had not seen it acted with a lower lamport.
    opening = next((entry for entry in ordered if entry.kind == "incident.opened"), None)
    if opening is not None:
        walk.take(opening)
    for entry in ordered:
        if entry is not opening:
            walk.take(entry)
    state = walk.state
    acknowledged = walk.last.get("incident.acknowledged")
    until = acknowledged.body.get("until") if acknowledged else None
    if state == "acknowledged" and until is not None and now >= until:
        state = "open"
    head = walk.opened.body if walk.opened else {}
    severity = str(head.get("severity", "high"))
    assigned = walk.last.get("incident.assigned")
    cancelled = walk.last.get("incident.cancelled")
    merged = walk.last.get("incident.merged")
    return Incident(
        id=ordered[0].incident,
        state=state,
        title=str(head.get("title", "Incident (its opening has not arrived yet)")),
        severity=severity if severity in SEVERITIES else "high",  # a word from a newer peer is no reason to be calm
        policy=head.get("policy"),
        rule=head.get("rule"),
        device=head.get("device"),
        opened=walk.opened.wall if walk.opened else None,
        acknowledged_by=walk.by("acknowledged") if state != "open" else None,
        acknowledged_until=until,
        started_by=walk.by("started"),
        resolved_by=walk.by("resolved"),
        closed_by=walk.by("closed"),
        reason=walk.reason,
        assignee=str(assigned.body.get("to") or assigned.by) if assigned else None,
        assignee_id=assigned.body.get("person") if assigned else None,
        cancelled=cancelled.wall if cancelled else None,
        cancelled_by=cancelled.by if cancelled else None,
        covert=_secret([walk.opened] if walk.opened else ordered),
        merged_into=merged.body.get("into") if merged else None,
        merged_from=tuple(walk.merged_from),
        split_from=head.get("split_from"),
        split_into=tuple(walk.split_into),
        clips=tuple(name for what, name in walk.footage if what == "clip"),
        stills=tuple(name for what, name in walk.footage if what == "still"),
        moved_in=tuple(walk.moved_in),
        moved_out=tuple(walk.moved_out),
        entries=tuple(ordered),
        lamport=ordered[-1].lamport,
    )


def _secret(entries: list[Entry]) -> bool:
    """What the opening says; while it is on its way, what whoever acted says: secret from the first entry on."""
    return any(entry.body.get("covert") is True for entry in entries)


def _unique(entries: Iterable[Entry]) -> list[Entry]:
    """One of each id, in their order. Of two that share an id, a fault, the same one counts everywhere."""
    by_id: dict[str, Entry] = {}
    for entry in entries:
        other = by_id.setdefault(entry.id, entry)
        if other is not entry and other != entry and _content(entry) < _content(other):
            by_id[entry.id] = entry
    return sorted(by_id.values(), key=_ORDER)


def _content(entry: Entry) -> tuple[Any, ...]:
    """Everything in it, in an order of its own, so that no two different entries are alike."""
    body = json.dumps(entry.body, sort_keys=True, default=str)
    maybe = (entry.gt is None, entry.gt or 0, entry.cause is None, entry.cause or "")
    return (*entry.order, entry.kind, entry.incident, entry.wall, entry.by, entry.clock, *maybe, body)
