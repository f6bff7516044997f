-- Small facts about this store: gateway, epoch, gateway time, how the last run ended.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The one log. pos is the total order here; (epoch, lane, seq) is the identity of transport; id is that of the fact.
-- input = 1: the engine stepped it, a replay steps it again. lane is NULL for what stays home.
CREATE TABLE log (
    pos     INTEGER PRIMARY KEY,
    epoch   TEXT    NOT NULL,
    lane    TEXT,
    seq     INTEGER,
    id      TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    gt      INTEGER,
    wall    INTEGER NOT NULL,
    clock   TEXT    NOT NULL,
    input   INTEGER NOT NULL,
    acked_before_durable INTEGER NOT NULL DEFAULT 0,
    chain   BLOB,
    bytes   BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX log_id ON log (id);
CREATE UNIQUE INDEX log_transport ON log (epoch, lane, seq) WHERE lane IS NOT NULL;

-- Highest seq given, and its chain hash, per lane of an epoch.
CREATE TABLE lane (
    epoch TEXT    NOT NULL,
    lane  TEXT    NOT NULL,
    seq   INTEGER NOT NULL,
    chain BLOB    NOT NULL,
    PRIMARY KEY (epoch, lane)
) STRICT, WITHOUT ROWID;

-- How far each outlet has acknowledged each lane.
CREATE TABLE outlet_cursor (
    outlet TEXT    NOT NULL,
    epoch  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (outlet, epoch, lane)
) STRICT, WITHOUT ROWID;

-- How far each relay's own entries were taken in; the cursor is the relay's.
CREATE TABLE entry_cursor (
    outlet TEXT    PRIMARY KEY,
    after  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Broker messages that were decided upon and that the broker may send again; n is their order, session tells one
-- life of the broker's session from the next. Few rows: packet ids are used again, and only the newest are kept.
CREATE TABLE receipt (
    n         INTEGER PRIMARY KEY,
    broker    TEXT    NOT NULL,
    session   INTEGER NOT NULL,
    packet_id INTEGER NOT NULL,
    digest    BLOB    NOT NULL,
    UNIQUE (broker, packet_id)
) STRICT;

-- Engine states, each taken right after the row at pos.
CREATE TABLE snapshot (
    pos            INTEGER PRIMARY KEY,
    engine_version INTEGER NOT NULL,
    site_sha256    TEXT    NOT NULL,
    wall           INTEGER NOT NULL,
    sha256         BLOB    NOT NULL,
    data           BLOB    NOT NULL
) STRICT;

-- Versions of the site document, each with who and why.
CREATE TABLE site_document (
    version INTEGER PRIMARY KEY,
    sha256  TEXT    NOT NULL,
    text    TEXT    NOT NULL,
    who     TEXT    NOT NULL,
    why     TEXT    NOT NULL,
    wall    INTEGER NOT NULL
) STRICT;

-- Blobs that a manifest names, in the order they should leave.
CREATE TABLE blob (
    sha256   TEXT    PRIMARY KEY,
    bytes    INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    incident TEXT,
    added    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Which outlet has acknowledged which blob (lane P3).
CREATE TABLE outlet_blob (
    outlet TEXT    NOT NULL,
    sha256 TEXT    NOT NULL,
    wall   INTEGER NOT NULL,
    PRIMARY KEY (outlet, sha256)
) STRICT, WITHOUT ROWID;

-- Footage that was ordered and that the media worker has not answered for: asked again after a restart.
CREATE TABLE promise (
    subject TEXT    PRIMARY KEY,
    boot_id TEXT    NOT NULL,
    data    TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
