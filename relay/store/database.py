"""The database: one writer, several readers, one code path for SQLite and PostgreSQL.

With SQLite there is exactly one writing connection, which alone checkpoints (older SQLite can corrupt a database whose
connections write and checkpoint at once), `synchronous=FULL`: what was committed survives a power cut. With PostgreSQL
both roles use one pool; whoever writes for a gateway locks its row first (see `store.gateways.locked`).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event, make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from relay.errors import ConfigError, StoreDamaged, StoreError
from relay.store import migrate, writer

# What a failing database raises (disk full, server gone, all connections taken for too long): nothing was committed.
FAILURES = (SQLAlchemyError, OSError)

READERS = 4
BUSY_MS = 5_000


def _sqlite_engine(url: str, *, readers: bool) -> AsyncEngine:
    path = make_url(url).database or ":memory:"
    made: dict[str, Any] = {} if readers else {"async_creator": partial(writer.connect, path)}
    # A caller that finds all connections taken waits in the pool's queue, at most pool_timeout, then gets an error.
    engine = create_async_engine(
        url,
        **made,
        poolclass=AsyncAdaptedQueuePool,
        pool_size=READERS if readers else 1,
        max_overflow=0,
        pool_timeout=30,
        pool_reset_on_return=None,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        if readers:
            cursor.execute("PRAGMA query_only=1")
            cursor.execute("PRAGMA wal_autocheckpoint=0")
        else:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=FULL")
            cursor.execute("PRAGMA foreign_keys=1")
            cursor.execute("PRAGMA journal_size_limit=67108864")
            # Records come by the hundred and touch pages all over the indexes: kept at hand, and copied from the WAL
            # into the file less often, each is written once for many batches.
            cursor.execute("PRAGMA cache_size=-32768")
            cursor.execute("PRAGMA wal_autocheckpoint=4000")
        cursor.execute("PRAGMA mmap_size=0")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN" if readers else "BEGIN IMMEDIATE")

    return engine


class Database:
    """`async with db.write() as connection` commits at its end or rolls back on an error; `db.read()` sees one
    moment. Nothing is opened before `open()`."""

    def __init__(self, *, url: str) -> None:
        self.url = url
        self._writer: AsyncEngine | None = None
        self._reader: AsyncEngine | None = None
        self._lock: int | None = None

    @property
    def is_sqlite(self) -> bool:
        return make_url(self.url).get_backend_name() == "sqlite"

    @property
    def path(self) -> Path | None:
        """The database file, with SQLite."""
        name = make_url(self.url).database
        return Path(name) if self.is_sqlite and name else None

    async def open(self) -> None:
        """Open, and bring the schema up to date. Raises StoreError, StoreDamaged or ConfigError with a sentence for a
        person."""
        if self.path is not None:
            self._lock = _lock(self.path)
            try:
                _look(self.path)
            except StoreError:
                await self.close()
                raise
            self._writer = _sqlite_engine(self.url, readers=False)
            self._reader = _sqlite_engine(self.url, readers=True)
        else:
            self._writer = self._reader = create_async_engine(self.url, pool_size=10, pool_pre_ping=True)
        try:
            await migrate.upgrade(self._writer)
        except StoreError:
            await self.close()
            raise
        except (SQLAlchemyError, OSError) as error:
            await self.close()
            cause = getattr(error, "orig", None) or error
            raise StoreError(f"the database {self.described} cannot be opened: {cause}") from error

    async def open_to_read(self) -> None:
        """Only to look, beside a running relay. StoreError when there is no database."""
        if self.path is not None:
            if not self.path.is_file():
                raise StoreError(f"there is no database {self.path} yet; the relay makes it at its first start")
            self._reader = _sqlite_engine(self.url, readers=True)
        else:
            self._reader = create_async_engine(self.url, pool_size=1)

    @property
    def described(self) -> str:
        """The database for a message: a path, or a URL without its password."""
        return str(self.path) if self.path else make_url(self.url).render_as_string(hide_password=True)

    async def close(self) -> None:
        for engine in {self._reader, self._writer} - {None}:
            assert engine is not None
            await engine.dispose()
        self._reader = self._writer = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        if self._writer is None:
            raise StoreError("the database is not open")
        async with self._writer.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        if self._reader is None:
            raise StoreError("the database is not open")
        async with self._reader.begin() as connection:
            yield connection


def _look(path: Path) -> None:
    """What is there must be our database, and not of a later version: seen before the first pragma changes the file."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        connection = sqlite3.connect(path, timeout=BUSY_MS / 1000)
        try:
            found = [str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")]
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
            raise StoreDamaged(
                f"{path} is not a good SQLite database ({error}); restore a backup; nothing was overwritten"
            ) from None
        return  # no such table yet; whatever else it is, opening it for good says so
    if found:
        migrate.known(found[0], where=str(path))


@contextmanager
def lock_file(path: Path) -> Iterator[None]:
    """Nobody else uses this SQLite file inside the block. StoreError when a relay does."""
    handle = _lock(path)
    try:
        yield
    finally:
        os.close(handle)


def _lock(path: Path) -> int:
    """One relay process per SQLite file: hold its lock file open for as long as we run."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise ConfigError(f"the data folder {path.parent} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise StoreError(f"another relay process is using {path}; stop it, or give this one its own folder") from None
    return handle
