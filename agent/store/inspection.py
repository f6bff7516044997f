"""A first look at a log's files before SQLite may write to them: opening a damaged file for writing can destroy what a
rescue would still find, such as the good end of a WAL with one bad frame.

Theory of operation. SQLite believes a WAL up to its first bad frame and forgets the rest. A bad frame at the very end
is a commit that a power cut tore, and was never acknowledged. One with further commits after it was on the disk once:
the file was damaged later. And whatever the mark beside the log says was committed must be there.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from agent.errors import StoreDamaged
from agent.store.database import migrations
from agent.store.pages import MAGIC, Pages
from agent.store.witness import Marked, marked
from rules import wire

_BROKEN = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def inspect(path: Path) -> str | None:
    """What is wrong with the log at `path`, as a sentence's reason; None when nothing is to be seen from outside. Some
    milliseconds, after a power cut tenths of a second. It changes nothing.
    StoreDamaged when it is no log at all."""
    if not path.exists() or path.stat().st_size == 0:
        return None  # lost or new: `open_store` tells these apart
    with path.open("rb") as file:
        if file.read(16) != MAGIC:
            return "its header is not that of a database any more"
    mark = marked(path)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0)) as connection:
            reason = _compare(path, connection, mark, wal=path.with_name(path.name + "-wal").exists())
            if reason is not None or (mark is not None and mark.seqs == _heads(connection, mark.epoch)):
                return reason  # all that was committed is there, so SQLite has believed the whole WAL
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(_BROKEN):
            return f"it cannot be read ({code})"
    except UnicodeDecodeError:
        return "a text in it cannot be read"
    lost = _frames_lost(path)
    return f"{lost} pages of {path.name}-wal were changed after they were written" if lost else None


def _heads(connection: sqlite3.Connection, epoch: str) -> dict[str, int]:
    rows = connection.execute("SELECT lane, seq FROM lane WHERE epoch = ?", (epoch,))
    return dict.fromkeys(wire.LANES, 0) | dict(rows.fetchall())


def known_tables() -> set[str]:
    """The tables of a log of this version."""
    with closing(sqlite3.connect(":memory:")) as empty:
        for _, sql in migrations():
            empty.executescript(sql)
        return {row[0] for row in empty.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _frames_lost(path: Path) -> int:
    wal = path.with_name(path.name + "-wal")
    with suppress(OSError):
        if wal.stat().st_size == 0:
            return 0
        pages = Pages(path=path, wal=wal).open()
        pages.close()
        return pages.frames_lost
    return 0


def _compare(path: Path, connection: sqlite3.Connection, mark: Marked | None, *, wal: bool) -> str | None:
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not names:
        return "there is nothing in it any more" if path.with_suffix(".epoch").exists() else None
    if not {"meta", "log"} & names and not known_tables() & names:
        raise StoreDamaged(
            f"{path} is a database, but no log of Nightporter: it has the tables {', '.join(sorted(names)[:5])}. "
            "Put the log back in its place; nothing was overwritten."
        )
    if not {"meta", "log", "lane", "site_document", "snapshot", "outlet_cursor"} <= names:
        return "some of its tables are missing"
    facts = dict(connection.execute("SELECT name, value FROM meta"))
    epoch = facts.get("epoch")
    if epoch is None:
        return None
    if facts.get("checked_said", "ok") not in ("ok", "rescued"):
        return f"the check of the file said: {facts['checked_said']}"
    if mark is None:
        if facts.get("clean") == "0" and not wal:
            return "its WAL is missing although the agent did not stop in good order"
        return None
    if mark.epoch != epoch:
        led_here = {epoch}
        if "epoch" in names:
            replaced = dict(connection.execute("SELECT epoch, supersedes FROM epoch"))
            at: str | None = epoch
            while at is not None and (at := replaced.get(at)) not in led_here and at is not None:
                led_here.add(at)
        if mark.epoch not in led_here:
            return "it is an older copy: it knows nothing of the epoch that was written last"
        return None
    heads = _heads(connection, epoch)
    for lane, seq in mark.seqs.items():
        has = heads.get(lane, 0)
        if has < seq:
            return f"lane {lane} ends at record {has}, and record {seq} had been written"
    return None
