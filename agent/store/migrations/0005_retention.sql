-- What is on the media disk: one row a blob, so that files and rows can be compared. `came` is the gateway time at which
-- it came; `going` that at which it was marked to be deleted; NULL: it stays.
CREATE TABLE footage (
    sha256 TEXT    PRIMARY KEY,
    bytes  INTEGER NOT NULL,
    came   INTEGER NOT NULL,
    going  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX footage_going_blob ON footage (going) WHERE going IS NOT NULL;

-- The sum of the table above, kept by the triggers below and so never apart from it.
CREATE TABLE footage_total (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    blobs INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO footage_total (one, blobs, bytes) VALUES (1, 0, 0);
CREATE TRIGGER footage_came AFTER INSERT ON footage BEGIN
    UPDATE footage_total SET blobs = blobs + 1, bytes = bytes + new.bytes;
END;
CREATE TRIGGER footage_went AFTER DELETE ON footage BEGIN
    UPDATE footage_total SET blobs = blobs - 1, bytes = bytes - old.bytes;
END;

-- Which incident needs which blob, and as part of what (a clip or still). A blob goes only when no incident needs it.
-- An incident called found-N stands for files that were found on the disk and that nothing names.
CREATE TABLE footage_use (
    incident TEXT NOT NULL,
    subject  TEXT NOT NULL,
    sha256   TEXT NOT NULL,
    PRIMARY KEY (incident, subject, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX footage_use_blob ON footage_use (sha256);
CREATE INDEX footage_use_subject ON footage_use (subject);

-- To which incidents a clip belongs (a relay may move it), and since when (gateway time) it has been open; NULL: sealed.
CREATE TABLE footage_clip (
    clip     TEXT NOT NULL,
    incident TEXT NOT NULL,
    open     INTEGER,
    PRIMARY KEY (clip, incident)
) STRICT, WITHOUT ROWID;
CREATE INDEX footage_clip_open ON footage_clip (incident) WHERE open IS NOT NULL;

-- The unit of retention. `newest` is the gateway time at which the last of it was kept; `bytes` and `waiting` (what no
-- outlet that keeps a copy holds) are counted after a change, NULL until then; `synced` says that nothing waits.
CREATE TABLE footage_incident (
    incident TEXT    PRIMARY KEY,
    newest   INTEGER NOT NULL,
    synced   INTEGER NOT NULL DEFAULT 0,
    bytes    INTEGER,
    waiting  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX footage_incident_age ON footage_incident (synced, newest);

-- Incidents whose footage a person keeps from being deleted.
CREATE TABLE footage_hold (
    incident TEXT    PRIMARY KEY,
    since    INTEGER NOT NULL,
    by       TEXT    NOT NULL,
    reason   TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Incidents whose footage is on its way out: marked, and not yet told as gone. `held_by` is a JSON list of outlets.
CREATE TABLE footage_going (
    incident TEXT    PRIMARY KEY,
    marked   INTEGER NOT NULL,
    reason   TEXT    NOT NULL,
    blobs    INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    held_by  TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

-- Bytes of footage that came, by hours of gateway time: what tells how many days the room will last.
CREATE TABLE footage_hour (
    hour  INTEGER PRIMARY KEY,
    bytes INTEGER NOT NULL
) STRICT;

-- What was kept before there was a retention: found again in the log, all of it as old as its records.
INSERT INTO footage_clip (clip, incident, open)
SELECT json_extract(CAST(bytes AS TEXT), '$.body.clip'), json_extract(CAST(bytes AS TEXT), '$.body.incident'), gt
FROM log WHERE kind = 'clip.opened' ON CONFLICT DO NOTHING;
UPDATE footage_clip SET open = NULL WHERE clip IN (
    SELECT json_extract(CAST(bytes AS TEXT), '$.body.clip') FROM log WHERE kind = 'clip.sealed');
INSERT OR IGNORE INTO footage (sha256, bytes, came) SELECT sha256, bytes, added FROM blob;
INSERT OR IGNORE INTO footage_use (incident, subject, sha256)
SELECT json_extract(CAST(bytes AS TEXT), '$.body.incident'), json_extract(CAST(bytes AS TEXT), '$.body.still'),
       json_extract(CAST(bytes AS TEXT), '$.body.sha256')
FROM log WHERE kind = 'still.taken';
INSERT OR IGNORE INTO footage_use (incident, subject, sha256)
SELECT c.incident, c.clip, json_extract(CAST(l.bytes AS TEXT), '$.body.sha256')
FROM log AS l JOIN footage_clip AS c ON c.clip = json_extract(CAST(l.bytes AS TEXT), '$.body.clip')
WHERE l.kind = 'segment.added';
INSERT OR IGNORE INTO footage_use (incident, subject, sha256)
SELECT c.incident, c.clip, json_extract(CAST(l.bytes AS TEXT), '$.body.init')
FROM log AS l JOIN footage_clip AS c ON c.clip = json_extract(CAST(l.bytes AS TEXT), '$.body.clip')
WHERE l.kind = 'segment.added';
INSERT OR IGNORE INTO footage_use (incident, subject, sha256)
SELECT 'found-0', '', sha256 FROM footage WHERE sha256 NOT IN (SELECT sha256 FROM footage_use);
INSERT INTO footage_incident (incident, newest)
SELECT u.incident, max(b.added) FROM footage_use AS u JOIN blob AS b ON b.sha256 = u.sha256 GROUP BY u.incident;
