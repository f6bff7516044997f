"""Records handed back to the gateway that made them: a stretch of one lane as a relay keeps it.

Its shape is a batch's: a header line, then record bytes one a line in the order of their seq, and lines for ranges that
the relay does not have either. It carries no hashes: the gateway's own chain says whether these are its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from rules.errors import WireError
from rules.wire.limits import MAX_BATCH_RECORDS, LaneName
from rules.wire.message import Count, Message, Seq

_GONE = b'{"gone":'


class KeptHeader(Message):
    """Whose records follow, after which seq, and up to which seq the relay has been told of this lane at all."""

    v: Literal[1] = 1
    gateway: str
    epoch: str
    lane: LaneName
    after: Count
    until: Count


class GoneRange(Message):
    """From and to inclusive: not here."""

    since: Annotated[Seq, Field(alias="from")]
    to: Seq


class GoneLine(Message):
    """A range in its place between records."""

    gone: GoneRange


@dataclass(frozen=True, slots=True)
class KeptRecords:
    """As read: seq and bytes of each record."""

    header: KeptHeader
    records: tuple[tuple[int, bytes], ...]
    last: int


def write_kept(header: KeptHeader, records: list[tuple[int, bytes]]) -> bytes:
    """Records by seq, ascending; what is between them is said to be gone."""
    lines = [header.text().encode()]
    seq = header.after
    for each, data in records:
        if each > seq + 1:
            lines.append(GoneLine(gone=GoneRange.model_validate({"from": seq + 1, "to": each - 1})).text().encode())
        lines.append(data)
        seq = each
    return b"\n".join(lines) + b"\n"


def read_kept(data: bytes) -> KeptRecords:
    """Split an answer. WireError when its header or a line about a gone range cannot be read."""
    first, *rest = data.removesuffix(b"\n").split(b"\n")
    if len(rest) > 2 * MAX_BATCH_RECORDS + 1:
        raise WireError(f"an answer with {len(rest)} lines is longer than was asked for")
    header = KeptHeader.parse(first)
    seq = header.after
    records = []
    for line in rest:
        if line.startswith(_GONE):
            gone = GoneLine.parse(line).gone
            if gone.since != seq + 1 or gone.to < gone.since:
                raise WireError("a gone range does not begin where the record before it ends")
            seq = gone.to
        else:
            seq += 1
            records.append((seq, line))
    return KeptRecords(header, tuple(records), seq)
