"""What somebody did to an incident: one act, immutable, in its place among the others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from rules.events import Clock
from rules.quick import quicken

EntryKind = Literal[
    "incident.opened",
    "incident.evidence",
    "incident.acknowledged",
    "incident.noted",
    "incident.notified",
    "incident.resolved",
    "incident.reopened",
    "incident.merged",
    "incident.started",
    "incident.closed",
    "incident.assigned",
    "incident.unassigned",
    "incident.cancelled",
    "incident.joined",
    "incident.split",
]
ENTRY_KINDS: tuple[str, ...] = get_args(EntryKind)
Severity = Literal["low", "medium", "high", "critical"]
SEVERITIES: tuple[str, ...] = get_args(Severity)
# What it turned out to be. An open set: a word of a later version is shown as it is.
REASONS = ("real", "false_alarm", "user_error", "test", "technical", "duress", "unknown")


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


quicken(Entry)
