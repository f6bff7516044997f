"""The SQLite file: one writer connection, which alone checkpoints, and one `query_only` reader.

WAL, `synchronous=FULL`: a commit that returned has reached the disk. One writer is also what keeps SQLite 3.7.0-3.51.2
clear of its WAL-reset fault, which needs two connections that write or checkpoint at once.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiosqlite

from agent.errors import StoreBroken, StoreDamaged, StoreError, StoreFull
from agent.failpoints import reach

# The WAL is moved into the file when nothing else happens (`checkpoint`); only a storm that leaves no such moment has a
# commit do it, every 4000 pages (16 MB).
WAL_PAGES = 4000
WAL_LIMIT = 20_000_000  # bytes: what a long reader made it grow to is cut back to this
_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "mmap_size=0",
    f"wal_autocheckpoint={WAL_PAGES}",
    f"journal_size_limit={WAL_LIMIT}",
)
# How sqlite3 fails: a text in a damaged page, or an error about it, need not be UTF-8.
FAILURES = (sqlite3.Error, UnicodeDecodeError)
_BUSY = 5.0  # seconds to wait for another process that reads


def migrations() -> list[tuple[int, str]]:
    """The numbered SQL files, in order."""
    folder = files("agent.store") / "migrations"
    names = sorted(item.name for item in folder.iterdir() if item.name.endswith(".sql"))
    return [(int(name.partition("_")[0]), (folder / name).read_text("utf-8")) for name in names]


class Database:
    """Open with `open`, close with `close`; nothing happens before. Errors are StoreError or StoreDamaged."""

    def __init__(self, *, path: Path) -> None:
        self.path = path
        self._writer: aiosqlite.Connection | None = None
        self._reader: aiosqlite.Connection | None = None
        self._lock = asyncio.Lock()
        self.broken: str | None = None  # why the file cannot be relied on any more; only a rescue takes it back
        self._commits = 0
        self.committed_at = time.monotonic()

    @property
    def wal_size(self) -> int:
        """Bytes of the write-ahead log's file; 0 when there is none."""
        try:
            return self.path.with_name(self.path.name + "-wal").stat().st_size
        except OSError:
            return 0

    @property
    def unmoved(self) -> int:
        """Commits since the write-ahead log was last moved into the file by `checkpoint`."""
        return self._commits

    async def open(self) -> None:
        """Open or create, and bring the schema up to date. A newer or damaged file is left as it is."""
        async with self._lock:
            await self._open(create=True)

    async def reopen(self) -> None:
        """After a failed write: open the same file anew, and move what its WAL holds into it. A WAL whose fsync failed
        is not trusted: the kernel may have dropped pages that it calls clean."""
        async with self._lock:
            await self._close()
            writer = await self._open(create=False)
            try:
                rows = list(await writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)"))
            except sqlite3.Error as error:
                raise self._noted(error) from error
            if rows[0][0]:
                raise StoreError(f"{self.path} is being read by another program; trying again")
            self._commits = 0

    async def checkpoint(self) -> bool:
        """Move what the write-ahead log holds into the file, as far as no reader is in the way; whether all of it could
        be moved. StoreError when the file cannot be written; the log can be written all the same."""
        async with self._lock:
            if self._writer is None:
                raise StoreError(f"{self.path} is not open")
            try:
                rows = list(await self._writer.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)"))
            except sqlite3.Error as error:
                raise self._noted(error) from error
            blocked, pages, moved = rows[0]
            if not blocked and pages == moved:
                self._commits = 0
            return self._commits == 0

    async def close(self) -> None:
        """Close both connections; the writer's close checkpoints."""
        async with self._lock:
            await self._close()

    async def _open(self, *, create: bool) -> aiosqlite.Connection:
        _check_file(self.path, create=create)
        try:
            writer = self._writer = await _connect(self.path)
            present = await self._present(writer)  # before the first pragma, which would already change the file
            for pragma in _PRAGMAS:
                await writer.execute_fetchall(f"PRAGMA {pragma}")
            await _migrate(writer, present, self.path)
            reader = self._reader = await _connect(self.path)
            await reader.execute_fetchall("PRAGMA query_only=ON")
            await reader.execute_fetchall("PRAGMA wal_autocheckpoint=0")
        except (StoreError, StoreDamaged):
            await self._close()
            raise
        except FAILURES as error:
            await self._close()
            raise self._noted(error) from None
        return writer

    async def _present(self, writer: aiosqlite.Connection) -> int:
        """The schema's number as it is in the file."""
        rows = list(await writer.execute_fetchall("PRAGMA user_version"))
        present, known = int(rows[0][0]), migrations()[-1][0]
        if present > known:
            raise StoreDamaged(
                f"{self.path} was written by a newer Nightporter (schema {present}, this one knows {known}). "
                "Install the newer version again, or restore a backup made by this one."
            )
        return present

    def _noted(self, error: sqlite3.Error | UnicodeDecodeError) -> StoreError | StoreDamaged:
        named = _named(error, self.path)
        if isinstance(named, StoreBroken):
            self.broken = str(named)
        return named

    async def _close(self) -> None:
        closing = (self._reader, self._writer)
        self._reader = self._writer = None  # first, so that nobody queues behind the close
        for connection in closing:
            if connection is not None:
                with suppress(sqlite3.Error):  # a dying disk: there is nothing left to save here
                    await connection.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[aiosqlite.Connection]:
        """One durable transaction, committed when the block ends, rolled back when it raises."""
        async with self._lock:
            writer = self._writer
            if writer is None:
                raise StoreError(f"{self.path} is not open")
            try:
                try:
                    await writer.execute_fetchall("BEGIN IMMEDIATE")
                    yield writer
                    await writer.execute_fetchall("COMMIT")
                    self._commits += 1
                    self.committed_at = time.monotonic()
                except BaseException:
                    await _roll_back(writer)
                    raise
            except sqlite3.Error as error:
                raise self._noted(error) from error

    async def read(self, sql: str, parameters: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Rows of a query on the last committed state."""
        if self._reader is None:
            raise StoreError(f"{self.path} is not open")
        try:
            return list(await self._reader.execute_fetchall(sql, parameters))
        except FAILURES as error:
            raise self._noted(error) from error

    async def quick_check(self) -> str:
        """SQLite's own check of the file: "ok", or its first complaint."""
        rows = await self.read("PRAGMA quick_check(1)")
        return str(rows[0][0])


async def _migrate(writer: aiosqlite.Connection, present: int, path: Path) -> None:
    for number, sql in migrations():
        if number > present:
            try:
                await writer.executescript(f"BEGIN IMMEDIATE;\n{sql}\nPRAGMA user_version={number};")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname == "SQLITE_ERROR":  # the step does not fit; that is no damage
                    raise StoreError(f"{path} cannot be brought from schema {present} to {number}: {error}") from None
                raise
            reach("migrate.in_step")
            await writer.execute_fetchall("COMMIT")
            reach("migrate.after_step")


async def _connect(path: Path) -> aiosqlite.Connection:
    return await aiosqlite.connect(path, isolation_level=None, timeout=_BUSY)


async def _roll_back(writer: aiosqlite.Connection) -> None:
    """Undo whatever was begun. It queues behind what the connection's thread still does, so a BEGIN or COMMIT whose
    waiter was cancelled is over by then; and it is waited for, or the next transaction would meet it."""

    async def undo() -> None:
        with suppress(sqlite3.Error):  # nothing was begun, or SQLite has undone it itself
            await writer.execute_fetchall("ROLLBACK")

    undoing = asyncio.create_task(undo(), name="store.roll_back")
    cancelled: asyncio.CancelledError | None = None
    while not undoing.done():
        try:
            await asyncio.shield(undoing)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled


def _check_file(path: Path, *, create: bool) -> None:
    """A file that exists must be a SQLite database: a damaged store is never taken for an empty one. A new one is made
    here, so that SQLite gives its side files the same rights."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except FileNotFoundError:
        if not create:
            raise StoreDamaged(f"{path} is gone: it was removed or moved while the agent ran. Put it back.") from None
        _create(path)
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    if not head and not create:
        raise StoreDamaged(f"{path} has become empty while the agent ran. Restore a backup; nothing was overwritten.")
    if head and head != b"SQLite format 3\x00":
        raise StoreBroken(f"{path} is not a SQLite database any more. Restore a backup; nothing was overwritten.")


def _create(path: Path) -> None:
    left = [side for side in ("-wal", "-shm") if path.with_name(path.name + side).exists()]
    if left:
        raise StoreBroken(
            f"{path} is missing but {path.name}{left[0]} is there: the log was lost or moved. Put it back, restore "
            f"a backup, or remove {path.name}-wal and {path.name}-shm to begin a new log."
        )
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640))
    except OSError as error:
        raise StoreError(f"{path} cannot be made: {error.strerror}") from None


def _named(error: sqlite3.Error | UnicodeDecodeError, path: Path) -> StoreError | StoreDamaged:
    code = getattr(error, "sqlite_errorname", "") or type(error).__name__
    # What we ask is fixed: a table that is suddenly not there is a schema that was changed.
    changed = str(error).startswith(("Could not decode to UTF-8", "no such column", "no such table"))
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or isinstance(error, UnicodeDecodeError) or changed:
        return StoreBroken(f"{path} is damaged ({code}). Restore a backup; nothing was overwritten.")
    if code.startswith("SQLITE_FULL"):
        return StoreFull(f"no room left to write {path}: free space on its file system")
    return StoreError(f"{path} cannot be used: {error} ({code})")
