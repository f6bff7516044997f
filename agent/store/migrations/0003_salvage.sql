-- The epochs that replaced another one, with the reason. cause: conflict, damage or restore; moving = 1 while records
-- of the old one are being numbered anew (a crash in between is gone on with at the next start).
CREATE TABLE epoch (
    epoch      TEXT    PRIMARY KEY,
    supersedes TEXT    NOT NULL,
    cause      TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    wall       INTEGER NOT NULL,
    moving     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Where an epoch was cut: the superseded one ends at since, what came after it is in this one from 1 on.
CREATE TABLE epoch_cut (
    epoch TEXT    NOT NULL,
    lane  TEXT    NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (epoch, lane)
) STRICT, WITHOUT ROWID;

-- What each salvage found, under the epoch it began, for as long as it may have to be told again. missing is NULL when
-- nobody knows.
CREATE TABLE salvage (
    epoch   TEXT    PRIMARY KEY,
    reason  TEXT    NOT NULL,
    rows    INTEGER NOT NULL,
    missing INTEGER,
    kept    TEXT    NOT NULL,
    wall    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Ranges of a lane that a salvage did not find and that an outlet may still have. until is NULL where the end of the
-- lane is not known.
CREATE TABLE missing (
    epoch TEXT    NOT NULL,
    lane  TEXT    NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    PRIMARY KEY (epoch, lane, since)
) STRICT, WITHOUT ROWID;

-- Which outlet has been asked for all that is missing of an epoch.
CREATE TABLE missing_asked (
    outlet TEXT NOT NULL,
    epoch  TEXT NOT NULL,
    PRIMARY KEY (outlet, epoch)
) STRICT, WITHOUT ROWID;
