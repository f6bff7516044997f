"""The SQLite file: never a silent empty start, no transaction left open, and a schema that only grows."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from pathlib import Path

import pytest

from agent.errors import ConfigError, StoreDamaged, StoreError
from agent.store import database as module
from agent.store import receipts
from agent.store.database import Database, migrations
from agent.store.opening import StoreLock, open_store
from agent.store.receipts import KEPT, Receipt


async def opened(path: Path) -> Database:
    database = Database(path=path)
    await database.open()
    return database


async def test_a_new_file_has_the_whole_schema_and_is_not_for_everyone(tmp_path: Path) -> None:
    database = await opened(tmp_path / "log.db")
    try:
        assert (await database.read("PRAGMA user_version"))[0][0] == migrations()[-1][0]
        assert (await database.read("PRAGMA journal_mode"))[0][0] == "wal"
        async with database.transaction() as transaction:
            rows = list(await transaction.execute_fetchall("PRAGMA synchronous"))
            assert rows[0][0] == 2, "FULL"
            await transaction.execute_fetchall("INSERT INTO meta VALUES ('a', 'b')")
        assert await database.quick_check() == "ok"
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
        assert {mode & 0o007 for mode in modes.values()} == {0}, modes
        with pytest.raises(StoreError, match="readonly"):
            await database.read("INSERT INTO meta VALUES ('c', 'd')")
    finally:
        await database.close()


async def test_a_damaged_header_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    damaged = b"\0" * 16 + path.read_bytes()[16:]
    path.write_bytes(damaged)
    with pytest.raises(StoreDamaged, match="is not a SQLite database any more"):
        await opened(path)
    assert path.read_bytes() == damaged


async def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(StoreDamaged, match="is damaged"):
        await opened(path)


async def test_a_missing_file_with_a_wal_is_a_lost_log(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    (tmp_path / "log.db-wal").write_bytes(b"x" * 100)
    with pytest.raises(StoreDamaged, match=r"log\.db-wal is there: the log was lost or moved"):
        await opened(path)
    assert not path.exists()


@pytest.mark.parametrize("emptied", [False, True])
async def test_a_log_that_was_here_is_never_begun_anew_silently(tmp_path: Path, emptied: bool) -> None:
    path = tmp_path / "log.db"
    store = await open_store(path, gateway="gw-1")
    assert store.new
    await store.database.close()
    path.unlink()
    if emptied:
        path.touch()
    with pytest.raises(StoreDamaged, match=r"log\.epoch remembers it"):
        await open_store(path, gateway="gw-1")
    (tmp_path / "log.epoch").unlink()
    begun = await open_store(path, gateway="gw-1")
    await begun.database.close()
    assert begun.new
    assert begun.epoch != store.epoch


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreDamaged, match=r"newer Nightporter \(schema 99, this one knows"):
        await opened(path)


async def test_an_older_schema_is_migrated_one_step_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    newest = migrations()[-1][0]
    steps = [
        *migrations(),
        (newest + 1, "ALTER TABLE meta ADD COLUMN more TEXT;"),
        (newest + 2, "CREATE TABLE third (a);"),
    ]
    monkeypatch.setattr(module, "migrations", lambda: steps)
    database = await opened(path)
    assert (await database.read("PRAGMA user_version"))[0][0] == newest + 2
    await database.read("SELECT more FROM meta")
    await database.close()


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    await (await opened(path)).close()
    newest = migrations()[-1][0]
    steps = [*migrations(), (newest + 1, "CREATE TABLE second (a); SELECT nonsense FROM nowhere;")]
    monkeypatch.setattr(module, "migrations", lambda: steps)
    with pytest.raises(StoreError, match="nowhere"):
        await opened(path)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (newest,)
    assert connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'second'").fetchone() == (0,)
    connection.close()


async def test_a_transaction_that_raises_is_undone_and_the_next_one_works(tmp_path: Path) -> None:
    database = await opened(tmp_path / "log.db")
    try:
        with pytest.raises(KeyError):  # noqa: PT012 - it is about the block
            async with database.transaction() as transaction:
                await transaction.execute_fetchall("INSERT INTO meta VALUES ('a', 'b')")
                raise KeyError
        with pytest.raises(StoreError, match="UNIQUE"):
            async with database.transaction() as transaction:
                await transaction.execute_fetchall("INSERT INTO meta VALUES ('a', 'b'), ('a', 'c')")
        async with database.transaction() as transaction:
            await transaction.execute_fetchall("INSERT INTO meta VALUES ('c', 'd')")
        assert [tuple(row) for row in await database.read("SELECT * FROM meta")] == [("c", "d")]
    finally:
        await database.close()


@pytest.mark.parametrize("turns", range(12))
async def test_a_transaction_cancelled_anywhere_leaves_none_open(tmp_path: Path, turns: int) -> None:
    database = await opened(tmp_path / "log.db")

    async def write() -> None:
        async with database.transaction() as transaction:
            for n in range(3):
                await transaction.execute_fetchall("INSERT INTO meta VALUES (?, 'x')", (str(n),))

    try:
        task = asyncio.create_task(write())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with database.transaction() as transaction:
            rows = list(await transaction.execute_fetchall("SELECT count(*) FROM meta"))
            assert rows[0][0] in (0, 3), "all or nothing"
    finally:
        await database.close()


async def test_reopening_keeps_what_was_there_and_makes_nothing_new(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    database = await opened(path)
    try:
        async with database.transaction() as transaction:
            await transaction.execute_fetchall("INSERT INTO meta VALUES ('a', 'b')")
        await database.reopen()
        assert [tuple(row) for row in await database.read("SELECT * FROM meta")] == [("a", "b")]
        assert (tmp_path / "log.db-wal").stat().st_size == 0, "the WAL is in the file"
        path.rename(tmp_path / "elsewhere")
        with pytest.raises(StoreDamaged, match="is gone"):
            await database.reopen()
        with pytest.raises(StoreError, match="is not open"):
            await database.read("SELECT 1")
        assert not path.exists()
    finally:
        await database.close()


async def test_one_gateway_a_store_and_one_process(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "log.db", gateway="gw-1")
    await store.database.close()
    with pytest.raises(ConfigError, match="belongs to gateway gw-1, the configuration says gw-2"):
        await open_store(tmp_path / "log.db", gateway="gw-2")
    first, second = StoreLock(directory=tmp_path), StoreLock(directory=tmp_path)
    first.take()
    with pytest.raises(ConfigError, match=r"another agent \(process \d+\) is running on"):
        second.take()
    first.release()
    second.take()
    second.release()


async def test_receipts_are_few_and_of_one_session(tmp_path: Path) -> None:
    database = await opened(tmp_path / "log.db")
    try:
        async with database.transaction() as transaction:
            await receipts.add(transaction, "b", 1, [Receipt(n, b"%d" % n) for n in range(KEPT + 20)])
            await receipts.add(transaction, "b", 1, [Receipt(KEPT, b"again")])
        kept = await receipts.load(database, "b")
        assert len(kept) == KEPT - 1
        assert kept[-1] == Receipt(KEPT, b"again"), "a packet id is used again: the newer one stands for it"
        assert await receipts.load(database, "other") == []
        async with database.transaction() as transaction:
            await receipts.add(transaction, "b", 2, [Receipt(1, b"new life")])
        assert await receipts.load(database, "b") == [Receipt(1, b"new life")]
        assert await receipts.session(database, "b") == 2
        await receipts.clear(database, "b")
        assert await receipts.session(database, "b") is None
    finally:
        await database.close()
