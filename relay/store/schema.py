"""Every table of the relay. Moments are integers in µs of wall time, unless a comment says otherwise.

SQLite and PostgreSQL are one code path: text for ids and JSON (the bytes of a record are never re-read from a JSON
column, which would reorder them), integers for times and truth, no time zones.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Identity, Index, LargeBinary, Table, Text, UniqueConstraint

from relay.store import columns
from relay.store.columns import STRICT, Moment, Whole, one_of

metadata = columns.metadata

# --- gateways and what they sent -------------------------------------------------------------------------------------

gateway = Table(
    "gateway",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("site", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),  # locked: refused at every request and stream
    Column("first_seen", Moment, nullable=False),
    Column("last_seen", Moment, nullable=False),
    Column("epoch", Text),  # the current one; None until the first batch
    Column("software", Text, nullable=False, server_default=""),
    Column("outlets", Text, nullable=False, server_default="{}"),  # JSON of the last heartbeat: name -> OutletState
    Column("lost_incident", Text),  # the dead-man incident while the gateway is silent
    Column("storage", Text, nullable=False, server_default=""),  # JSON of the last heartbeat; "": not told
    one_of("status", "active", "locked"),
    **STRICT,
)

epoch = Table(
    "epoch",
    metadata,
    Column("gateway", Text, ForeignKey("gateway.id"), primary_key=True),
    Column("epoch", Text, primary_key=True),
    Column("supersedes", Text),
    Column("started", Moment, nullable=False),
    **STRICT,
)

lane = Table(
    "lane",
    metadata,
    Column("id", Whole, Identity(), primary_key=True),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("epoch", Text, nullable=False),
    Column("lane", Text, nullable=False),
    Column("seq", Whole, nullable=False),  # the watermark: everything up to here is durable
    Column("chain", LargeBinary, nullable=False),  # 32 bytes: the chain hash at seq
    UniqueConstraint("gateway", "epoch", "lane"),
    **STRICT,
)

# (gateway, epoch, lane, seq) is the identity of transport: every row is kept, even when its fact was known.
record = Table(
    "record",
    metadata,
    Column("lane", Whole, ForeignKey("lane.id"), primary_key=True, autoincrement=False),
    Column("seq", Whole, primary_key=True, autoincrement=False),
    Column("fact", Text),  # the record's own id; None when it could not be read
    Column("kind", Text, nullable=False),
    Column("wall", Moment, nullable=False),
    Column("received", Moment, nullable=False),
    # applied; known (the fact came before); unknown (a kind of a later version); conflict (the fact came before with
    # other bytes); quarantined (could not be read, see reason)
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("data", LargeBinary, nullable=False),  # verbatim
    Index(None, "fact"),
    Index(None, "received"),
    one_of("state", "applied", "known", "unknown", "conflict", "quarantined"),
    sqlite_with_rowid=False,
    **STRICT,
)

log_gap = Table(
    "log_gap",
    metadata,
    Column("lane", Whole, ForeignKey("lane.id"), primary_key=True, autoincrement=False),
    Column("since", Whole, primary_key=True, autoincrement=False),  # first missing seq
    Column("to", Whole, nullable=False),  # last missing seq
    Column("count", Whole, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received", Moment, nullable=False),
    **STRICT,
)

integrity = Table(
    "integrity",
    metadata,
    Column("id", Whole, Identity(), primary_key=True),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("what", Text, nullable=False),  # transport (same seq), fact (same id), chain (history does not continue)
    Column("subject", Text, nullable=False),  # epoch/lane/seq, or the fact's id
    Column("detail", Text, nullable=False),
    Column("offered", Text, nullable=False),  # SHA-256 of the other bytes
    Column("first", Moment, nullable=False),
    Column("last", Moment, nullable=False),
    Column("count", Whole, nullable=False, server_default="1"),
    UniqueConstraint("gateway", "what", "subject"),
    **STRICT,
)

# --- incidents -------------------------------------------------------------------------------------------------------

incident = Table(
    "incident",
    metadata,
    Column("id", Text, primary_key=True),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("tenant", Text, nullable=False),
    Column("site", Text, nullable=False),
    # What the entries fold to (rules.incidents.fold); recomputed whenever an entry arrives.
    Column("title", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("state", Text, nullable=False),  # a state of rules.incidents.LIFE
    Column("opened", Moment),  # None until the opening entry is here
    Column("policy", Text),
    Column("rule", Text),
    Column("device", Text),
    Column("acknowledged_by", Text),
    Column("acknowledged_until", Moment),
    Column("resolved_by", Text),
    Column("merged_into", Text),
    Column("started_by", Text),
    Column("closed_by", Text),
    Column("reason", Text),  # what it turned out to be; a word of rules.incidents.REASONS or of a later version
    Column("assignee", Text),  # as people read it
    Column("assignee_id", Text),  # the account, at the relay that wrote it
    Column("cancelled", Moment),
    Column("cancelled_by", Text),
    Column("split_from", Text),
    Column("covert", Whole, nullable=False, server_default="0"),  # 1: nobody in the building may learn of it
    Column("fold", Whole, nullable=False, server_default="1"),  # store.entries.FOLD of the program that folded it
    Column("lamport", Whole, nullable=False),
    Column("clips", Whole, nullable=False, server_default="0"),
    Column("stills", Whole, nullable=False, server_default="0"),
    Column("arrived", Moment, nullable=False),  # when this relay first heard of it
    Column("updated", Moment, nullable=False),  # when this relay last changed this row
    Index(None, "state", "opened"),
    Index(None, "opened"),
    Index(None, "gateway", "opened"),
    **STRICT,
)

# Footage that belongs elsewhere than its manifest says, because an incident was split or merged.
moved = Table(
    "moved",
    metadata,
    Column("incident", Text, ForeignKey("incident.id"), primary_key=True),
    Column("what", Text, primary_key=True),  # clip, still
    Column("subject", Text, primary_key=True),  # its id
    Column("here", Whole, nullable=False),  # 1: it came to this incident; 0: it left
    one_of("what", "clip", "still"),
    **STRICT,
)

entry = Table(
    "entry",
    metadata,
    Column("cursor", Whole, Identity(), primary_key=True),  # this relay's own order; gateways pull by it
    Column("id", Text, nullable=False),
    Column("incident", Text, ForeignKey("incident.id"), nullable=False),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("arrived_from", Text),  # the gateway that sent it; None when it was made here
    Column("lamport", Whole, nullable=False),
    Column("origin", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("wall", Moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("received", Moment, nullable=False),
    Column("data", LargeBinary, nullable=False),  # the maker's exact bytes
    # An id is unique within its gateway: another gateway cannot suppress an entry by using its id first.
    UniqueConstraint("gateway", "id"),
    Index(None, "incident"),
    Index(None, "gateway", "cursor"),
    sqlite_autoincrement=True,
    **STRICT,
)

clip = Table(
    "clip",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident", Text),  # None while only segments have arrived
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("camera", Text, nullable=False),
    Column("trigger", Moment),
    Column("pre", Whole),  # µs asked for before the trigger
    Column("post", Whole),
    Column("start", Whole),  # start, mark, end: the camera's timeline, µs
    Column("mark", Whole),
    Column("end", Whole),
    Column("width", Whole),
    Column("height", Whole),
    Column("state", Text, nullable=False, server_default="open"),
    Column("segments", Whole),  # how many there are to be; known when sealed
    Column("reason", Text),
    Index(None, "incident"),
    one_of("state", "open", "sealed"),
    **STRICT,
)

segment = Table(
    "segment",
    metadata,
    Column("clip", Text, ForeignKey("clip.id"), primary_key=True),
    Column("n", Whole, primary_key=True, autoincrement=False),
    Column("part", Whole, nullable=False),
    Column("init", Text, nullable=False),  # SHA-256 of the init blob
    Column("init_bytes", Whole, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", Whole, nullable=False),
    Column("start", Whole, nullable=False),
    Column("duration", Whole, nullable=False),
    Column("wall_start", Moment, nullable=False),
    Column("codec", Text, nullable=False),
    Index(None, "sha256"),
    Index(None, "init"),
    **STRICT,
)

still = Table(
    "still",
    metadata,
    Column("id", Text, primary_key=True),
    Column("incident", Text, nullable=False),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("camera", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", Whole, nullable=False),
    Column("taken", Moment, nullable=False),
    Column("width", Whole, nullable=False),
    Column("height", Whole, nullable=False),
    Index(None, "incident"),
    Index(None, "sha256"),
    **STRICT,
)

# A strip of key pictures of a clip, which is here before the clip is.
pictures = Table(
    "pictures",
    metadata,
    Column("clip", Text, primary_key=True),  # need not have arrived yet
    Column("incident", Text, nullable=False),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("camera", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", Whole, nullable=False),
    Column("taken", Text, nullable=False),  # JSON: the wall time of each, oldest first
    Column("width", Whole, nullable=False),
    Column("height", Whole, nullable=False),
    Index(None, "sha256"),
    **STRICT,
)

# Footage that left its gateway's disk, the newest word of each incident.
eviction = Table(
    "eviction",
    metadata,
    Column("gateway", Text, ForeignKey("gateway.id"), primary_key=True),
    Column("incident", Text, primary_key=True),
    Column("wall", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Column("held_by", Text, nullable=False),  # JSON: outlets of the gateway that hold a copy
    **STRICT,
)

# Footage that a person keeps from being deleted.
hold = Table(
    "hold",
    metadata,
    Column("gateway", Text, ForeignKey("gateway.id"), primary_key=True),
    Column("incident", Text, primary_key=True),
    Column("since", Moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    **STRICT,
)

footage_gap = Table(
    "footage_gap",
    metadata,
    Column("id", Text, primary_key=True),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("camera", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment, nullable=False),
    Column("reason", Text, nullable=False),
    Index(None, "gateway", "camera", "since"),
    **STRICT,
)

# What of an incident an outlet of its gateway holds; the gateway's own measure, told once each.
outside = Table(
    "outside",
    metadata,
    Column("gateway", Text, ForeignKey("gateway.id"), primary_key=True),
    Column("incident", Text, primary_key=True),  # need not have arrived yet
    Column("what", Text, primary_key=True),
    Column("outlet", Text, primary_key=True),
    Column("after", Whole, nullable=False),  # µs from the incident's opening, in gateway time
    Column("wall", Moment, nullable=False),
    one_of("what", "record", "still", "pictures", "pre_roll", "clip"),
    **STRICT,
)

# --- how the building is now -----------------------------------------------------------------------------------------

trouble = Table(
    "trouble",
    metadata,
    Column("gateway", Text, ForeignKey("gateway.id"), primary_key=True),
    Column("key", Text, primary_key=True),  # kind family and subject: camera/server-room, store, outlet/cloud
    Column("kind", Text, nullable=False),  # the event that raised it
    Column("subject", Text, nullable=False),  # device, outlet, broker or path; "" for the gateway itself
    Column("reason", Text, nullable=False),
    Column("since", Moment, nullable=False),
    **STRICT,
)

device_state = Table(
    "device_state",
    metadata,
    Column("gateway", Text, ForeignKey("gateway.id"), primary_key=True),
    Column("device", Text, primary_key=True),
    Column("aspect", Text, primary_key=True),  # contact, motion, tamper, output
    Column("value", Text, nullable=False),  # open|closed, started|ended, opened|closed, on|off
    Column("wall", Moment, nullable=False),
    **STRICT,
)

# --- downwards -------------------------------------------------------------------------------------------------------

command = Table(
    "command",
    metadata,
    Column("id", Text, primary_key=True),
    Column("gateway", Text, ForeignKey("gateway.id"), nullable=False),
    Column("actor", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("args", Text, nullable=False),  # JSON; a proof is never stored
    Column("created", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("state", Text, nullable=False, server_default="queued"),
    Column("reason", Text, nullable=False, server_default=""),
    Column("decided", Moment),
    Index(None, "gateway", "state"),
    one_of("state", "queued", "sent", "done", "refused", "failed", "expired"),
    **STRICT,
)

# --- telling people --------------------------------------------------------------------------------------------------

# What there is to tell, written with the entry that caused it; the pipeline turns it into deliveries.
notice = Table(
    "notice",
    metadata,
    Column("id", Text, primary_key=True),  # derived from the entry: once per entry, for ever
    Column("incident", Text, ForeignKey("incident.id"), nullable=False),
    Column("transition", Text, nullable=False),  # opened, reopened, cancelled
    Column("created", Moment, nullable=False),
    Column("routed", Moment),
    Index(None, "routed"),
    **STRICT,
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Text, primary_key=True),  # travels as webhook-id: stable over retries
    Column("notice", Text, ForeignKey("notice.id"), nullable=False),
    Column("incident", Text, ForeignKey("incident.id"), nullable=False),
    Column("policy", Text, nullable=False),
    Column("channel", Text, nullable=False),  # its kind: webhook
    Column("recipient", Text, nullable=False),  # the channel's name in the configuration
    Column("rank", Whole, nullable=False),  # 0 critical, 1 high, 2 medium, 3 low
    Column("digest", Text),  # told together with others of this key; None: on its own
    # queued; held (for now, see reason); sending; sent; failed (trying again cannot help); expired (gave up);
    # unneeded (somebody acted, or another relay told them, see reason)
    Column("state", Text, nullable=False, server_default="queued"),
    Column("reason", Text, nullable=False, server_default=""),  # why it is held, failed or expired
    Column("attempts", Whole, nullable=False, server_default="0"),
    Column("created", Moment, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("leased_until", Moment),  # set while somebody sends it
    Column("finished", Moment),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("possibly_repeated", Whole, nullable=False, server_default="0"),
    UniqueConstraint("notice", "channel", "recipient"),
    Index(None, "state", "next_at"),
    Index(None, "incident"),
    one_of("state", "queued", "held", "sending", "sent", "failed", "expired", "unneeded"),
    **STRICT,
)

# --- people ----------------------------------------------------------------------------------------------------------

person = Table(
    "person",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("display", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("created", Moment, nullable=False),
    Column("disabled", Moment),
    **STRICT,
)

session = Table(
    "session",
    metadata,
    Column("token_hash", Text, primary_key=True),
    Column("person", Text, ForeignKey("person.id", ondelete="CASCADE"), nullable=False),
    Column("created", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Index(None, "person"),
    **STRICT,
)

setup_code = Table(
    "setup_code",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("created", Moment, nullable=False),
    Column("used", Moment),
    **STRICT,
)

# Tries to sign in or to use the set-up code; limits must survive a restart, so they are counted here.
sign_in_attempt = Table(
    "sign_in_attempt",
    metadata,
    Column("id", Whole, Identity(), primary_key=True),
    Column("subject", Text, nullable=False),  # SHA-256 of what was tried: a mistyped passphrase is not kept
    Column("address", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("good", Whole, nullable=False),
    Index(None, "subject", "at"),
    Index(None, "address", "at"),
    Index(None, "at"),
    **STRICT,
)
