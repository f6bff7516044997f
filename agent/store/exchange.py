"""One file in the place of another, whole or not at all: also when the power goes in the middle of it."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from agent.failpoints import reach


def exchange(path: Path, fresh: Path, kept: Path) -> None:
    """Put the complete file `fresh` at `path`, and what is there at `kept`. `fresh` names `kept` in its meta."""
    on_disk(fresh)
    fresh.replace(path.with_name(path.name + ".ready"))
    on_disk(path.parent)
    finish(path)


def finish(path: Path) -> bool:
    """Put what is complete into its place, also when a crash kept it from it. True when there was something."""
    new = path.with_name(path.name + ".ready")
    if not new.exists():
        return False
    with closing(sqlite3.connect(f"file:{new}?mode=ro", uri=True)) as connection:
        (name,) = connection.execute("SELECT value FROM meta WHERE name = 'put_aside'").fetchone()
    kept = path.with_name(name)
    for side in ("-wal", ""):  # the WAL first: it must never lie beside the new file
        old = path.with_name(path.name + side)
        if old.exists() and not kept.with_name(kept.name + side).exists():
            old.replace(kept.with_name(kept.name + side))
    reach("rescue.in_exchange")
    path.with_name(path.name + "-shm").unlink(missing_ok=True)
    with suppress(FileNotFoundError):
        os.truncate(path.with_suffix(".mark"), 0)  # of the old file; a running agent has it open
    new.replace(path)
    on_disk(path.parent)
    return True


def free_name(path: Path, stamp: str, why: str) -> Path:
    """A name that nothing beside `path` has."""
    kept = path.with_name(f"{path.name}.{why}-{stamp}")
    n = 1
    while kept.exists() or kept.with_name(kept.name + "-wal").exists():
        n += 1
        kept = path.with_name(f"{path.name}.{why}-{stamp}-{n}")
    return kept


def on_disk(path: Path) -> None:
    """Make a file, or the names in a directory, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
