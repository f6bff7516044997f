"""One line of a batch, read as far as it can be read.

Nothing a gateway sends may stop its lane: what cannot be read is found here and quarantined, so that the rest of the
batch goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rules import wire
from rules.errors import WireError
from rules.events import Event
from rules.incidents import Entry
from rules.wire.stored import plain


@dataclass(slots=True, kw_only=True)
class Line:
    """A record or a gap with its place; `state` as in table `record`; `fact` is the record's id, None when it could
    not be read."""

    seq: int
    last: int  # seq, or the end of the gap
    data: bytes
    gap: wire.GapRange | None = None
    fact: str | None = None
    kind: str = ""
    wall: int = 0
    entry: Entry | None = None
    event: Event | None = None
    state: Literal["applied", "known", "unknown", "conflict", "quarantined", "gap"] = "gap"
    reason: str = ""


def read_line(seq: int, data: bytes, *, lane: str) -> Line:
    """Read one record line; what is wrong with it becomes its state and reason, never an error."""
    made = plain(data)
    if isinstance(made, Entry) and lane == "P0":
        return Line(
            seq=seq, last=seq, data=data, fact=made.id, kind=made.kind, wall=made.wall, entry=made, state="applied"
        )
    if made is not None and not isinstance(made, Entry) and lane != "P0":
        return Line(
            seq=seq, last=seq, data=data, fact=made.id, kind=made.kind, wall=made.wall, event=made, state="applied"
        )
    line = Line(seq=seq, last=seq, data=data)
    try:
        record = wire.read(data)
        line.fact, line.kind, line.wall = record.id, record.kind, record.wall
        if record.kind.startswith("incident."):
            if lane != "P0":
                raise WireError(f"an incident entry travels in lane P0, not {lane}")
            line.entry = wire.entry(record)
            line.state = "applied"
        elif lane == "P0" and wire.known(record.kind):
            raise WireError(f"lane P0 carries incident entries, not {record.kind}")
        else:
            line.event = wire.event(record)
            line.state = "unknown" if line.event is None else "applied"
    except WireError as error:
        line.state, line.reason = "quarantined", str(error)[:500]
    return line
