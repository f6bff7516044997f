"""What `agent status` reports: read from the store through a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any, TypeVar

from agent.config.model import AgentConfig
from agent.errors import StoreError

_T = TypeVar("_T")


def report(config: AgentConfig) -> dict[str, Any]:
    """Heads, cursors and waiting blobs, as plain data."""
    return _with_store(config, lambda connection: _read(connection, config))


def site_text(config: AgentConfig) -> str | None:
    """The site document in force."""

    def newest(connection: sqlite3.Connection) -> str | None:
        row = connection.execute("SELECT text FROM site_document ORDER BY version DESC LIMIT 1").fetchone()
        return str(row[0]) if row else None

    return _with_store(config, newest)


def _with_store(config: AgentConfig, read: Callable[[sqlite3.Connection], _T]) -> _T:
    path = config.paths.data / "log.db"
    if not path.exists():
        raise StoreError(f"there is no log at {path} yet: the agent has not run here")
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)
        try:
            return read(connection)
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}") from None


def _read(connection: sqlite3.Connection, config: AgentConfig) -> dict[str, Any]:
    facts = dict(connection.execute("SELECT name, value FROM meta").fetchall())
    epoch = facts.get("epoch", "")
    rows, newest = connection.execute("SELECT count(*), datetime(max(wall) / 1000000, 'unixepoch') FROM log").fetchone()
    heads = dict(connection.execute("SELECT lane, seq FROM lane WHERE epoch = ?", (epoch,)).fetchall())
    outlets = []
    for outlet in config.outlets:
        query = "SELECT lane, seq FROM outlet_cursor WHERE outlet = ? AND epoch = ?"
        done = dict(connection.execute(query, (outlet.name, epoch)).fetchall())
        waiting = 0
        if outlet.keeps_copy:
            query = "SELECT count(*) FROM blob WHERE sha256 NOT IN (SELECT sha256 FROM outlet_blob WHERE outlet = ?)"
            (waiting,) = connection.execute(query, (outlet.name,)).fetchone()
        lanes = {lane: (done.get(lane, 0), head) for lane, head in sorted(heads.items())}
        behind = any(reached < head for reached, head in lanes.values()) or waiting > 0
        outlets.append({"name": outlet.name, "lanes": lanes, "blobs_waiting": waiting, "behind": behind})
    return {
        "gateway": facts.get("gateway", ""),
        "epoch": epoch,
        "rows": rows,
        "newest": newest,
        "clean": facts.get("clean") == "1",
        "outlets": outlets,
    }
