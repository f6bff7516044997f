"""The other tables of a damaged store: copied record by record, as far as they can be read and fit."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from agent.store.pages import Pages, Value
from rules import wire


@contextmanager
def without_triggers(new: sqlite3.Connection) -> Iterator[None]:
    """What triggers keep in step is copied itself."""
    triggers = new.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in triggers:
        new.execute(f'DROP TRIGGER "{name}"')
    yield
    for _, sql in triggers:
        new.execute(sql)


def copy_tables(
    new: sqlite3.Connection, pages: Pages, tables: dict[str, tuple[int, str]], *, leave_out: set[str]
) -> None:
    """Every record of every table that both sides know; one that breaks a rule of its table is left out."""
    names = [row[0] for row in new.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    seen: set[int] = set()
    for name in names:
        if name in leave_out or name.startswith("sqlite_") or name not in tables:
            continue
        root, sql = tables[name]
        order, rowid = _stored_order(name, sql)
        ours = _columns(new, name)
        if not order or (len(order) == len(ours) and set(order) != set(ours)):  # the sentence itself is damaged
            (own,) = new.execute("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (name,)).fetchone()
            order, rowid = _stored_order(name, own)
        columns = [column for column in ours if column in order]
        insert = (
            f"INSERT OR IGNORE INTO {name} ({', '.join(columns)})"  # noqa: S608 - names of our own schema
            f" VALUES ({','.join('?' * len(columns))})"
        )
        for cell in pages.walk(root, seen):
            values = dict(zip(order, cell.values or (), strict=False))
            if rowid is not None:
                values[rowid] = cell.key
            _insert(new, insert, [values.get(column) for column in columns])
    if not {"site_document", "snapshot"} <= tables.keys():
        _told_by_shape(new, pages, seen)
    _check_snapshots(new)
    _owe_blobs(new)


def foreign(pages: Pages, tables: dict[str, tuple[int, str]], gateway: str) -> str | None:
    """The gateway this log belongs to, when that is another one. A name that was damaged is told by the chain, which
    begins with it."""
    if "meta" not in tables:
        return None
    facts = [cell.values or () for cell in pages.walk(tables["meta"][0], set())]
    owner = next((fact[1] for fact in facts if len(fact) == 2 and fact[0] == "gateway"), None)
    if not isinstance(owner, str) or owner == gateway:
        return None
    if "log" in tables:
        for cell in pages.walk(tables["log"][0], set()):
            match cell.values:
                case (_, str() as epoch, str() as lane, 1, _, _, _, _, _, _, _, bytes() as chain, bytes() as data):
                    if wire.chain_next(wire.chain_start(gateway, epoch, lane), data) == chain:
                        return None
    return owner


def _stored_order(name: str, sql: str) -> tuple[list[str], str | None]:
    """The columns in the order they stand in a record, and the one that is the key of the row, if there is one."""
    try:
        with closing(sqlite3.connect(":memory:")) as alone:
            alone.execute(sql)
            info = alone.execute(f"PRAGMA table_info({name})").fetchall()
            keyed = [row[1] for row in sorted((row for row in info if row[5]), key=lambda row: row[5])]
            if sql.upper().rstrip().endswith("WITHOUT ROWID"):
                return [*keyed, *(row[1] for row in info if not row[5])], None
            whole = [row for row in info if row[5]]
            rowid = whole[0][1] if len(whole) == 1 and whole[0][2].upper() == "INTEGER" else None
            return [row[1] for row in info], rowid
    except sqlite3.Error:
        return [], None


def _columns(new: sqlite3.Connection, name: str) -> list[str]:
    return [row[1] for row in new.execute(f"PRAGMA table_info({name})")]


def _insert(new: sqlite3.Connection, sql: str, values: list[Value]) -> None:
    try:
        new.execute(sql, values)
    except (sqlite3.Error, OverflowError):
        return  # of the wrong type, or without what it must have: it was damaged


def _told_by_shape(new: sqlite3.Connection, pages: Pages, seen: set[int]) -> None:
    """Site documents and snapshots have six columns and a SHA-256 of one of them: nothing else has."""
    for cell in pages.strays(seen):
        match cell.values:
            case (None, str() as sha256, str() as text, str(), str(), int()):
                if hashlib.sha256(text.encode()).hexdigest() == sha256:
                    _insert(
                        new,
                        "INSERT OR IGNORE INTO site_document VALUES (?, ?, ?, ?, ?, ?)",
                        [cell.key, *cell.values[1:]],
                    )
            case (None, int(), str(), int(), bytes() as digest, bytes() as data):
                if hashlib.sha256(data).digest() == digest:
                    _insert(
                        new, "INSERT OR IGNORE INTO snapshot VALUES (?, ?, ?, ?, ?, ?)", [cell.key, *cell.values[1:]]
                    )
            case _:
                continue


def _check_snapshots(new: sqlite3.Connection) -> None:
    for pos, digest, data in new.execute("SELECT pos, sha256, data FROM snapshot").fetchall():
        if hashlib.sha256(data).digest() != digest:
            new.execute("DELETE FROM snapshot WHERE pos = ?", (pos,))


def _owe_blobs(new: sqlite3.Connection) -> None:
    """What waits for each outlet is all that it has not acknowledged, whatever was left of the queues."""
    new.execute(
        "INSERT OR IGNORE INTO blob_waiting (outlet, sha256, rank, newest, added, kind, bytes, grave)"
        " SELECT m.name, b.sha256, b.rank, b.newest, b.added, b.kind, b.bytes, b.grave"
        " FROM media_outlet AS m, blob AS b"
        " WHERE NOT EXISTS (SELECT 1 FROM outlet_blob AS o WHERE o.outlet = m.name AND o.sha256 = b.sha256)"
    )
    new.execute(
        "DELETE FROM blob_waiting WHERE EXISTS (SELECT 1 FROM outlet_blob AS o"
        " WHERE o.outlet = blob_waiting.outlet AND o.sha256 = blob_waiting.sha256)"
    )
