"""Stores of earlier versions, kept as they were written: they come to the newest schema with no row changed."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agent.errors import StoreDamaged
from agent.recovery import restore
from agent.store import sites
from agent.store.database import Database, migrations
from agent.store.opening import open_store
from rules.document.site import load_site

STORES = Path(__file__).parents[1] / "vectors" / "stores"
KEPT = sorted(STORES.glob("schema-*.sql"))


def lay(source: Path, path: Path) -> None:
    """The kept store as a file."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(source.read_text("utf-8"))


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, by column."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]
            for name in names
            if not name.startswith("sqlite_")
        }


async def migrated(path: Path) -> None:
    database = Database(path=path)
    await database.open()
    await database.close()


def test_a_store_of_each_schema_is_kept() -> None:
    numbers = {int(path.stem.removeprefix("schema-")) for path in KEPT}
    assert 1 in numbers
    assert numbers <= {number for number, _ in migrations()}


def test_what_was_released_is_never_changed() -> None:
    """A migration that stores have gone through stands for ever: what is wrong in it is put right by a further one."""
    first = next(sql for number, sql in migrations() if number == 1)
    assert hashlib.sha256(first.encode()).hexdigest().startswith("81a4dce7da096e10")


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
async def test_no_row_is_changed_on_the_way(tmp_path: Path, kept: Path) -> None:
    path = tmp_path / "log.db"
    lay(kept, path)
    before = contents(path)
    assert len(before["log"]) > 100
    await migrated(path)
    after = contents(path)
    for table, rows in before.items():
        assert table in after, f"table {table} is gone"
        shared = rows[0].keys() & after[table][0].keys() if rows else set()
        assert [{key: row[key] for key in shared} for row in after[table]] == [
            {key: row[key] for key in shared} for row in rows
        ], table
    assert [set(row) for row in after["log"]] == [set(row) for row in before["log"]]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (migrations()[-1][0],)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
async def test_it_is_the_schema_a_new_store_has(tmp_path: Path, kept: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    lay(kept, old)
    await migrated(old)
    await migrated(new)

    def schema(path: Path) -> set[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            found = connection.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall()
            columns = [
                (name, *row[1:])
                for kind, name, _ in found
                if kind == "table"
                for row in connection.execute(f"PRAGMA table_info({name})")
            ]
        return {*map(tuple, found), *columns}

    assert schema(old) == schema(new)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
async def test_the_agent_goes_on_with_it(tmp_path: Path, kept: Path) -> None:
    path = tmp_path / "log.db"
    lay(kept, path)
    store = await open_store(path, gateway="gw-1")
    try:
        document = await sites.newest(store.database)
        assert document is not None
        site = load_site(document.text, "site")
        restored = await restore(store, site=site, site_sha256=document.sha256, gateway="gw-1")
        assert restored.left_out == []
        await store.log.verify(0)
        assert await store.cursors.acknowledged("cloud", "P1") == 20
    finally:
        await store.database.close()


async def test_an_older_program_leaves_a_newer_store_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.db"
    await migrated(path)
    before = path.read_bytes()
    older = [step for step in migrations() if step[0] == 1]
    monkeypatch.setattr("agent.store.database.migrations", lambda: older)
    with pytest.raises(StoreDamaged, match=r"newer Nightporter \(schema \d+, this one knows 1\)"):
        await migrated(path)
    assert path.read_bytes() == before
