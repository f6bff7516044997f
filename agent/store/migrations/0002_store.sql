-- Ranges of a lane whose records are gone, with the chain hash at until: the record after it follows from that. since
-- and until are seq, both inclusive; an outlet gets one line for it in its place.
CREATE TABLE log_gap (
    epoch  TEXT    NOT NULL,
    lane   TEXT    NOT NULL,
    since  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    reason TEXT    NOT NULL,
    chain  BLOB    NOT NULL,
    PRIMARY KEY (epoch, lane, since)
) STRICT, WITHOUT ROWID;
