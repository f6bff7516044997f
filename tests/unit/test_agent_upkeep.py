"""The log's upkeep: the write-ahead log moved in a quiet moment, the file checked beside everything else."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from agent import upkeep as module
from agent.clock import Clock
from agent.config.store import StoreConfig
from agent.intake import Intake
from agent.store import check as check_module
from agent.store import meta
from agent.store.ballast import Ballast
from agent.store.check import check
from agent.store.database import WAL_LIMIT, WAL_PAGES, Database
from agent.store.opening import Store, open_store
from agent.upkeep import Upkeep
from rules.events import StoreSound, StoreSuspect


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "log.db", gateway="gw-1")
    yield opened
    await opened.database.close()


def upkeep_of(store: Store, intake: Intake) -> Upkeep:
    return Upkeep(
        store=store, config=StoreConfig(), outlets=list, intake=intake, pause=lambda _: asyncio.sleep(0),
        clock=Clock.start(last_gt=0, off_time=0), ballast=Ballast(path=store.database.path.with_name("b"), size=0),
    )  # fmt: skip


async def put(database: Database, name: str, value: str) -> None:
    async with database.transaction() as transaction:
        await meta.write(transaction, {name: value})


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Somebody reads for long."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM log").fetchall()
        yield


# --- the write-ahead log ---------------------------------------------------------------------------------------------


async def test_it_is_moved_in_a_quiet_moment_and_not_in_a_busy_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, database = upkeep_of(store, Intake()), store.database
    for n in range(module.COMMITS - database.unmoved - 1):
        await put(database, "n", str(n))
    monkeypatch.setattr(module, "QUIET", 0.0)
    await keep.move()
    assert database.unmoved == module.COMMITS - 1, "not for so little"
    await put(database, "n", "more")
    monkeypatch.setattr(module, "QUIET", 3600.0)
    await keep.move()
    assert database.unmoved == module.COMMITS, "something is going on"
    monkeypatch.setattr(module, "QUIET", 0.0)
    await keep.move()
    assert database.unmoved == 0
    size = database.wal_size
    await put(database, "n", "again")
    assert database.wal_size == size, "it begins anew in the same file"


async def test_a_long_reader_makes_it_grow_and_it_is_cut_back_afterwards(store: Store) -> None:
    database = store.database
    with reading(database.path):
        for n in range(8):
            await put(database, "n", str(n) * 4_000_000)
        assert not await database.checkpoint()
        assert database.wal_size > WAL_LIMIT
    assert await database.checkpoint()
    await put(database, "n", "small")
    assert database.wal_size <= WAL_LIMIT
    assert WAL_PAGES * 4096 < WAL_LIMIT < 64_000_000


# --- the check -------------------------------------------------------------------------------------------------------


def spoil(path: Path) -> None:
    """Change bytes in the middle of the file's pages, where no header is."""
    data = bytearray(path.read_bytes())
    for page in range(2, len(data) // 4096):
        data[page * 4096 : page * 4096 + 8] = b"\xff" * 8
    path.write_bytes(data)


async def test_a_sound_file_and_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    store = await open_store(path, gateway="gw-1")
    assert await check(path) == "ok"
    await store.database.close()
    spoil(path)
    said = await check(path)
    assert said is not None
    assert said != "ok"


async def test_it_gives_way_when_the_write_ahead_log_grows(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_module, "LOOK", 0.01)
    sizes = iter([10, 10])
    grown = threading.Event()

    def size(path: Path) -> int:
        before = next(sizes, None)
        if before is None:
            grown.set()
        return 100 if before is None else before

    class Endless(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if "quick_check" in sql:
                assert grown.wait(10)
                sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
            return super().execute(sql, *parameters)

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **named: connect(*a, **named, factory=Endless))
    monkeypatch.setattr(check_module, "_size", size)
    assert await check(store.database.path, wal_most=50) is None


async def test_called_off_it_has_let_go_of_the_file(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Endless(sqlite3.Connection):
        def execute(self, sql: str, *parameters: Any) -> sqlite3.Cursor:
            if "quick_check" in sql:
                loop.call_soon_threadsafe(begun.set)
                sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
            return super().execute(sql, *parameters)

    connect = sqlite3.connect
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", lambda *a, **named: connect(*a, **named, factory=Endless))
        checking = asyncio.create_task(check(store.database.path))
        await begun.wait()
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    await store.database.close()
    assert store.database.wal_size == 0, "the last one to close moved it into the file"


async def test_what_it_says_is_told_when_it_changes(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    intake = Intake()
    keep = upkeep_of(store, intake)
    told: list[object] = []
    for said in ("ok", "ok", "row 7 is missing", "row 7 is missing", None, "ok", "ok"):

        async def answer(path: Path, said: str | None = said) -> str | None:
            return said

        monkeypatch.setattr(module, "check", answer)
        assert await keep.check() is (said is not None)
        while len(intake):
            (item,) = await intake.take(1)
            told.append(type(item.fact))
            assert item.also is not None
            async with store.database.transaction() as transaction:
                await item.also(transaction)
    assert told == [StoreSuspect, StoreSound]
    facts = await meta.read_all(store.database)
    assert facts["checked_said"] == "ok"
    assert int(facts["checked_wall"]) > 0
