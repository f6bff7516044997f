"""A gateway's store as years leave it: millions of rows, made in bulk; chains, numbers and newest state are right."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.clock import wall_now
from agent.store import sites
from agent.store.opening import open_store
from rules import wire
from rules.document.site import load_site
from rules.engine import Engine
from rules.events import ContactClosed, Event, ReadingsPacked, TimePassed
from rules.state import ENGINE_VERSION
from rules.units import DAY

TAIL = 1500  # rows after the newest state, which a start replays
_CHUNK = 50_000


async def build(path: Path, *, rows: int, gateway: str, site: str, days: int = 6) -> None:
    """Write a store of `rows` rows over `days` days that end now, stopped in good order. The folder must exist."""
    await _create(path, gateway, site)
    await asyncio.to_thread(_insert, path, rows, gateway, site, days)


def _insert(path: Path, rows: int, gateway: str, site: str, days: int) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA cache_size=-400000")
        indexes = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE tbl_name = 'log' AND type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        (epoch,) = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        connection.execute("BEGIN")
        heads = _fill(connection, rows, gateway, epoch, days)
        for lane, (seq, chain) in heads.items():
            connection.execute("INSERT OR REPLACE INTO lane VALUES (?, ?, ?, ?)", (epoch, lane, seq, chain))
        _state(connection, site, rows - TAIL)
        for _, sql in indexes:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode=WAL")


async def _create(path: Path, gateway: str, site: str) -> None:
    store = await open_store(path, gateway=gateway)
    try:
        async with store.database.transaction() as transaction:
            version = sites.SiteVersion(1, sites.digest(site), site, "test", "test")
            await sites.add(transaction, version, wall=wall_now())
            await transaction.execute_fetchall("UPDATE meta SET value = '1' WHERE name = 'clean'")
    finally:
        await store.database.close()


def _fill(
    connection: sqlite3.Connection, rows: int, gateway: str, epoch: str, days: int
) -> dict[str, tuple[int, bytes]]:
    heads = {lane: (0, wire.chain_start(gateway, epoch, lane)) for lane in ("P1", "P4")}
    step = days * DAY // rows
    wall, gt = wall_now() - days * DAY, 1_000_000
    templates = [(_template(fact), fact.kind, fact.lane) for fact in _facts()]

    def some(first: int, last: int) -> Iterator[tuple[Any, ...]]:
        for n in range(first, last):
            template, kind, lane = templates[_MIX[n % 10]]
            name = hashlib.blake2b(b"%d" % n, digest_size=6).hexdigest()
            identity = f"{n:08x}-{n % 65536:04x}-7000-8000-{name}"
            own_gt, own_wall = gt + n * step, wall + n * step
            data = template % (identity.encode(), own_wall, own_gt)
            seq = chain = None
            if lane is not None:
                seq, chain = heads[lane]
                seq, chain = seq + 1, hashlib.sha256(chain + data).digest()
                heads[lane] = (seq, chain)
            yield n + 1, epoch, lane, seq, identity, kind, own_gt, own_wall, "synced", 1, 0, chain, data

    marks = ",".join("?" * 13)
    for first in range(0, rows, _CHUNK):
        connection.executemany(f"INSERT INTO log VALUES ({marks})", some(first, min(rows, first + _CHUNK)))
    return heads


_MIX = (0, 1, 0, 2, 1, 0, 1, 0, 2, 1)  # doors, readings, and time that passed


def _facts() -> list[Event]:
    header: Any = {"id": _ID, "gt": _GT, "wall": _WALL, "clock": "synced"}
    return [
        ContactClosed(**header, device="hatch"),
        ReadingsPacked(
            **header, kinds=["reading.temperature"] * 2, devices=["heat"] * 2, values=[21.5, 21.6], after=[0, 100_000]
        ),
        TimePassed(**header),
    ]


_ID, _GT, _WALL = "00000000-0000-7000-8000-000000000000", 1_111_111_111_111, 1_222_222_222_222


def _template(fact: Event) -> bytes:
    """The record with its id, wall time and gateway time left open."""
    data = wire.encode(fact).replace(b"%", b"%%")
    assert data.index(_ID.encode()) < data.index(b"%d" % _WALL) < data.index(b"%d" % _GT), data
    return data.replace(_ID.encode(), b"%s").replace(b"%d" % _WALL, b"%d").replace(b"%d" % _GT, b"%d")


def _state(connection: sqlite3.Connection, site: str, newest: int) -> None:
    """Two states of the engine, the newer one shortly before the end."""
    sha256 = sites.digest(site)
    data = Engine(site=load_site(site, "site"), site_sha256=sha256, origin="gw-1").snapshot()
    for pos in (newest - 2000, newest):
        connection.execute(
            "INSERT INTO snapshot VALUES (?, ?, ?, ?, ?, ?)",
            (pos, ENGINE_VERSION, sha256, wall_now(), hashlib.sha256(data).digest(), data),
        )
