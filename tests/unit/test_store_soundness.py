"""What the check of a store sees, besides what SQLite's own does: changed values, and records that are not found."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import StoreBroken
from agent.store import check, sites, soundness
from agent.store.sites import SiteVersion
from tests.unit.agent_rig import SITE, rig


async def _written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    async with rig(folder, monkeypatch) as agent:
        async with agent.store.database.transaction() as transaction:
            await sites.add(transaction, SiteVersion(1, sites.digest(SITE), SITE, "installer", "first"), wall=1)
        async with agent.running():
            for n in range(30):
                await agent.send(agent.contact(opened=n % 2 == 0, n=n))
        return agent.store.database.path


@pytest.fixture
async def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return await _written(tmp_path, monkeypatch)


@pytest.fixture
def lax(store: Path) -> Iterator[sqlite3.Connection]:
    """The same rows in tables that take any type, as a flipped bit in a row's header makes them."""
    with closing(sqlite3.connect(store)) as source:
        script = "\n".join(source.iterdump()).replace(") STRICT", ")")
    script = re.sub(r"(TEXT|INTEGER|BLOB) +NOT NULL", r"\1", script)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(script)
        yield connection


def look(connection: sqlite3.Connection) -> str | None:
    return soundness.complaint(connection, pause=lambda seconds: None)


def test_what_was_written_is_sound(lax: sqlite3.Connection) -> None:
    assert look(lax) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE log SET seq = 3.5 WHERE lane = 'P1' AND seq = 3", "values that are none of its own"),
        ("UPDATE log SET bytes = 'x' WHERE lane = 'P1' AND seq = 3", "values that are none of its own"),
        ("UPDATE log SET chain = NULL WHERE lane = 'P1' AND seq = 3", "values that are none of its own"),
        ("UPDATE log SET id = NULL WHERE lane = 'P1' AND seq = 3", "does not bear its own name"),
        ("UPDATE log SET kind = x'07' WHERE lane = 'P1' AND seq = 3", "does not bear its own name"),
        ("UPDATE log SET wall = 0, gt = 0, chain = zeroblob(32) WHERE lane = 'P1' AND seq = 3", "record 3 of lane P1"),
        ("UPDATE site_document SET text = x'00'", "version 1 of the site document"),
        ("UPDATE site_document SET text = text || ' '", "version 1 of the site document"),
        ("UPDATE snapshot SET data = 'x'", "the snapshot at"),
        ("DELETE FROM log WHERE lane = 'P1' AND seq BETWEEN 3 AND 5", "records of lane P1 between 2 and 6"),
        ("DELETE FROM log WHERE lane = 'P1' AND seq >= 10", "lane P1 ends at record 9"),
    ],
)
def test_a_change_is_named(lax: sqlite3.Connection, change: str, said: str) -> None:
    if "snapshot" in change:
        lax.execute("INSERT OR REPLACE INTO snapshot VALUES (1, 1, '', 1, zeroblob(32), x'00')")
    lax.execute(change)
    assert said in str(look(lax))


@pytest.mark.parametrize(
    "noted",
    [
        "INSERT INTO log_gap VALUES (:epoch, 'P1', 3, 5, 3, 'pruned', zeroblob(32))",
        "INSERT INTO log_gap VALUES (:epoch, 'P1', 3, 3, 1, 'pruned', zeroblob(32)),"
        " (:epoch, 'P1', 4, 5, 2, 'pruned', zeroblob(32))",
        "INSERT INTO missing VALUES (:epoch, 'P1', 3, 5)",
        "INSERT INTO epoch VALUES ('next', :epoch, 'conflict', 'a test', 1, 1)",
    ],
    ids=["pruned", "pruned twice", "lost before", "moving on"],
)
def test_what_is_known_to_be_gone_is_no_damage(lax: sqlite3.Connection, noted: str) -> None:
    lax.execute("DELETE FROM log WHERE lane = 'P1' AND seq BETWEEN 3 AND 5")
    (epoch,) = lax.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    lax.execute(noted, {"epoch": epoch})
    assert look(lax) is None


def test_a_gap_explains_no_more_than_it_says(lax: sqlite3.Connection) -> None:
    lax.execute("DELETE FROM log WHERE lane = 'P1' AND seq BETWEEN 3 AND 5")
    (epoch,) = lax.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    lax.execute("INSERT INTO log_gap VALUES (?, 'P1', 3, 4, 2, 'pruned', zeroblob(32))", (epoch,))
    assert "between 2 and 6" in str(look(lax))


async def test_an_index_that_leads_astray_is_found(store: Path) -> None:
    """SQLite's quick check does not compare an index with its table."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("DELETE FROM log WHERE lane = 'P1' AND seq = 4")
        connection.commit()
        assert connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
    assert "between 3 and 5" in str(await check.check(store))


async def test_a_changed_document_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = await _written(tmp_path, monkeypatch)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE site_document SET text = text || '# '")
        connection.commit()
    async with rig(tmp_path, monkeypatch) as agent:
        with pytest.raises(StoreBroken, match="version 1 of the site document"):
            await sites.newest(agent.store.database)
        with pytest.raises(StoreBroken, match="version 1 of the site document"):
            await sites.by_digest(agent.store.database, sites.digest(SITE))


async def test_a_fault_of_the_check_itself_is_not_waited_for(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> str | None:
        raise TypeError("a fault of the program")

    monkeypatch.setattr(soundness, "complaint", fail)
    with pytest.raises(TypeError, match="a fault of the program"):
        async with asyncio.timeout(10):
            await check.check(store)
