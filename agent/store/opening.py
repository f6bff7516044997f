"""Opening a store: whose it is, which epoch, how the last run ended, and how long the gateway was off."""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from agent.clock import boot_id, boot_now, synced, wall_now
from agent.errors import ConfigError, StoreBroken, StoreError
from agent.store import epochs, meta
from agent.store.blobs import Blobs
from agent.store.cursors import Cursors
from agent.store.database import Database
from agent.store.log import Log
from agent.store.witness import Mark

# What a disk says of itself, not of its rights: another try may find it better.
_PASSES = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
# A wall clock that says less was off than this is measuring its own error.
_MAX_OFF = 10 * 365 * 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Store:
    """An open store and what was learned by opening it. `off_time` is µs, None when no clock can tell; `opened` is the
    boot-time clock (µs) at that moment."""

    database: Database
    log: Log
    cursors: Cursors
    blobs: Blobs
    epoch: str
    last_gt: int
    off_time: int | None
    clean: bool
    new: bool
    opened: int


class StoreLock:
    """One process a store: an exclusive lock on a file beside it, given back by the kernel when the process ends."""

    def __init__(self, *, directory: Path) -> None:
        self._path = directory / "agent.lock"
        self._descriptor: int | None = None

    def take(self) -> None:
        """ConfigError when another agent has it or it may not be made, StoreError when the disk fails."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            told = f"{self._path} cannot be written: {error.strerror}"
            raise (StoreError(told) if error.errno in _PASSES else ConfigError(told)) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ConfigError(f"another agent (process {holder}) is running on {self._path.parent}") from None
        with suppress(OSError):  # on a full disk nobody can read who we are; the lock holds all the same
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Give it back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


async def open_store(path: Path, *, gateway: str) -> Store:
    """Open or create the store of this gateway. ConfigError when it belongs to another one."""
    _check_not_lost(path)
    database = Database(path=path)
    await database.open()
    try:
        return await _learn(path, database, gateway)
    except BaseException:
        await database.close()
        raise


async def _learn(path: Path, database: Database, gateway: str) -> Store:
    facts = await meta.read_all(database)
    new = "epoch" not in facts
    if facts.get("gateway", gateway) != gateway:
        raise ConfigError(f"{path} belongs to gateway {facts['gateway']}, the configuration says {gateway}")
    epoch = facts.get("epoch") or str(uuid.uuid4())
    last_gt, off_time = await _time_off(database, facts)
    opened = boot_now()
    async with database.transaction() as transaction:
        start = last_gt + (off_time or 0)
        await meta.write(
            transaction,
            {
                "gateway": gateway,
                "epoch": epoch,
                "run_boot_id": boot_id(),
                "run_base_gt": str(start),
                "run_base_boot": str(opened),
                "clean": "0",
            },
        )
    log = Log(database=database, gateway=gateway, epoch=epoch, mark=Mark(path=path))
    await log.load()
    await epochs.go_on(database, log)
    _remember(path, log.epoch)
    return Store(
        database=database,
        log=log,
        cursors=Cursors(database=database, log=log),
        blobs=Blobs(database=database),
        epoch=log.epoch,
        last_gt=last_gt,
        off_time=off_time,
        clean=facts.get("clean") == "1" or new,
        new=new,
        opened=opened,
    )


def _beside(path: Path) -> Path:
    return path.with_suffix(".epoch")


def _check_not_lost(path: Path) -> None:
    """A log that was here and is missing or empty is lost, not new."""
    try:
        empty = path.stat().st_size == 0
    except FileNotFoundError:
        empty = True
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from None
    if empty and _beside(path).exists():
        raise StoreBroken(
            f"{path} is missing or empty, and there was a log here: {_beside(path).name} remembers it. Put it back, "
            f"restore a backup, or remove {_beside(path)} to begin a new log."
        )


def _remember(path: Path, epoch: str) -> None:
    beside = _beside(path)
    try:
        if beside.exists() and beside.read_text("ascii").strip() == epoch:
            return
        temporary = beside.with_name(beside.name + ".new")
        with temporary.open("w", encoding="ascii") as file:
            file.write(epoch + "\n")
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(beside)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{beside} cannot be written: {error}") from None


async def _time_off(database: Database, facts: dict[str, str]) -> tuple[int, int | None]:
    """The last gateway time known, and the time since: exact within one boot of the machine, by the wall clock when it
    was and is kept right, unknown otherwise."""
    last_gt, wall, clock = int(facts.get("gt", 0)), int(facts.get("wall", 0)), facts.get("clock", "")
    rows = await database.read(  # an entry made elsewhere bears its maker's time
        "SELECT gt, wall, clock FROM log WHERE gt IS NOT NULL AND NOT (input = 1 AND kind LIKE 'incident.%')"
        " ORDER BY pos DESC LIMIT 1"
    )
    if rows and int(rows[0][0]) >= last_gt:
        last_gt, wall, clock = rows[0]
    if "run_base_gt" in facts and facts.get("run_boot_id") == boot_id() != "unknown":
        base_gt, base_boot = int(facts["run_base_gt"]), int(facts["run_base_boot"])
        return last_gt, max(0, boot_now() - (base_boot + last_gt - base_gt))
    if clock == "synced" and synced():
        off = wall_now() - wall
        if 0 <= off < _MAX_OFF:
            return last_gt, off
    return last_gt, None
