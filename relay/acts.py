"""What people do to incidents, as entries: pure functions from what is known to what is to be written.

Theory of operation: an act is one entry, refused with a sentence when the incident's state has no such step. Merging
and splitting are entries on both sides, made from both folds in one transaction. Of two that are merged the younger
always goes on in the older, whoever asks and from which page: so two relays that merge at the same time, cut off from
each other, can never send two incidents into each other and both out of sight.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from relay.errors import Refused
from rules import wire
from rules.incidents import LIFE, OVER, REASONS, Entry, Incident

ACTS = {
    "acknowledged": "incident.acknowledged",
    "started": "incident.started",
    "resolved": "incident.resolved",
    "closed": "incident.closed",
    "reopened": "incident.reopened",
    "noted": "incident.noted",
    "assigned": "incident.assigned",
    "unassigned": "incident.unassigned",
}
LONGEST_NOTE = 4_000
LONGEST_TITLE = 200
MOST_MOVED = 400  # pieces of evidence in one merge or split
_COPIED = ("severity", "rule", "policy", "device", "device_name", "site", "site_name", "trigger", "partition")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """Who writes, where and when: `identity` makes a fresh id for each entry."""

    origin: str
    by: str
    person: str | None
    wall: int
    identity: Callable[[], str]

    def entry(self, on: Incident, kind: str, body: dict[str, Any]) -> Entry:
        """An entry on an incident as it is known."""
        return self.write(on.id, kind, body, lamport=on.lamport + 1, covert=on.covert)

    def write(self, incident: str, kind: str, body: dict[str, Any], *, lamport: int, covert: bool) -> Entry:
        """An entry in its place. On a secret incident every entry says so."""
        values = {name: value for name, value in body.items() if value is not None}
        if self.person is not None:
            values["person"] = self.person
        if covert:
            values["covert"] = True
        return Entry(
            id=self.identity(),
            kind=kind,
            incident=incident,
            lamport=lamport,
            origin=self.origin,
            wall=self.wall,
            by=self.by,
            body=values,
        )


def checked_note(note: str | None) -> str | None:
    """The note without what stands around it. Refused when it is too long."""
    note = (note or "").strip() or None
    if note is not None and len(note) > LONGEST_NOTE:
        raise Refused(f"a note may have {LONGEST_NOTE} characters, this one has {len(note)}")
    return note


def act(
    hand: Hand,
    current: Incident,
    kind: str,
    *,
    note: str | None = None,
    reason: str | None = None,
    until: int | None = None,
) -> Entry:
    """The entry of one act. Refused when the incident has no such step now, or the act lacks something."""
    note = checked_note(note)
    if kind == "noted" and note is None:
        raise Refused("a note needs some text")
    if reason is not None and reason not in REASONS:
        raise Refused(f"{reason!r} is no reason; there is {', '.join(REASONS)}")
    if until is not None and until <= hand.wall:
        raise Refused("an acknowledgement ends in the future")
    _possible(current, kind)
    body: dict[str, Any] = {"note": note}
    if kind in ("resolved", "closed"):
        body["reason"] = reason
    elif kind == "acknowledged":
        body["until"] = until
    elif kind == "assigned":
        body["to"] = hand.by
    return hand.entry(current, ACTS[kind], body)


def _possible(current: Incident, kind: str) -> None:
    if kind not in ACTS:
        raise Refused(f"{kind!r} is not one of {', '.join(ACTS)}")
    if kind == "noted":
        return
    if kind in ("assigned", "unassigned"):
        if current.state in ("none", "closed", "merged"):
            raise Refused(why_not(current, kind))
        if kind == "unassigned" and current.assignee is None:
            raise Refused("this incident is assigned to nobody")
    elif ACTS[kind] not in LIFE[current.state]:
        raise Refused(why_not(current, kind))


def why_not(current: Incident, kind: str) -> str:
    """Why an incident in this state has no such step."""
    if current.state == "none":
        return "the opening of this incident has not arrived yet; add a note, or try again in a moment"
    if current.state == "merged":
        return "this incident was merged into another one; act on that one"
    if current.state == "closed":
        return f"this incident is already closed, by {current.closed_by or 'somebody'}; reopen it first"
    if current.state == "resolved":
        return f"this incident is already resolved, by {current.resolved_by or 'somebody'}; reopen it first"
    if kind == "closed":
        return "only a resolved incident can be closed: say first what it was"
    if kind == "acknowledged":
        return f"{current.started_by or 'somebody'} is already working on this incident"
    return f"an incident that is {current.state.replace('_', ' ')} cannot be {kind}"


# --- two become one --------------------------------------------------------------------------------------------------


def in_order(one: Incident, other: Incident) -> tuple[Incident, Incident]:
    """The younger and the older of two: the first is merged into the second."""

    def age(incident: Incident) -> tuple[int, str]:
        return (incident.opened if incident.opened is not None else 2**62, incident.id)

    older, younger = sorted((one, other), key=age)
    return younger, older


def merge(hand: Hand, one: Incident, other: Incident, *, note: str | None = None) -> list[Entry]:
    """The entries that make two incidents one. Refused when they cannot be."""
    note = checked_note(note)
    if one.id == other.id:
        raise Refused("an incident cannot be merged into itself")
    if one.covert != other.covert:
        raise Refused("a secret incident and one that everybody sees cannot become one")
    younger, older = in_order(one, other)
    for incident in (younger, older):
        if incident.state in ("none", "merged"):
            raise Refused(why_not(incident, "merged"))
    if older.state in OVER:
        raise Refused(f"“{older.title}” is the older of the two and is {older.state}; reopen it first")
    moving = evidence_of(younger)[:MOST_MOVED]
    joined = {"source": younger.id, "title": younger.title[:400], "note": note}
    return [
        hand.entry(younger, "incident.merged", {"into": older.id, "note": note}),
        hand.entry(older, "incident.joined", joined),
        *_moved(hand, older.id, moving, source=younger.id, first=older.lamport + 2, covert=older.covert),
    ]


# --- one becomes two -------------------------------------------------------------------------------------------------


def split(
    hand: Hand, current: Incident, *, new: str, title: str, clips: Sequence[str], stills: Sequence[str]
) -> list[Entry]:
    """The entries that make a part of an incident one of its own, `new`. Refused when it cannot be."""
    title = " ".join(title.split())
    if not title:
        raise Refused("the new incident needs a title")
    if len(title) > LONGEST_TITLE:
        raise Refused(f"a title may have {LONGEST_TITLE} characters, this one has {len(title)}")
    if current.state in ("none", "merged"):
        raise Refused(why_not(current, "split"))
    wanted = {("clip", name) for name in clips} | {("still", name) for name in stills}
    if not wanted:
        raise Refused("choose the clips or pictures that belong to the other incident")
    moving = [piece for piece in evidence_of(current) if wanted & _footage(piece)]
    if wanted - {name for piece in moving for name in _footage(piece)}:
        raise Refused("some of these pictures do not belong to this incident any more")
    opening = next(entry for entry in current.entries if entry.kind == "incident.opened")
    opened = {name: opening.body.get(name) for name in _COPIED} | {"title": title, "split_from": current.id}
    covert = current.covert
    return [
        hand.entry(current, "incident.split", {"into": new, "evidence": moving[:MOST_MOVED], "title": title}),
        hand.write(new, "incident.opened", opened, lamport=1, covert=covert),
        *_moved(hand, new, moving[:MOST_MOVED], source=current.id, first=2, covert=covert),
    ]


def evidence_of(incident: Incident) -> list[dict[str, Any]]:
    """Every piece of evidence the incident has now, once, in order."""
    gone = set(incident.moved_out)
    found: dict[str, dict[str, Any]] = {}
    for entry in incident.entries:
        evidence = entry.body.get("evidence")
        if entry.kind == "incident.evidence" and isinstance(evidence, dict) and not gone & _footage(evidence):
            key = str(evidence.get("clip") or evidence.get("still") or (evidence.get("event"), evidence.get("text")))
            found.setdefault(key, evidence)
    return list(found.values())


def _footage(evidence: dict[str, Any]) -> set[tuple[str, str]]:
    return {(what, evidence[what]) for what in ("clip", "still") if evidence.get(what)}


def _moved(hand: Hand, to: str, pieces: list[dict[str, Any]], *, source: str, first: int, covert: bool) -> list[Entry]:
    return [
        hand.write(to, "incident.evidence", {"evidence": piece, "moved_from": source}, lamport=lamport, covert=covert)
        for lamport, piece in enumerate(pieces, start=first)
    ]


def fits(entries: Sequence[Entry]) -> list[tuple[Entry, bytes]]:
    """The entries with their record bytes. Refused when one is larger than a record may be."""
    pairs = [(entry, wire.encode(entry)) for entry in entries]
    if any(len(data) > wire.MAX_RECORD_BYTES for _, data in pairs):
        raise Refused("that is too much at once; choose fewer pictures")
    return pairs
