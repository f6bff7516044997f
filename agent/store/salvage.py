"""What can be rescued of a damaged log, into a new file; the damaged one is kept.

Theory of operation. The old files are only read, page by page (`pages.py`); the new one is built beside them. When it
is complete and on the disk, the old ones are moved to `log.db.damaged-<time>` and the new one takes their place: a
crash before that begins again, a crash in between is gone on with. Rows keep their bytes, their place and their seq.
What is known to be missing is written down, to be asked of the relays, and the log goes on under a new epoch.
"""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.clock import wall_now
from agent.errors import ConfigError, StoreDamaged, StoreError
from agent.failpoints import reach
from agent.store.database import migrations
from agent.store.exchange import exchange, free_name
from agent.store.inspection import known_tables
from agent.store.pages import Cell, Pages
from agent.store.salvage_rows import COLUMNS, Row, Stretch, fits, in_line, judge
from agent.store.salvage_tables import copy_tables, foreign, without_triggers
from agent.store.sites import digest
from agent.store.witness import Marked, kept_site, marked
from rules import ids, wire
from rules.events import LogGap

log = structlog.get_logger()

_ROOM = 1_000_000  # places left free in the log for what comes back of its lost end
_BATCH = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """`rows` of the log were rescued, `missing` are known to be lost (None: nobody knows); the old files are `kept`."""

    epoch: str
    rows: int
    missing: int | None
    kept: Path


def salvage(
    path: Path,
    *,
    gateway: str,
    outlets: Sequence[str],
    reason: str,
    alive: Callable[[], None] = lambda: None,
    check: bool = True,
) -> Salvaged:
    """Rescue the log at `path`, whose files nobody has open. `alive` is called from time to time. StoreDamaged or
    ConfigError when the file is none that may be replaced, StoreError when there is no room; then nothing has changed.
    """
    source = _source(path)
    part = path.with_name(path.name + ".salvage.part")
    part.unlink(missing_ok=True)
    pages = None
    if source is not None:
        _room(path, source)
        pages = Pages(path=source, wal=source.with_name(source.name + "-wal"))
    try:
        if pages is not None:
            pages.open()
            _may_be_replaced(pages, path, gateway)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        kept = free_name(path, stamp, "damaged") if source == path or source is None else source
        with closing(sqlite3.connect(part, isolation_level=None)) as new:
            for pragma in ("page_size=4096", "journal_mode=OFF", "synchronous=OFF"):
                new.execute(f"PRAGMA {pragma}")
            for number, sql in migrations():
                new.executescript(f"BEGIN;\n{sql}\nPRAGMA user_version={number};\nCOMMIT;")
            new.execute("BEGIN")
            salvaged = _fill(
                new,
                pages,
                path,
                gateway=gateway,
                outlets=outlets,
                reason=reason,
                kept=kept,
                alive=alive,
                check=check,
            )
            new.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be rescued just now: {error}") from error
    finally:
        if pages is not None:
            with suppress(AttributeError):
                pages.close()
    reach("rescue.before_exchange")
    exchange(path, part, kept)
    log.error("store.recovered", reason=reason, rows=salvaged.rows, missing=salvaged.missing, kept=str(salvaged.kept))
    return salvaged


def _source(path: Path) -> Path | None:
    """The file to read: the log, or, where that is gone or empty, the newest damaged copy beside it."""
    for each in (path, *sorted(path.parent.glob(path.name + ".damaged-*"), reverse=True)):
        if each.name.endswith(("-wal", "-shm")):
            continue
        with suppress(FileNotFoundError):
            if each.stat().st_size > 0:
                return each
            wal = each.with_name(each.name + "-wal")
            if wal.exists() and wal.stat().st_size > 0:
                return each
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > 0:
        path.touch(0o640)  # the WAL alone still has what was not moved into the file
        return path
    return None


def _room(path: Path, source: Path) -> None:
    disk = os.statvfs(path.parent)
    need = sum(each.stat().st_size for each in (source, source.with_name(source.name + "-wal")) if each.exists())
    if disk.f_bavail * disk.f_frsize < need:
        raise StoreError(
            f"{path} is damaged, and its file system has no room to rescue it into a new file: {need} bytes are "
            "needed. Make room; it is tried again."
        )


def _may_be_replaced(pages: Pages, path: Path, gateway: str) -> None:
    """What is not damaged but somebody else's, or of a newer version, is left alone."""
    tables = pages.tables()
    version = pages.user_version()
    ours = known_tables()
    if tables and not ours & tables.keys():
        raise StoreDamaged(
            f"{path} is a database, but no log of Nightporter: it has the tables {', '.join(sorted(tables)[:5])}. "
            "Put the log back in its place; nothing was overwritten."
        )
    newest = migrations()[-1][0]
    if version is not None and version > newest and tables.keys() - ours:
        raise StoreDamaged(
            f"{path} was written by a newer Nightporter (schema {version}, this one knows {newest}). "
            "Install the newer version again, or restore a backup made by this one."
        )
    owner = foreign(pages, tables, gateway)
    if owner is not None:
        raise ConfigError(f"{path} belongs to gateway {owner}, the configuration says {gateway}")


def _fill(
    new: sqlite3.Connection,
    pages: Pages | None,
    path: Path,
    *,
    gateway: str,
    outlets: Sequence[str],
    reason: str,
    kept: Path,
    alive: Callable[[], None],
    check: bool,
) -> Salvaged:
    """Everything that can be read, what is missing, and the new epoch that is begun."""
    mark = marked(path)
    if pages is not None:
        tables = pages.tables()
        with without_triggers(new):
            copy_tables(new, pages, tables, leave_out={"log", "lane", "salvage"})
            _copy_log(new, pages, tables, alive)
    _site(new, path)
    epoch = _epoch(new, path, mark)
    known = _known_lanes(new, mark)
    new.execute("DELETE FROM epoch WHERE moving = 1")
    stretches = judge(new, gateway=gateway, known=known, check=check)
    rows = int(new.execute("SELECT count(*) FROM log").fetchone()[0])
    missing = _note_missing(new, pages, stretches, epoch, mark, gateway)
    new.executemany(
        "INSERT OR REPLACE INTO lane (epoch, lane, seq, chain) VALUES (?, ?, ?, ?)",
        [(each.epoch, each.lane, each.seq, each.chain) for each in stretches if each.epoch == epoch and each.seq],
    )
    begun = _begin_epoch(new, epoch, stretches, outlets, reason)
    new.execute(
        "INSERT INTO salvage (epoch, reason, rows, missing, kept, wall) VALUES (?, ?, ?, ?, ?, ?)",
        (begun, reason, rows, missing, kept.name, wall_now()),
    )
    new.executemany(
        "INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)",
        [
            ("gateway", gateway),
            ("epoch", epoch),
            ("clean", "rescued"),
            ("put_aside", kept.name),
            ("checked_said", "rescued"),
        ],
    )
    _leave_room(new, begun, epoch, missing)
    return Salvaged(epoch=begun, rows=rows, missing=missing, kept=kept)


def _copy_log(
    new: sqlite3.Connection, pages: Pages, tables: dict[str, tuple[int, str]], alive: Callable[[], None]
) -> None:
    """Every good row. What does not stand in line with its neighbours comes after those that do, and last what no
    neighbour vouches for, so that it takes nobody's place."""
    seen: set[int] = set()
    insert = (
        f"INSERT OR IGNORE INTO log ({', '.join(COLUMNS)})"  # noqa: S608 - our own names
        f" VALUES ({','.join('?' * len(COLUMNS))})"
    )

    def cells() -> Iterator[Cell]:
        if "log" in tables:
            yield from pages.walk(tables["log"][0], seen)
        yield from pages.strays(seen)  # their parent is damaged, or they were freed: known ones are left out

    batch: list[Row] = []
    doubtful: list[Row] = []
    for row in in_line(cells(), doubtful):
        batch.append(row)
        if len(batch) >= _BATCH:
            new.executemany(insert, batch)
            batch.clear()
            alive()
    new.executemany(insert, batch)
    for _ in range(2):  # forth and back: one may stand because of another one
        doubtful = [row for row in doubtful if not (fits(new, row) and new.execute(insert, row).rowcount)]
        doubtful.reverse()
    new.executemany(insert, doubtful)


def _site(new: sqlite3.Connection, path: Path) -> None:
    """Only versions whose text is what it was; and the one in force from beside the log, should it be lost."""
    for version, sha256, text in new.execute("SELECT version, sha256, text FROM site_document").fetchall():
        if digest(text) != sha256:
            new.execute("DELETE FROM site_document WHERE version = ?", (version,))
    beside = kept_site(path)
    if beside is None:
        return
    (newest,) = new.execute("SELECT max(version) FROM site_document").fetchone()
    if newest is None or newest < beside.version:
        new.execute(
            "INSERT INTO site_document (version, sha256, text, who, why, wall) VALUES (?, ?, ?, ?, ?, ?)",
            (beside.version, beside.sha256, beside.text, beside.who, beside.why, wall_now()),
        )


def _epoch(new: sqlite3.Connection, path: Path, mark: Marked | None) -> str:
    """The epoch the log was in: as it says itself, as the mark says, as its newest row says."""
    row = new.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
    newest = new.execute("SELECT epoch FROM log WHERE lane IS NOT NULL ORDER BY pos DESC LIMIT 1").fetchone()
    if mark is not None:
        return mark.epoch
    if newest is not None:
        return str(newest[0])
    if row is not None:
        return str(row[0])
    with suppress(OSError, ValueError):
        return str(uuid.UUID(path.with_suffix(".epoch").read_text("ascii").strip()))
    return str(uuid.uuid4())


def _known_lanes(new: sqlite3.Connection, mark: Marked | None) -> Callable[[str, str], bool]:
    """Whether an epoch had such a lane, as others say than the rows themselves."""
    epochs = {str(row[0]) for row in new.execute("SELECT value FROM meta WHERE name = 'epoch'")}
    for epoch, supersedes in new.execute("SELECT epoch, supersedes FROM epoch"):
        epochs |= {str(epoch), str(supersedes)}

    def known(epoch: str, lane: str) -> bool:
        if mark is not None and epoch == mark.epoch:
            return bool(mark.seqs.get(lane))
        return epoch in epochs

    return known


def _note_missing(
    new: sqlite3.Connection,
    pages: Pages | None,
    stretches: Sequence[Stretch],
    epoch: str,
    mark: Marked | None,
    gateway: str,
) -> int | None:
    """Write down what is missing; how many records that is, as far as it is known."""
    heads: dict[tuple[str, str], int] = {}
    if pages is not None and "lane" in (tables := pages.tables()):
        for cell in pages.walk(tables["lane"][0], set()):
            if cell.values is not None and len(cell.values) == 4:
                name, lane, seq, _ = cell.values
                if isinstance(name, str) and isinstance(lane, str) and isinstance(seq, int):
                    heads[(name, lane)] = seq
    known_end = bool(heads) or mark is not None
    if mark is not None:
        for lane, seq in mark.seqs.items():  # it was written last, and has a checksum
            heads[(mark.epoch, lane)] = seq
    by_name = {(each.epoch, each.lane): each for each in stretches}
    ranges: list[tuple[str, str, int, int | None]] = []
    count = 0
    for each in stretches:
        ranges += [(each.epoch, each.lane, since, until) for since, until in each.holes]
        count += sum(until - since + 1 for since, until in each.holes)
    for (name, lane), seq in heads.items():
        stretch = by_name.get((name, lane))
        end = stretch.seq if stretch is not None else 0
        if seq > end:
            count += seq - end
            if name != epoch:
                ranges.append((name, lane, end + 1, seq))
    for lane in wire.LANES:  # a relay may have more than anybody here remembers
        stretch = by_name.get((epoch, lane))
        ranges.append((epoch, lane, (stretch.seq if stretch is not None else 0) + 1, None))
    new.executemany("INSERT OR REPLACE INTO missing (epoch, lane, since, until) VALUES (?, ?, ?, ?)", ranges)
    return count if known_end else None


def _begin_epoch(
    new: sqlite3.Connection, old: str, stretches: Sequence[Stretch], outlets: Sequence[str], reason: str
) -> str:
    """Leave the beginning of the new epoch to the opening of the log, as after a crash in the middle of one."""
    begun = str(uuid.uuid4())
    new.execute(
        "INSERT INTO epoch (epoch, supersedes, cause, reason, wall, moving) VALUES (?, ?, 'damage', ?, ?, 1)",
        (begun, old, reason, wall_now()),
    )
    ends = {each.lane: each.seq for each in stretches if each.epoch == old}
    for lane in wire.LANES:
        end = ends.get(lane, 0)
        reached = [
            new.execute(
                "SELECT seq FROM outlet_cursor WHERE outlet = ? AND epoch = ? AND lane = ?", (outlet, old, lane)
            ).fetchone()
            for outlet in outlets
        ]
        cut = min([end, *(int(row[0]) if row else 0 for row in reached)])
        new.execute("INSERT INTO epoch_cut (epoch, lane, since) VALUES (?, ?, ?)", (begun, lane, cut))
    return begun


def _leave_room(new: sqlite3.Connection, begun: str, old: str, missing: int | None) -> None:
    """A row that says in the log itself that something is missing before it, far enough on that what comes back finds
    its place."""
    pos, gt = new.execute("SELECT coalesce(max(pos), 0), max(gt) FROM log").fetchone()
    why = f"the file of the log was damaged; what is left of epoch {old} stands before this"
    fact = LogGap(
        id=ids.derived(begun, "gap"), gt=gt or 0, wall=wall_now(), clock="unsynced", count=missing, reason=why
    )
    new.execute(
        "INSERT INTO log (pos, epoch, id, kind, gt, wall, clock, input, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
        (pos + _ROOM, begun, fact.id, fact.kind, fact.gt, fact.wall, fact.clock, wire.encode(fact)),
    )
