"""Whether what the log holds is what was written: its records by their chains, documents and snapshots by their hashes.
SQLite's own check sees a page that is none; a changed digit in a record it cannot see."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable

from agent.store.sites import digest
from rules import wire

_PAGE = 500
_SHARE = 4.0  # so many times what a page took is waited after it: this is in nobody's way


def complaint(connection: sqlite3.Connection, *, pause: Callable[[float], None] = time.sleep) -> str | None:
    """The first thing that is not as it was written; None when all is. Minutes for millions of rows."""
    for version, sha256, text in connection.execute("SELECT version, sha256, text FROM site_document"):
        if not isinstance(text, str) or digest(text) != sha256:
            return f"version {version} of the site document was changed after it was written"
    for pos, sha256, data in connection.execute("SELECT pos, sha256, data FROM snapshot"):
        if not isinstance(data, bytes) or hashlib.sha256(data).digest() != sha256:
            return f"the snapshot at {pos} was changed after it was written"
    (gateway,) = connection.execute("SELECT value FROM meta WHERE name = 'gateway'").fetchone() or ("",)
    for epoch, lane in connection.execute("SELECT epoch, lane FROM lane").fetchall():
        found = _lane(connection, gateway, epoch, lane, pause)
        if found is not None:
            return found
    return None


def _lane(
    connection: sqlite3.Connection, gateway: str, epoch: str, lane: str, pause: Callable[[float], None]
) -> str | None:
    end = _end(connection, epoch, lane)
    seq, chain = 0, wire.chain_start(gateway, epoch, lane)
    while True:
        began = time.monotonic()
        rows = connection.execute(
            "SELECT seq, chain, bytes, id, kind FROM log WHERE epoch = ? AND lane = ? AND seq > ? ORDER BY seq LIMIT ?",
            (epoch, lane, seq, _PAGE),
        ).fetchall()
        for number, own, data, name, kind in rows:
            if not isinstance(number, int) or not isinstance(data, bytes) or not isinstance(own, bytes):
                return f"a record of lane {lane} behind {seq} has values that are none of its own"
            if number > seq + 1 and not _known_gone(connection, epoch, lane, seq + 1, number - 1):
                return f"records of lane {lane} between {seq} and {number} are not found"
            # What follows a gap is compared from its second record on.
            if number == seq + 1 and wire.chain_next(chain, data) != own:
                return f"record {number} of lane {lane} was changed after it was written"
            if str(name).encode() not in data or str(kind).encode() not in data:
                return f"record {number} of lane {lane} does not bear its own name"
            seq, chain = number, own
        if len(rows) < _PAGE:
            break
        pause(_SHARE * (time.monotonic() - began))
    # Asked again: the records of an epoch that ends meanwhile move to the next one.
    end = min(end, _end(connection, epoch, lane))
    if seq < end and not _known_gone(connection, epoch, lane, seq + 1, end):
        return f"lane {lane} ends at record {seq}, and record {end} had been written"
    return None


def _end(connection: sqlite3.Connection, epoch: str, lane: str) -> int:
    (end,) = connection.execute("SELECT seq FROM lane WHERE epoch = ? AND lane = ?", (epoch, lane)).fetchone() or (0,)
    return int(end)


def _known_gone(connection: sqlite3.Connection, epoch: str, lane: str, since: int, until: int) -> bool:
    """Whether each record from `since` to `until` is one that was pruned, that a rescue did not find, or that moves to
    another epoch just now. Looked up after the hole was met: what makes one notes it in the same transaction."""
    if connection.execute("SELECT 1 FROM epoch WHERE moving = 1 AND supersedes = ?", (epoch,)).fetchone():
        return True
    for begins, ends in connection.execute(
        "SELECT since, until FROM log_gap WHERE epoch = :epoch AND lane = :lane"
        " UNION ALL SELECT since, until FROM missing WHERE epoch = :epoch AND lane = :lane ORDER BY 1",
        {"epoch": epoch, "lane": lane},
    ):
        if begins > since:
            break
        if ends is None or ends >= until:
            return True
        since = max(since, ends + 1)
    return False
