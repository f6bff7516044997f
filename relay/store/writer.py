"""The one writing connection to SQLite. A statement inside a transaction touches memory and takes microseconds; sending
each to aiosqlite's thread and back costs several times that, and on a busy machine milliseconds, which an incident
waits for. So statements run where they are asked for, and what waits for the disk runs in the thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import aiosqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

_WAITS_FOR_THE_DISK = frozenset({"commit", "rollback", "close", "executescript"})


class Writer(aiosqlite.Connection):
    """An aiosqlite connection that stays in the event loop between BEGIN and COMMIT. `_execute` is private there and
    is overridden here and nowhere else."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        if getattr(fn, "__name__", "") in _WAITS_FOR_THE_DISK:
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return fn(*args, **kwargs)

    def many(self, words: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """One statement for each row, inside the transaction that is open. Errors as SQLAlchemy names them."""
        try:
            self._conn.executemany(words, rows)
        except sqlite3.Error as error:
            raise DBAPIError.instance(words, None, error, sqlite3.Error, hide_parameters=True) from error

    def rows(self, words: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        """The rows of a query, inside the transaction that is open. Errors as SQLAlchemy names them."""
        try:
            return self._conn.execute(words, values).fetchall()
        except sqlite3.Error as error:
            raise DBAPIError.instance(words, None, error, sqlite3.Error, hide_parameters=True) from error


def of(connection: AsyncConnection) -> Writer | None:
    """The writer that a transaction runs on; None where another database is used, or it only reads."""
    sync = connection.sync_connection
    driver = sync.connection.driver_connection if sync is not None else None
    return driver if isinstance(driver, Writer) else None


def connect(path: str) -> Writer:
    """A connection to await; the event loop and its own thread take turns, never at once."""

    def connector() -> sqlite3.Connection:
        return sqlite3.connect(path, check_same_thread=False)

    writer = Writer(connector, 64)
    writer._thread.daemon = True  # as SQLAlchemy does with the connections it makes itself
    return writer
