"""The agent-relay contract, version 1. Both ends import this and nothing else of each other.

A *record* is one UTF-8 JSON object without newline: id, kind, wall, clock, body, and gt and cause where they apply. Its
bytes are stored, chained and sent unchanged for ever. What we send is exact; what we receive is read tolerantly:
unknown fields are ignored, an unknown kind is kept verbatim, and one unreadable record never refuses its batch.
"""

from __future__ import annotations

from rules.wire.batch import (
    Ack,
    Batch,
    GapLine,
    GapRange,
    Header,
    Mark,
    Quarantined,
    Watermarks,
    chain_next,
    chain_start,
    read_batch,
    write_batch,
)
from rules.wire.channel import (
    AgentHello,
    Answer,
    Ask,
    Command,
    Entries,
    FromAgent,
    FromRelay,
    Heartbeat,
    Outcome,
    OutletState,
    Pull,
    RelayHello,
    Storage,
    Unlogged,
    read_from_agent,
    read_from_relay,
)
from rules.wire.limits import (
    LANES,
    MAX_BATCH_BYTES,
    MAX_BATCH_RECORDS,
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    VERSION,
    LaneName,
)
from rules.wire.message import Message, Sha256
from rules.wire.record import Record, encode, entry, event, known, read
from rules.wire.records import KeptHeader, KeptRecords, read_kept, write_kept

__all__ = [
    "LANES",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_RECORDS",
    "MAX_DEPTH",
    "MAX_RECORD_BYTES",
    "VERSION",
    "Ack",
    "AgentHello",
    "Answer",
    "Ask",
    "Batch",
    "Command",
    "Entries",
    "FromAgent",
    "FromRelay",
    "GapLine",
    "GapRange",
    "Header",
    "Heartbeat",
    "KeptHeader",
    "KeptRecords",
    "LaneName",
    "Mark",
    "Message",
    "Outcome",
    "OutletState",
    "Pull",
    "Quarantined",
    "Record",
    "RelayHello",
    "Sha256",
    "Storage",
    "Unlogged",
    "Watermarks",
    "chain_next",
    "chain_start",
    "encode",
    "entry",
    "event",
    "known",
    "read",
    "read_batch",
    "read_from_agent",
    "read_from_relay",
    "read_kept",
    "write_batch",
    "write_kept",
]
