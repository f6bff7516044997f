"""What each kind of incident entry adds to the four fields every entry has.

Read tolerantly: what a fold or a page relies on has the right type, everything else is kept and ignored. The closed
sets (`severity`, `state`) bind what is sent; a word from a newer peer is still read.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from rules.incidents import SEVERITIES
from rules.wire.message import Count, Moment

_Text = Annotated[str, Field(max_length=4000)]
_Short = Annotated[str, Field(max_length=400)]
_Severity = Annotated[str, Field(max_length=40, json_schema_extra={"enum": list(SEVERITIES), "x-open": True})]
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
    """Something happened; `trigger` is the event it happened in, `policy` who shall be told (a relay's own name)."""

    title: _Short
    severity: _Severity
    rule: _Short | None = None
    policy: _Short | None = None
    device: _Short | None = None
    device_name: _Short | None = None
    site: _Short | None = None
    site_name: _Short | None = None
    trigger: _Short | None = None


class Evidence(BaseModel):
    """A clip or a still of a camera, or a further event with a sentence about it."""

    model_config = _TOLERANT
    clip: _Short | None = None
    still: _Short | None = None
    event: _Short | None = None
    camera: _Short | None = None
    text: _Text | None = None


class EvidenceAdded(Body):
    """There is more to see; nobody is told again."""

    evidence: Evidence


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
    """It is over; a further trigger opens a new incident."""

    note: _Text | None = None


class Reopened(Body):
    """It is not over after all."""

    note: _Text | None = None


class Merged(Body):
    """It is the same as another incident, and goes on there."""

    into: _Short
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
}
HEAD = ("incident", "lamport", "origin", "by")
