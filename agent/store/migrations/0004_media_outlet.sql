-- Incidents as recordings need them: when each opened (gt, µs), the P0 record that says so, and whether it is grave
-- (high or critical).
CREATE TABLE incident (
    id    TEXT    PRIMARY KEY,
    entry TEXT    NOT NULL,
    gt    INTEGER NOT NULL,
    grave INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_gt ON incident (gt);

-- Clips as their manifests tell them. start, mark and reached are on the camera's timeline (µs): where the clip starts,
-- where its cause lies, and the end of its newest segment. sealed is the gateway time of its seal.
CREATE TABLE clip (
    id       TEXT    PRIMARY KEY,
    incident TEXT    NOT NULL,
    camera   TEXT    NOT NULL,
    start    INTEGER NOT NULL,
    mark     INTEGER NOT NULL,
    reached  INTEGER,
    sealed   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX clip_incident ON clip (incident);
CREATE INDEX clip_sealed ON clip (sealed) WHERE sealed IS NOT NULL;

-- What the blobs of an incident show: rank 0 a still, 1 key pictures, 2 the time up to the alarm, 3 the rest. One blob
-- may serve two incidents.
CREATE TABLE evidence (
    incident TEXT    NOT NULL,
    rank     INTEGER NOT NULL,
    sha256   TEXT    NOT NULL,
    PRIMARY KEY (incident, rank, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_blob ON evidence (sha256);

-- rank as above, the best of what it serves; newest is the opening (gt) of the newest incident it serves.
ALTER TABLE blob ADD COLUMN rank INTEGER NOT NULL DEFAULT 3;
ALTER TABLE blob ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blob ADD COLUMN grave INTEGER NOT NULL DEFAULT 1;
UPDATE blob SET rank = CASE kind WHEN 'still' THEN 0 ELSE 3 END, newest = added;
INSERT INTO evidence (incident, rank, sha256) SELECT incident, 0, sha256 FROM blob WHERE incident IS NOT NULL;

-- Outlets that keep a copy and were not retired. filled = 0: what was there before it came is still being queued for
-- it; `after` is how far that has got. since: gateway time at which it came. (epoch, seq): records of lane P0 up to
-- here were looked through for incidents whose record is outside.
CREATE TABLE media_outlet (
    name   TEXT    PRIMARY KEY,
    since  INTEGER NOT NULL,
    filled INTEGER NOT NULL DEFAULT 0,
    after  TEXT    NOT NULL DEFAULT '',
    epoch  TEXT    NOT NULL DEFAULT '',
    seq    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- What waits for each of them: exactly the blobs it has not acknowledged, kept so by the triggers below, in the order
-- in which they leave. Made of the other tables: when media_outlet and this are emptied together they are filled anew
-- at the next start, which is what to do after a damage.
CREATE TABLE blob_waiting (
    outlet TEXT    NOT NULL,
    sha256 TEXT    NOT NULL,
    rank   INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    added  INTEGER NOT NULL,
    kind   TEXT    NOT NULL,
    bytes  INTEGER NOT NULL,
    grave  INTEGER NOT NULL,
    PRIMARY KEY (outlet, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_waiting_order ON blob_waiting (outlet, rank, newest DESC, added, kind);
CREATE INDEX blob_waiting_grave ON blob_waiting (outlet, rank, newest DESC, added) WHERE grave = 1 AND rank <= 1;

CREATE TRIGGER blob_came AFTER INSERT ON blob BEGIN
    INSERT OR IGNORE INTO blob_waiting (outlet, sha256, rank, newest, added, kind, bytes, grave)
        SELECT name, NEW.sha256, NEW.rank, NEW.newest, NEW.added, NEW.kind, NEW.bytes, NEW.grave FROM media_outlet AS m
        WHERE NOT EXISTS (SELECT 1 FROM outlet_blob AS o WHERE o.outlet = m.name AND o.sha256 = NEW.sha256);
END;
CREATE TRIGGER blob_urged AFTER UPDATE OF rank, newest, grave ON blob BEGIN
    UPDATE blob_waiting SET rank = NEW.rank, newest = NEW.newest, grave = NEW.grave
        WHERE outlet IN (SELECT name FROM media_outlet) AND sha256 = NEW.sha256;
END;
CREATE TRIGGER blob_went AFTER DELETE ON blob BEGIN
    DELETE FROM blob_waiting WHERE outlet IN (SELECT name FROM media_outlet) AND sha256 = OLD.sha256;
    DELETE FROM evidence WHERE sha256 = OLD.sha256;
END;
CREATE TRIGGER blob_outside AFTER INSERT ON outlet_blob BEGIN
    DELETE FROM blob_waiting WHERE outlet = NEW.outlet AND sha256 = NEW.sha256;
END;
CREATE TRIGGER blob_doubted AFTER DELETE ON outlet_blob BEGIN
    INSERT OR IGNORE INTO blob_waiting (outlet, sha256, rank, newest, added, kind, bytes, grave)
        SELECT OLD.outlet, b.sha256, b.rank, b.newest, b.added, b.kind, b.bytes, b.grave FROM blob AS b
        WHERE b.sha256 = OLD.sha256 AND EXISTS (SELECT 1 FROM media_outlet AS m WHERE m.name = OLD.outlet);
END;

-- What was told of each incident, once: outlet, incident, what (record, still, pictures, pre_roll, clip), and after how
-- long (µs).
CREATE TABLE outside (
    outlet   TEXT    NOT NULL,
    incident TEXT    NOT NULL,
    what     TEXT    NOT NULL,
    after    INTEGER NOT NULL,
    PRIMARY KEY (outlet, incident, what)
) STRICT, WITHOUT ROWID;

-- The data budget of an outlet: bytes used since the month began. since is that moment as wall time and since_gt as
-- gateway time, for a wall clock that cannot be trusted; counting is the wall time from which bytes were counted; told
-- is what was told of it last.
CREATE TABLE outlet_budget (
    outlet   TEXT    PRIMARY KEY,
    since    INTEGER NOT NULL,
    since_gt INTEGER NOT NULL,
    counting INTEGER NOT NULL,
    used     INTEGER NOT NULL,
    told     TEXT    NOT NULL DEFAULT 'ample'
) STRICT, WITHOUT ROWID;
