"""What `agent status` reports: read from the store through a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar

from agent.cli.storage import storage
from agent.config.model import AgentConfig
from agent.errors import StoreError

_T = TypeVar("_T")


def report(config: AgentConfig) -> dict[str, Any]:
    """Heads, cursors and waiting blobs, as plain data."""
    return with_store(config, lambda connection: _read(connection, config))


def site_text(config: AgentConfig) -> str | None:
    """The site document in force."""

    def newest(connection: sqlite3.Connection) -> str | None:
        row = connection.execute("SELECT text FROM site_document ORDER BY version DESC LIMIT 1").fetchone()
        return str(row[0]) if row else None

    return with_store(config, newest)


def with_store(config: AgentConfig, read: Callable[[sqlite3.Connection], _T]) -> _T:
    """What `read` finds in the store, through a connection that cannot write. StoreError when there is none."""
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
    heads = dict(connection.execute("SELECT lane, seq FROM lane WHERE epoch = ?", (epoch,)).fetchall())
    outlets = []
    for outlet in config.outlets:
        query = "SELECT lane, seq FROM outlet_cursor WHERE outlet = ? AND epoch = ?"
        done = dict(connection.execute(query, (outlet.name, epoch)).fetchall())
        waiting = 0
        if outlet.keeps_copy:
            query = "SELECT count(*) FROM blob_waiting WHERE outlet = ?"
            (waiting,) = connection.execute(query, (outlet.name,)).fetchone()
        lanes = {lane: (done.get(lane, 0), head) for lane, head in sorted(heads.items())}
        behind = any(reached < head for reached, head in lanes.values()) or waiting > 0
        outlets.append({"name": outlet.name, "lanes": lanes, "blobs_waiting": waiting, "behind": behind})
    return {
        "gateway": facts.get("gateway", ""),
        "epoch": epoch,
        "records": sum(heads.values()) - _gone(connection, epoch),
        "oldest": _wall(connection, "ASC"),
        "newest": _wall(connection, "DESC"),
        "bytes": _size(config.paths.data / "log.db") + _size(config.paths.data / "log.db-wal"),
        "ballast": _size(config.paths.data / "log.ballast"),
        "checked": {"at": _moment(facts.get("checked_wall")), "said": facts.get("checked_said")},
        "clean": facts.get("clean") == "1",
        "storage": storage(connection, config, facts),
        "outlets": outlets,
    }


def _gone(connection: sqlite3.Connection, epoch: str) -> int:
    """Records of this epoch that left the log: with it nothing has to be counted row by row."""
    (gone,) = connection.execute(
        "SELECT coalesce(sum(until - since + 1), 0) FROM log_gap WHERE epoch = ?", (epoch,)
    ).fetchone()
    return int(gone)


def _wall(connection: sqlite3.Connection, order: Literal["ASC", "DESC"]) -> str | None:
    """The UTC wall time of the first or the last row."""
    row = connection.execute(f"SELECT wall FROM log ORDER BY pos {order} LIMIT 1").fetchone()  # noqa: S608
    return _moment(row[0]) if row else None


def _moment(wall: str | int | None) -> str | None:
    """Wall µs as UTC to the second."""
    return f"{datetime.fromtimestamp(int(wall) / 1e6, UTC):%Y-%m-%d %H:%M:%S}" if wall is not None else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
