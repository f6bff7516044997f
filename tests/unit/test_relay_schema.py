"""The migrations make exactly the schema that the code knows, and an upgrade leaves nothing to do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from relay.errors import StoreError
from relay.store import migrate, writer
from relay.store.database import Database
from relay.store.schema import metadata

# The order of constraints and columns of one table does not matter here, only that the same words are there.
PLAIN = str.maketrans(",()", "   ")


def differences(connection: Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


async def test_an_empty_database_is_brought_up_to_date(tmp_path: Path) -> None:
    db = Database(url=f"sqlite+aiosqlite:///{tmp_path}/deep/relay.db")
    await db.open()
    async with db.write() as connection:
        assert await connection.run_sync(differences) == []
        assert await connection.run_sync(migrate.version) == migrate.HEAD
    async with db.read() as connection:
        with pytest.raises(Exception, match="readonly"):
            await connection.execute(text("DELETE FROM gateway"))
    await db.close()


def test_the_head_is_the_last_migration() -> None:
    assert ScriptDirectory(str(migrate.MIGRATIONS)).get_current_head() == migrate.HEAD


def test_every_table_is_strict_and_what_sqlite_has_is_what_the_migration_wrote(tmp_path: Path) -> None:
    from alembic import command

    made, migrated = create_engine("sqlite://"), create_engine("sqlite://")
    sql = text("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE '%alembic%' ORDER BY name")
    with made.connect() as one, migrated.connect() as two:
        metadata.create_all(one)
        command.upgrade(migrate.configuration(two), "head")
        words = [
            {row.name: sorted((row.sql or "").translate(PLAIN).split()) for row in connection.execute(sql)}
            for connection in (one, two)
        ]
        assert words[0] == words[1]
        tables = [row.sql for row in one.execute(text("SELECT sql FROM sqlite_master WHERE type = 'table'"))]
        assert all("STRICT" in table for table in tables if "sqlite_sequence" not in table)
        command.downgrade(migrate.configuration(two), "base")
        assert [row.name for row in two.execute(sql) if row.name != "sqlite_sequence"] == []
    made.dispose()
    migrated.dispose()


def test_postgresql_is_given_the_same_tables() -> None:
    for table in metadata.sorted_tables:
        made = str(CreateTable(table).compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
        assert "STRICT" not in made


async def test_what_is_no_database_is_a_sentence_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    path.write_bytes(b"this is not a database" * 100)
    db = Database(url=f"sqlite+aiosqlite:///{path}")
    with pytest.raises(StoreError, match=r"relay\.db is not a good SQLite database .file is not a database."):
        await db.open()
    assert path.read_bytes().startswith(b"this is not")


async def test_a_database_of_a_later_version_is_a_sentence(tmp_path: Path) -> None:
    db = Database(url=f"sqlite+aiosqlite:///{tmp_path}/relay.db")
    await db.open()
    async with db.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await db.close()
    with pytest.raises(StoreError, match="later version"):
        await db.open()


def test_a_url_is_shown_without_its_password() -> None:
    assert "hush" not in Database(url="postgresql+asyncpg://relay:hush@db.example/relay").described


async def test_only_what_waits_for_the_disk_leaves_the_event_loop(tmp_path: Path) -> None:
    here = threading.get_ident()
    inside: dict[str, bool] = {}
    connection = await writer.connect(str(tmp_path / "w.db"))
    try:
        await connection.set_trace_callback(
            lambda sql: inside.setdefault(sql.split()[0], threading.get_ident() == here)
        )
        await connection.execute_fetchall("CREATE TABLE t (x)")
        await connection.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        await connection.commit()
        await connection.execute_fetchall("SELECT x FROM t")
    finally:
        await connection.close()
    assert inside == {"CREATE": True, "BEGIN": True, "INSERT": True, "COMMIT": False, "SELECT": True}
    with pytest.raises(ValueError, match="no active connection"):
        await connection.execute("SELECT 1")
