"""An incident is a fold over a set of immutable entries.

Theory of operation: whoever acts on an incident (the engine, a person at any relay, a relay that told somebody) adds an
entry. An entry carries `lamport` (1 + the highest it had seen in that incident) and `origin` (who wrote it), so the
order (lamport, origin, id) is the same wherever the sets meet, and wall time is shown but never sorted by. Entries are
applied through `LIFE`: one that the current state has no arrow for stays in the timeline and moves nothing. Beside the
state there are marks (who has it, that the panel cancelled it, which pictures were moved): the last in order counts. An
acknowledgement may lapse; that is `fold(entries, now=...)`, not an entry.

Incidents that turn out to be one are merged, and one that turns out to be two is split, by entries on both sides: each
side's fold needs its own entries and nothing else. Of two that are merged the younger always goes on in the older, so
two relays that merge at the same time can never send two incidents into each other.
"""

from __future__ import annotations

from rules.incidents.entry import ENTRY_KINDS, REASONS, SEVERITIES, Entry, EntryKind, Severity
from rules.incidents.fold import Incident, fold
from rules.incidents.life import LIFE, OVER, WAITING, State

__all__ = [
    "ENTRY_KINDS",
    "LIFE",
    "OVER",
    "REASONS",
    "SEVERITIES",
    "WAITING",
    "Entry",
    "EntryKind",
    "Incident",
    "Severity",
    "State",
    "fold",
]
