"""Records: one fact, one line of JSON, the same bytes for ever."""

from __future__ import annotations

import json
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Annotated, Any, Literal, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from rules.errors import WireError
from rules.events import EVENTS, Event
from rules.incidents import ENTRY_KINDS, Entry
from rules.quick import quicken
from rules.wire.bodies import BODIES, HEAD, Body
from rules.wire.limits import MAX_RECORD_BYTES
from rules.wire.message import Count, Moment, Uuid, complaint
from rules.wire.plain import parse

_ENVELOPE = ("id", "kind", "wall", "clock", "gt", "cause")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record as read: its envelope, its body, and the exact bytes it came in."""

    id: str
    kind: str
    wall: int
    clock: str
    gt: int | None
    cause: str | None
    body: dict[str, Any]
    data: bytes


quicken(Record)


class _Envelope(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")
    id: Uuid
    kind: Annotated[str, Field(pattern=r"^[a-z]+(\.[a-z_]+)*$", max_length=80)]
    wall: Moment
    clock: str = "unsynced"
    gt: Count | None = None
    cause: Annotated[str, Field(max_length=200)] | None = None
    body: dict[str, Any]


@cache
def body_fields(kind: str) -> tuple[str, ...]:
    """The names an event of this kind has beside its envelope, in the order they are sent."""
    return tuple(field.name for field in fields(EVENTS[kind]) if field.name not in _ENVELOPE)


@cache
def body_model(kind: str) -> type[BaseModel]:
    """What the body of an event of this kind must be: exact types, unknown fields ignored, what may be None absent."""
    hints = get_type_hints(EVENTS[kind])
    shape: dict[str, Any] = {}
    for field in fields(EVENTS[kind]):
        if field.name in body_fields(kind):
            hint = hints[field.name]
            default = ... if field.default is MISSING else field.default
            if default is ... and type(None) in getattr(hint, "__args__", ()):
                default = None  # what is None is not sent
            shape[field.name] = (hint, default)
    config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)
    return create_model(EVENTS[kind].__name__, __config__=config, __doc__=EVENTS[kind].__doc__, **shape)


def _dump(value: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        reason = error.reason if isinstance(error, UnicodeEncodeError) else type(error).__name__
        raise WireError(f"a record of kind {value.get('kind')} cannot be written as JSON: {reason}") from None


def encode(fact: Event | Entry) -> bytes:
    """The record bytes of a fact: what is stored, hashed and sent. WireError for what JSON cannot say."""
    record: dict[str, Any] = {"id": fact.id, "kind": fact.kind, "wall": fact.wall, "clock": fact.clock}
    if fact.gt is not None:
        record["gt"] = fact.gt
    if fact.cause is not None:
        record["cause"] = fact.cause
    if isinstance(fact, Entry):
        head = {"incident": fact.incident, "lamport": fact.lamport, "origin": fact.origin, "by": fact.by}
        record["body"] = head | fact.body | head  # in this order, and a body cannot change whose entry it is
    else:
        values = {name: getattr(fact, name) for name in body_fields(fact.kind)}
        record["body"] = {name: value for name, value in values.items() if value is not None}
    return _dump(record)


def read(data: bytes) -> Record:
    """Read record bytes. WireError names what is wrong with them; unknown kinds and fields are not wrong."""
    if len(data) > MAX_RECORD_BYTES:
        raise WireError(f"a record may have {MAX_RECORD_BYTES} bytes, this one has {len(data)}")
    if b"\n" in data:
        raise WireError("a record is one line")
    try:
        envelope = _Envelope.model_validate(parse(data))
    except ValidationError as error:
        raise WireError(f"record: {complaint(error)}") from None
    return Record(
        id=envelope.id,
        kind=envelope.kind,
        wall=envelope.wall,
        clock=envelope.clock,
        gt=envelope.gt,
        cause=envelope.cause,
        body=envelope.body,
        data=data,
    )


def _clock(word: str) -> Literal["synced", "unsynced"]:
    return "synced" if word == "synced" else "unsynced"


def entry(record: Record) -> Entry:
    """The incident entry in a record. WireError when it is not one, or lacks what its kind has."""
    if not record.kind.startswith("incident."):
        raise WireError(f"{record.kind} is not an incident entry")
    try:
        head = BODIES.get(record.kind, Body).model_validate(record.body)
    except ValidationError as error:
        raise WireError(f"{record.kind}: {complaint(error)}") from None
    return Entry(
        id=record.id,
        kind=record.kind,
        incident=head.incident,
        lamport=head.lamport,
        origin=head.origin,
        by=head.by,
        wall=record.wall,
        clock=_clock(record.clock),
        gt=record.gt,
        cause=record.cause,
        body={name: value for name, value in record.body.items() if name not in HEAD},
    )


def event(record: Record) -> Event | None:
    """The event in a record; None for a kind this version does not know. WireError when a known kind is malformed."""
    kind = EVENTS.get(record.kind)
    if kind is None:
        return None
    if record.gt is None:
        raise WireError(f"{record.kind}: an event has gateway time")
    names = body_fields(record.kind)
    try:
        body = body_model(record.kind).model_validate(record.body)
    except ValidationError as error:
        raise WireError(f"{record.kind}: {complaint(error, dict.fromkeys(names))}") from None
    return kind(
        id=record.id,
        wall=record.wall,
        gt=record.gt,
        clock=_clock(record.clock),
        cause=record.cause,
        **{name: getattr(body, name) for name in names},
    )


def known(kind: str) -> bool:
    """Whether this version knows the kind."""
    return kind in EVENTS or kind in ENTRY_KINDS
