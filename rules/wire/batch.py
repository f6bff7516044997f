"""Batches: records of one lane in their order, chained by hash, and the answer to them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from rules.errors import WireError
from rules.wire.limits import MAX_BATCH_BYTES, MAX_BATCH_RECORDS, VERSION, LaneName
from rules.wire.message import Count, Message, Moment, Seq, Sha256


def chain_start(gateway: str, epoch: str, lane: str) -> bytes:
    """The chain hash before the first record of a lane (32 bytes)."""
    return hashlib.sha256(f"nightporter/{VERSION}|{gateway}|{epoch}|{lane}".encode()).digest()


def chain_next(previous: bytes, data: bytes) -> bytes:
    """The chain hash after a record: SHA-256 over the 32 raw bytes of the previous one and the record's bytes."""
    return hashlib.sha256(previous + data).digest()


class Header(Message):
    """First line of a batch: whose records follow, from which seq, and the chain hash before them."""

    v: Literal[1] = 1
    gateway: str
    epoch: str
    lane: LaneName
    first: Seq
    prev: Sha256
    supersedes: str | None = None


class GapRange(Message):
    """Records that no longer exist: from and to inclusive, why, and the chain hash at `to`."""

    since: Annotated[Seq, Field(alias="from")]
    to: Seq
    count: Count
    reason: str
    chain: Sha256

    @model_validator(mode="after")
    def _forward(self) -> GapRange:
        if self.to < self.since:
            raise ValueError("a gap ends before it begins")
        return self


class GapLine(Message):
    """A missing range in its place between records. It has no seq of its own."""

    gap: GapRange


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as read: record bytes and gaps, in order, unparsed. `Header.first` is the seq of the first line."""

    header: Header
    lines: tuple[bytes | GapRange, ...]


def write_batch(header: Header, lines: list[bytes]) -> bytes:
    """A batch of records as NDJSON."""
    return b"\n".join([header.text().encode(), *lines]) + b"\n"


def read_batch(data: bytes) -> Batch:
    """Split a batch. WireError when its header or a gap line cannot be read; records are not looked into."""
    if len(data) > MAX_BATCH_BYTES:
        raise WireError(f"a batch may have {MAX_BATCH_BYTES} bytes, this one has {len(data)}")
    first, *rest = data.removesuffix(b"\n").split(b"\n")
    if len(rest) > MAX_BATCH_RECORDS:
        raise WireError(f"a batch may have {MAX_BATCH_RECORDS} lines, this one has {len(rest)}")
    try:
        header = Header.parse(first)
        lines = tuple(GapLine.parse(line).gap if line.startswith(b'{"gap":') else line for line in rest)
    except WireError as error:
        raise WireError(f"batch: {error}") from None
    return Batch(header, lines)


class Quarantined(Message):
    """A record the relay kept but could not read."""

    seq: Seq
    reason: str


class Ack(Message):
    """What the relay holds durably: everything of this lane and epoch up to `seq`, with this chain hash. `wall` is the
    relay's wall time (µs) as it answered."""

    v: Literal[1] = 1
    lane: LaneName
    epoch: str
    seq: Count
    chain: Sha256
    quarantined: list[Quarantined] = []
    retry_after: float | None = None
    wall: Moment | None = None


class Mark(Message):
    """A watermark: the highest gapless seq and its chain hash."""

    seq: Count
    chain: Sha256


class Watermarks(Message):
    """What the relay holds of one epoch, lane by lane; a lane it never heard of is absent. `wall` is the relay's wall
    time (µs) as it answered."""

    v: Literal[1] = 1
    epoch: str
    lanes: dict[str, Mark]
    wall: Moment | None = None
