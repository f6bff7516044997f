"""A backup put in the place of what is here; what was here is kept.

Theory of operation. Everything is prepared and checked beside the log, then a rename puts it in its place. The restored
log is older than what relays know of this gateway, so it goes on under a new epoch that names the old one: nothing that
they have is overwritten, and what happened here from now on is new to them.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tarfile
import time
import uuid
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.clock import wall_now
from agent.errors import ConfigError, StoreError
from agent.store.backup import CONFIG, LOG, SECRETS, SUFFIX, Manifest, private, read
from agent.store.database import migrations
from agent.store.exchange import exchange, free_name
from rules import wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was done: `kept` is where the former log lies now, None when there was none."""

    manifest: Manifest
    kept: Path | None


def newest(source: Path, *, gateway: str | None) -> Path:
    """The backup that is meant: the file itself, or the newest one of this gateway in a directory. ConfigError when
    there is none."""
    if not source.is_dir():
        if not source.exists():
            raise ConfigError(f"there is no {source}")
        return source
    found = sorted(source.glob(f"{gateway or '*'}-*{SUFFIX}"), key=lambda path: path.name[-len("20260101T000000Z") :])
    if not found:
        raise ConfigError(f"there is no backup of gateway {gateway or 'any'} in {source} (*{SUFFIX})")
    return found[-1]


def configuration(source: Path) -> bytes:
    """The agent.yaml that is in a backup."""
    read(source)
    return _part(source, CONFIG) or b""


def sealed(source: Path) -> bytes:
    """The encrypted secrets in a backup. ConfigError when it was made without them."""
    read(source)
    part = _part(source, SECRETS)
    if part is None:
        raise ConfigError(f"{source} was made without its secrets; leave out --with-secrets. Nothing was changed")
    return part


def restore(log: Path, source: Path, *, gateway: str) -> Restored:
    """Put the log of the backup `source` at `log`, which no agent may be using (the caller holds its lock). Blocking.
    ConfigError or StoreError when that cannot be; then nothing has changed."""
    manifest = read(source)
    if manifest.gateway != gateway:
        raise ConfigError(
            f"{source} is of gateway {manifest.gateway}, the configuration says {gateway}; nothing was changed"
        )
    newest_schema = migrations()[-1][0]
    if manifest.schema > newest_schema:
        raise ConfigError(
            f"{source} was made by a newer Nightporter (schema {manifest.schema}, this one knows {newest_schema}). "
            "Install that version first; nothing was changed"
        )
    fresh = log.with_name(log.name + ".restoring")
    fresh.unlink(missing_ok=True)
    try:
        room = os.statvfs(log.parent)
        with tarfile.open(source, "r:") as tar:
            member = tar.getmember(LOG)
            if room.f_bavail * room.f_frsize < member.size + (1 << 20):
                raise StoreError(f"{log.parent} has no room for the log of {member.size} bytes; nothing was changed")
            part = tar.extractfile(member)
            assert part is not None  # `read` has just read it
            with private(fresh) as file:
                shutil.copyfileobj(part, file, 1 << 20)
                file.flush()
                os.fsync(file.fileno())
        kept = free_name(log, time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), "before-restore")
        _prepare(fresh, manifest, kept)
        os.chmod(fresh, 0o640)
        owner = log.parent.stat()
        os.chown(fresh, owner.st_uid, owner.st_gid)  # whoever restores, the agent must be able to write it
        had = log.exists()
        exchange(log, fresh, kept)
    except OSError as error:
        raise StoreError(f"{error.filename or log} cannot be used: {error.strerror}; nothing was changed") from None
    except sqlite3.Error as error:
        raise ConfigError(f"the log in {source} cannot be used ({error}); use another backup") from None
    finally:
        fresh.unlink(missing_ok=True)
    return Restored(manifest=manifest, kept=kept if had else None)


def _prepare(fresh: Path, manifest: Manifest, kept: Path) -> None:
    """Bring the copy to this schema, and begin a new epoch, which the opening of the log goes on with."""
    with closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        present = int(new.execute("PRAGMA user_version").fetchone()[0])
        for number, sql in migrations():
            if number > present:
                new.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version={number};\nCOMMIT;")
        new.execute("BEGIN IMMEDIATE")
        (old,) = new.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        unfinished = new.execute("SELECT epoch FROM epoch WHERE moving = 1").fetchone()
        if unfinished is None:
            begun = str(uuid.uuid4())
            day = time.strftime("%Y-%m-%d %H:%M", time.gmtime(manifest.made // 1_000_000))
            new.execute(
                "INSERT INTO epoch (epoch, supersedes, cause, reason, wall, moving) VALUES (?, ?, 'restore', ?, ?, 1)",
                (begun, old, f"the log was restored from the backup of {day} UTC", wall_now()),
            )
            for lane in wire.LANES:
                # Nobody knows what relays have seen since: what the copy's outlets lacked is handed to them again.
                (cut,) = new.execute(
                    "SELECT min(seq) FROM (SELECT coalesce(c.seq, 0) AS seq FROM"
                    " (SELECT DISTINCT outlet FROM outlet_cursor WHERE epoch = ?) AS o LEFT JOIN outlet_cursor AS c"
                    " ON c.outlet = o.outlet AND c.epoch = ? AND c.lane = ?)",
                    (old, old, lane),
                ).fetchone()
                head = new.execute("SELECT seq FROM lane WHERE epoch = ? AND lane = ?", (old, lane)).fetchone()
                new.execute(
                    "INSERT INTO epoch_cut (epoch, lane, since) VALUES (?, ?, ?)",
                    (begun, lane, min(cut or 0, head[0] if head else 0)),
                )
                new.execute(
                    "INSERT OR REPLACE INTO missing (epoch, lane, since, until) VALUES (?, ?, ?, NULL)",
                    (old, lane, (head[0] if head else 0) + 1),
                )
        # What the broker held then is not what it holds now, and that moment's footage is not in memory any more.
        new.execute("DELETE FROM receipt")
        new.executemany(
            "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", [("clean", "restored"), ("put_aside", kept.name)]
        )
        new.execute("COMMIT")
        (verdict,) = new.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)


def _part(source: Path, name: str) -> bytes | None:
    with tarfile.open(source, "r:") as tar:
        try:
            part = tar.extractfile(name)
        except KeyError:
            return None
        return part.read() if part is not None else None
