"""`nightporter relay restore`: put a backup in the place of what a relay has, and keep what was there.

Theory of operation: everything is prepared and checked beside the database, then one rename puts it in its place; what
was there is kept under another name. Until that rename nothing has changed. What the relay forgot in between comes back
from the gateways, whose logs keep it; `_forget` sees to it that what they, and people, know meanwhile fits.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from relay import restored
from relay.backup import BLOBS, DATABASE, FORMAT, MANIFEST, Manifest, Progress, checked, database_path, digest, private
from relay.backup import sync as sync_folder
from relay.blobs.directory import BadName, BlobDirectory
from relay.clock import SystemClock
from relay.config import Config
from relay.errors import BackupError, ConfigError
from relay.restored import Restored
from relay.store import conditions, migrate
from relay.store.database import Database, lock_file
from relay.store.schema import delivery, gateway, incident, session, setup_code

# Gateways remember how far they have read our entries. New ones must come after whatever the relay that is gone had
# numbered since the backup was made; so many it cannot have been.
_SKIPPED = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was done: `kept` is where the former database lies now, None when there was none."""

    manifest: Manifest
    restored: Restored
    kept: Path | None
    media: int
    gateways: int


def restore(config: Config, source: Path, *, say: Progress) -> Outcome:
    """Blocking. BackupError, StoreDamaged, ConfigError, or StoreError when the relay runs."""
    target = database_path(config)
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        with _opened(source) as (tar, manifest), lock_file(target):
            _fits(config, manifest, source)
            return _restore(config, target, tar, manifest, say)
    except tarfile.TarError as error:
        raise BackupError(f"{source} is not a backup of a relay, or only a part of one: {error}") from None
    except OSError as error:
        raise BackupError(f"{error.filename or source} cannot be used: {error.strerror}; nothing was changed") from None


def _restore(config: Config, target: Path, tar: tarfile.TarFile, manifest: Manifest, say: Progress) -> Outcome:
    fresh = target.with_name(f".{target.name}.restoring")
    last = Restored(since=manifest.made, until=max(SystemClock().wall(), manifest.made))
    _clear(fresh)  # of one that was killed
    try:
        gateways = _prepare(fresh, tar, manifest, last, say)
        media = _media(config, tar, say) if manifest.media else 0
        kept = _keep(target, last.until)
        restored.write(target, last)
        for leftover in _beside(target):  # a write-ahead log of the former database must not be read into this one
            leftover.unlink(missing_ok=True)
        os.replace(fresh, target)
        sync_folder(target.parent)
    finally:
        _clear(fresh)
    return Outcome(manifest=manifest, restored=last, kept=kept, media=media, gateways=gateways)


def _prepare(fresh: Path, tar: tarfile.TarFile, manifest: Manifest, last: Restored, say: Progress) -> int:
    """The database that is to be, whole, durable, under a name nobody opens; the number of its gateways."""
    say(f"checking the database in the backup ({manifest.database_bytes} bytes)")
    with private(fresh) as file:
        shutil.copyfileobj(_member(tar, DATABASE), file, 1 << 20)
    if digest(fresh) != manifest.database_sha256:
        raise BackupError("the database in this backup is not the one that was put in: take another backup")
    migrate.known(checked(fresh), where=" in the backup")
    try:
        gateways = asyncio.run(_forget(fresh, last))
    except (SQLAlchemyError, sqlite3.Error) as error:
        reason = getattr(error, "orig", None) or error
        raise BackupError(f"{fresh.parent}: the database cannot be put back: {reason}; nothing was changed") from None
    os.chmod(fresh, 0o640)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    return gateways


def _clear(fresh: Path) -> None:
    for path in (fresh, *_beside(fresh), fresh.with_name(f"{fresh.name}.lock")):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[tuple[tarfile.TarFile, Manifest]]:
    if not source.is_file():
        raise BackupError(f"there is no backup {source}")
    with tarfile.open(source, "r:") as tar:
        try:
            manifest = Manifest(**json.load(_member(tar, MANIFEST)))
        except (ValueError, TypeError) as error:
            raise BackupError(f"{source} is not a backup of a relay: {error}") from None
        if manifest.format != FORMAT:
            raise BackupError(f"{source} has format {manifest.format}, this program knows {FORMAT}: use a later one")
        yield tar, manifest


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    try:
        file = tar.extractfile(name)
    except KeyError:
        file = None
    if file is None:
        raise BackupError(f"{tar.name!s} is not a backup of a relay: it has no {name}")
    return file


def _fits(config: Config, manifest: Manifest, source: Path) -> None:
    if manifest.relay != config.relay.id:
        raise ConfigError(
            f"{source} is of relay {manifest.relay}, this one is {config.relay.id}: entries are signed with that name. "
            "Use the configuration of the relay that was backed up."
        )


def _beside(database: Path) -> tuple[Path, ...]:
    """What SQLite keeps next to a database."""
    return tuple(database.with_name(f"{database.name}{suffix}") for suffix in ("-wal", "-shm", "-journal"))


def _keep(target: Path, now: int) -> Path | None:
    """Give what is there another name as well; nothing of it is changed."""
    if not target.exists():
        return None
    kept = target.with_name(f"{target.name}.before-{now // 1_000_000}")
    for path in (target, *_beside(target)):
        if path.exists():
            os.link(path, path.with_name(path.name.replace(target.name, kept.name, 1)))
    return kept


def _media(config: Config, tar: tarfile.TarFile, say: Progress) -> int:
    """Put back each blob that is not here, under the name its bytes have; how many."""
    directory = BlobDirectory(root=config.blobs_directory, read_only=config.blobs.read_only, floor=0)
    directory.prepare()
    found = 0
    for member in tar:
        tenant, _, name = member.name.removeprefix("blobs/").partition("/")
        if member.name in (MANIFEST, DATABASE, BLOBS) or not member.isfile():
            continue
        try:
            here = directory.find(tenant, name.rpartition("/")[2])
        except BadName:
            raise BackupError(f"{member.name[:200]} in the backup is not a blob's name") from None
        if here is not None:
            continue
        half = directory.uploads / "restoring"
        with private(half) as file:
            shutil.copyfileobj(_member(tar, member.name), file, 1 << 20)
        sha256 = digest(half)
        if sha256 != name.rpartition("/")[2]:
            raise BackupError(f"{member.name} in the backup has other bytes than its name says")
        directory.keep(tenant, sha256, half)
        found += 1
        if found % 1000 == 0:
            say(f"media: {found} put back")
    return found


async def _forget(fresh: Path, last: Restored) -> int:
    """In the database that is to be: bring the schema up to date, and undo what would be wrong after a return to the
    past. The number of its gateways."""
    db = Database(url=f"sqlite+aiosqlite:///{fresh}")
    await db.open()
    try:
        async with db.write() as connection:
            # Whoever signed out, or was signed out, since the backup was made stays so.
            await connection.execute(delete(session))
            await connection.execute(delete(setup_code))
            highest = await connection.scalar(text("SELECT max(seq) FROM sqlite_sequence WHERE name = 'entry'"))
            await connection.execute(text("DELETE FROM sqlite_sequence WHERE name = 'entry'"))
            await connection.execute(
                text("INSERT INTO sqlite_sequence (name, seq) VALUES ('entry', :seq)"),
                {"seq": (highest or 0) + _SKIPPED},
            )
            # What waited to be told was most likely told: the gateways know, and get the time to say so.
            site = select(incident.c.site).where(incident.c.id == delivery.c.incident).scalar_subquery()
            await connection.execute(
                update(delivery)
                .where(delivery.c.state.in_(("queued", "held", "sending")))
                .values(
                    state="queued",
                    leased_until=None,
                    possibly_repeated=1,
                    digest=site,
                    next_at=last.until + restored.RETURN,
                    created=last.until,
                )
            )
            names = list(await connection.scalars(select(gateway.c.id)))
            for name in names:
                await conditions.raise_own(
                    connection, name, family="restored", kind="relay.restored", reason=last.sentence, since=last.until
                )
    finally:
        await db.close()
    with contextlib.closing(sqlite3.connect(fresh)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    return len(names)
