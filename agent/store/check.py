"""SQLite's own check of the log's file, beside everything else: a thread of the lowest priority with a connection of
its own, which only reads.

While it reads, the write-ahead log cannot be begun anew and grows. So it gives up when that has grown long: a storm of
alarms is no time for it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import platform
import sqlite3
import threading
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

from agent.errors import StoreError
from agent.store import soundness

WAL_MOST = 48_000_000  # bytes of write-ahead log at which the check gives way
LOOK = 0.25  # seconds between two looks at it
_LET_GO = 2.0  # seconds to wait for its end when it is called off
# ioprio_set(2) has no wrapper in libc: its number by machine, "this thread", and the class that reads only when nobody
# else wants to.
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30, "armv7l": 314, "riscv64": 30}
_WHO_THREAD, _CLASS_IDLE = 1, 3 << 13


async def check(path: Path, *, wal_most: int = WAL_MOST) -> str | None:
    """ "ok", or the file's first complaint; None when it gave way. StoreError when the file cannot be opened."""
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0, check_same_thread=False)
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be opened for its check: {error}") from None
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str | None] = loop.create_future()

    def work() -> None:
        try:
            result = partial(answer.set_result, _check(connection))
        except Exception as error:  # noqa: BLE001 - whoever waits gets it; a thread that ends silently is waited for
            result = partial(answer.set_exception, error)
        with suppress(RuntimeError):  # the loop is gone: nobody waits
            loop.call_soon_threadsafe(lambda: None if answer.done() else result())

    thread = threading.Thread(target=work, name="store.check", daemon=True)
    thread.start()
    wal = path.with_name(path.name + "-wal")
    most = max(wal_most, _size(wal))  # the file keeps the size it once had
    try:
        while True:
            done, _ = await asyncio.wait((answer,), timeout=LOOK)
            if done:
                return answer.result()
            if _size(wal) > most:
                _interrupt(connection)  # again at the next look: one that comes before the query begins is lost
    except asyncio.CancelledError:
        end = loop.time() + _LET_GO
        while not answer.done() and loop.time() < end:  # whoever closes the log wants to be its last reader
            _interrupt(connection)
            await asyncio.wait((answer,), timeout=_LET_GO / 50)
        raise


def _interrupt(connection: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):  # it has just ended by itself
        connection.interrupt()


def _check(connection: sqlite3.Connection) -> str | None:
    _step_back()
    try:
        with closing(connection):
            connection.execute("PRAGMA query_only=ON")
            (complaint,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if complaint == "ok":
                complaint = soundness.complaint(connection) or "ok"
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorname", "")
        return None if code in ("SQLITE_INTERRUPT", "SQLITE_BUSY") else f"{error} ({code})"
    except sqlite3.Error as error:
        return f"{error} ({getattr(error, 'sqlite_errorname', '')})"
    return str(complaint)


def _step_back() -> None:
    """Let this thread run and read only when nobody else wants to."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    number = _IOPRIO_SET.get(platform.machine())
    if number is not None:
        ctypes.CDLL(None).syscall(number, _WHO_THREAD, 0, _CLASS_IDLE)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
