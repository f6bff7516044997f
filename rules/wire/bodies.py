"""What each kind of incident entry adds to the four fields every entry has.

Read tolerantly: what a fold or a page relies on has the right type, everything else is kept and ignored. The closed
sets (`severity`, `state`, `reason`) bind what is sent; a word from a newer peer is still read.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rules.incidents import REASONS, SEVERITIES
from rules.wire.message import Count, Moment

_Text = Annotated[str, Field(max_length=4000)]
_Short = Annotated[str, Field(max_length=400)]
_Severity = Annotated[str, Field(max_length=40, json_schema_extra={"enum": list(SEVERITIES), "x-open": True})]
_Reason = Annotated[str, Field(max_length=40, json_schema_extra={"enum": list(REASONS), "x-open": True})]
_Sent = Annotated[str, Field(max_length=40, json_schema_extra={"enum": ["sent", "failed"], "x-open": True})]


_TOLERANT = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Body(BaseModel):
    """Whose entry it is: the incident, its place in the order, the node that wrote it, and who a person reads."""

    model_config = _TOLERANT
    incident: _Short
    lamport: Annotated[int, Field(ge=1, lt=2**53)]
    origin: _Short
    by: _Short


class Opened(Body):
    """Something happened; `trigger` is the event it happened in, `policy` who shall be told (a relay's own name).
    `covert`: nobody in the building may learn of it. `split_from` is the incident it was a part of."""

    title: _Short
    severity: _Severity
    rule: _Short | None = None
    policy: _Short | None = None
    device: _Short | None = None
    device_name: _Short | None = None
    site: _Short | None = None
    site_name: _Short | None = None
    trigger: _Short | None = None
    partition: _Short | None = None
    covert: bool | None = None
    split_from: _Short | None = None


class Evidence(BaseModel):
    """A clip or a still of a camera, or a further event with a sentence about it."""

    model_config = _TOLERANT
    clip: _Short | None = None
    still: _Short | None = None
    event: _Short | None = None
    camera: _Short | None = None
    text: _Text | None = None


class EvidenceAdded(Body):
    """There is more to see; nobody is told again. `moved_from` is the incident whose evidence it was."""

    evidence: Evidence
    moved_from: _Short | None = None


class Acknowledged(Body):
    """Somebody has it in hand, until a wall time (µs) or, without one, until it is resolved."""

    note: _Text | None = None
    until: Moment | None = None


class Noted(Body):
    """Somebody wrote something down."""

    note: _Text | None = None


class Notified(Body):
    """Somebody was told, or was tried; `possibly_repeated` says that an earlier attempt may have arrived as well."""

    channel: _Short | None = None
    recipient: _Short | None = None
    state: _Sent | None = None
    attempt: Count | None = None
    possibly_repeated: bool | None = None
    reason: _Text | None = None


class Resolved(Body):
    """It is over, and was what `reason` says; a further trigger opens a new incident."""

    note: _Text | None = None
    reason: _Reason | None = None


class Reopened(Body):
    """It is not over after all."""

    note: _Text | None = None


class Merged(Body):
    """It is the same as another incident, and goes on there."""

    into: _Short
    note: _Text | None = None


class Started(Body):
    """Somebody works on it."""

    note: _Text | None = None


class Closed(Body):
    """It was resolved and is filed; `reason`, when given, corrects the one it was resolved with."""

    note: _Text | None = None
    reason: _Reason | None = None


class Assigned(Body):
    """It is `to` this one now (a name to read; `person` is the account), whoever had it before."""

    to: _Short
    person: _Short | None = None
    note: _Text | None = None


class Unassigned(Body):
    """It is nobody's in particular."""

    note: _Text | None = None


class Cancelled(Body):
    """The panel was disarmed soon after the alarm. It still waits for somebody to say what it was."""

    note: _Text | None = None


class Joined(Body):
    """Another incident, `source`, was merged into this one; its evidence comes with entries of its own."""

    source: _Short
    title: _Short | None = None
    note: _Text | None = None


class Split(Body):
    """A part of it is an incident of its own, `into`: this evidence belongs there and no longer here."""

    into: _Short
    evidence: list[Evidence] | None = None
    title: _Short | None = None
    note: _Text | None = None


BODIES: dict[str, type[Body]] = {
    "incident.opened": Opened,
    "incident.evidence": EvidenceAdded,
    "incident.acknowledged": Acknowledged,
    "incident.noted": Noted,
    "incident.notified": Notified,
    "incident.resolved": Resolved,
    "incident.reopened": Reopened,
    "incident.merged": Merged,
    "incident.started": Started,
    "incident.closed": Closed,
    "incident.assigned": Assigned,
    "incident.unassigned": Unassigned,
    "incident.cancelled": Cancelled,
    "incident.joined": Joined,
    "incident.split": Split,
}
HEAD = ("incident", "lamport", "origin", "by")
