"""`nightporter relay backup`: everything a relay knows in one file, taken while it runs.

Theory of operation: SQLite's backup copies the database as of one moment into a new file, without holding up the
writer; the copy is checked. Then come the media: always as a list of names and sizes, with `media` also their bytes.
The database is copied first, so each blob that was here at its moment is in the list. The file is a plain tar
(`backup.json`, `relay.db`, `blobs.txt`, `blobs/...`), written under another name, renamed when it is whole and durable.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from relay.clock import SystemClock
from relay.config import Config
from relay.errors import BackupError, StoreDamaged
from relay.store.database import Database

FORMAT = 1
MANIFEST, DATABASE, BLOBS = "backup.json", "relay.db", "blobs.txt"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself. `made` is wall µs, the moment the database is of."""

    format: int
    relay: str
    made: int
    software: str
    schema: str
    database_bytes: int
    database_sha256: str
    blobs: int
    blob_bytes: int
    media: bool


def back_up(config: Config, target: Path, *, media: bool, say: Progress) -> Manifest:
    """Write the backup to `target`, which must not exist. Blocking. BackupError, StoreDamaged, or OSError's sentence in
    a BackupError."""
    source = database_path(config)
    if not source.is_file():
        raise BackupError(f"there is no database {source} yet; the relay makes it at its first start")
    if target.exists():
        raise BackupError(f"{target} exists already; choose another name, a backup never overwrites one")
    copy, whole = target.with_name(f".{target.name}.database"), target.with_name(f".{target.name}.part")
    try:
        made = SystemClock().wall()
        say(f"copying {source}")
        _copy(source, copy)
        schema = checked(copy)
        manifest = _write(config, copy, whole, made=made, schema=schema, media=media, say=say)
        os.rename(whole, target)
        sync(target.parent)
    except OSError as error:
        raise BackupError(f"the backup cannot be written: {error.filename or target}: {error.strerror}") from None
    finally:
        for path in (copy, whole):
            path.unlink(missing_ok=True)
    return manifest


def database_path(config: Config) -> Path:
    """The database file. BackupError when this relay keeps its records elsewhere."""
    path = Database(url=config.database_url).path
    if path is None:
        raise BackupError(
            "this relay keeps its records in PostgreSQL: back that up with pg_dump or your provider's means; "
            "the media lie in " + str(config.blobs_directory)
        )
    return path


def private(path: Path) -> io.BufferedRandom:
    """A new file for its owner alone, whatever the umask."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return os.fdopen(descriptor, "w+b")


def checked(path: Path) -> str:
    """The schema's version of a database that is whole; StoreDamaged when it is not."""
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            (schema,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.DatabaseError, TypeError) as error:
        raise StoreDamaged(f"{path} is not a good database of a relay ({error})") from None
    if verdict != "ok":
        raise StoreDamaged(f"{path} is damaged ({verdict}); restore an earlier backup")
    return str(schema)


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _copy(source: Path, target: Path) -> None:
    private(target).close()
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=30)) as here,
            contextlib.closing(sqlite3.connect(target)) as there,
        ):
            # In one step: a copy in several begins anew whenever the relay writes, and a busy one always does.
            here.execute("PRAGMA wal_autocheckpoint=0")
            here.backup(there, pages=-1)
            there.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as error:
        raise BackupError(f"{source} cannot be copied into {target.parent}: {error}") from None
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(f"{source} is damaged ({error}); nothing was written") from None


def _write(config: Config, copy: Path, whole: Path, *, made: int, schema: str, media: bool, say: Progress) -> Manifest:
    listed = [] if config.blobs.read_only else list(_blobs(config.blobs_directory))
    manifest = Manifest(
        format=FORMAT,
        relay=config.relay.id,
        made=made,
        software=version("nightporter"),
        schema=schema,
        database_bytes=copy.stat().st_size,
        database_sha256=digest(copy),
        blobs=len(listed),
        blob_bytes=sum(size for _, size in listed),
        media=media,
    )
    with private(whole) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            _text(tar, MANIFEST, json.dumps(asdict(manifest), indent=2) + "\n", made)
            _file(tar, DATABASE, copy, made)
            _text(tar, BLOBS, "".join(f"{name} {size}\n" for name, size in listed), made)
            for number, (name, _) in enumerate(listed if media else (), 1):
                if number % 1000 == 1:
                    say(f"media: {number} of {len(listed)}")
                with contextlib.suppress(FileNotFoundError):  # deleted since it was listed
                    _file(tar, f"blobs/{name}", config.blobs_directory / name, made)
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _blobs(root: Path) -> Iterator[tuple[str, int]]:
    """Each whole blob as `tenant/ab/cd/<sha256>` and its size; uploads under way are none."""
    for path in sorted(root.glob("[!.]*/??/??/*")):
        with contextlib.suppress(FileNotFoundError):
            yield str(path.relative_to(root)), path.stat().st_size


def _text(tar: tarfile.TarFile, name: str, text: str, made: int) -> None:
    data = text.encode()
    tar.addfile(_entry(name, len(data), made), io.BytesIO(data))


def _file(tar: tarfile.TarFile, name: str, path: Path, made: int) -> None:
    with path.open("rb") as file:
        tar.addfile(_entry(name, os.fstat(file.fileno()).st_size, made), file)


def _entry(name: str, size: int, made: int) -> tarfile.TarInfo:
    """Nothing of this machine but name and size: no owner, no odd mode."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, made // 1_000_000
    return entry
