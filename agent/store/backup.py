"""A backup of this gateway in one file: the log, the site document, the configuration, and which secrets there are.

Theory of operation. SQLite copies the log as of one moment, page by page and with pauses, through a connection of its
own that holds this moment by reading; the agent goes on writing. The copy is checked. The file is a plain tar
(`backup.json`, `log.db`, `agent.yaml`, `site.yaml`, and `secrets.age` if it was asked for), written under another name,
read back, and renamed when it is whole and durable. Footage is not in it: it is as large as the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import sqlite3
import tarfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.clock import wall_now
from agent.errors import ConfigError, StoreDamaged, StoreError
from agent.failpoints import reach
from agent.store.exchange import on_disk
from rules import VERSION

FORMAT = 1
MANIFEST, LOG, CONFIG, SITE, SECRETS = "backup.json", "log.db", "agent.yaml", "site.yaml", "secrets.age"
SUFFIX = ".npbackup"
_PAGES = 512  # copied at once: 2 MB
_PAUSE = 0.01  # seconds after each

Progress = Callable[[int, int], None]  # done, of


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself. `made` is wall µs; `sha256` is that of each part."""

    format: int
    gateway: str
    epoch: str
    rows: int
    made: int
    software: str
    schema: int
    secrets: list[str]
    sha256: dict[str, str]


def back_up(
    log: Path,
    target: Path,
    *,
    gateway: str,
    config: bytes,
    secrets: Sequence[str],
    sealed: bytes | None = None,
    progress: Progress = lambda done, of: None,
) -> tuple[Path, Manifest]:
    """Write the backup of the log at `log` to `target`: a file that does not exist yet, or a directory, where it gets a
    name of its own. `secrets` are names; `sealed` is what they are, encrypted. Blocking. Returns the file and what is
    in it. ConfigError, StoreError or StoreDamaged when there is none; then nothing is left there."""
    if not log.is_file():
        raise StoreError(f"there is no log at {log} yet: the agent has not run here")
    made = wall_now()
    if target.is_dir():
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(made // 1_000_000))
        target = target / f"{gateway}-{stamp}{SUFFIX}"
    if target.exists():
        raise ConfigError(f"{target} exists already; choose another name, a backup never overwrites one")
    copy, whole = target.with_name(f".{target.name}.log"), target.with_name(f".{target.name}.part")
    try:
        _room(log, target)
        facts, site = _copy(log, copy, progress)
        if facts.get("gateway") != gateway:
            raise ConfigError(f"{log} belongs to gateway {facts.get('gateway')}, the configuration says {gateway}")
        reach("backup.mid")
        parts = {CONFIG: config, SITE: site.encode()} | ({SECRETS: sealed} if sealed is not None else {})
        manifest = Manifest(
            format=FORMAT,
            gateway=gateway,
            epoch=facts.get("epoch", ""),
            rows=int(facts["rows"]),
            made=made,
            software=VERSION,
            schema=int(facts["schema"]),
            secrets=sorted(secrets),
            sha256={LOG: file_digest(copy)} | {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
        )
        _write(whole, manifest, copy, parts)
        read(whole)  # what is on the medium now, not what was meant to be
        if target.exists():
            raise ConfigError(f"{target} has appeared meanwhile; it was left as it is")
        os.rename(whole, target)
        on_disk(target.parent)
    except OSError as error:
        where = error.filename or target
        raise StoreError(f"the backup cannot be written: {where}: {error.strerror}") from None
    finally:
        for path in (copy, copy.with_name(copy.name + "-journal"), whole):
            path.unlink(missing_ok=True)
    return target, manifest


def read(path: Path) -> Manifest:
    """What is in a backup, once every part was read and has the SHA-256 it was written with. ConfigError when it is no
    backup, a part of one, or damaged."""
    try:
        with tarfile.open(path, "r:") as tar:
            member = tar.extractfile(MANIFEST)
            manifest = Manifest(**json.load(member)) if member is not None else None
            if manifest is None or manifest.format != FORMAT:
                raise ConfigError(f"{path} is a backup of another format; use the Nightporter that made it")
            for name, sha256 in manifest.sha256.items():
                part = tar.extractfile(name)
                if part is None or hashlib.file_digest(part, "sha256").hexdigest() != sha256:  # type: ignore[arg-type]
                    raise ConfigError(f"{path}: {name} is not as it was written; use another backup")
    except (tarfile.TarError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not a backup of a gateway, or only a part of one ({error})") from None
    return manifest


def file_digest(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def private(path: Path) -> io.BufferedRandom:
    """A new file for its owner alone, whatever the umask."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    return os.fdopen(descriptor, "w+b")


def _room(log: Path, target: Path) -> None:
    wal = log.with_name(log.name + "-wal")
    need = 2 * (log.stat().st_size + (wal.stat().st_size if wal.exists() else 0)) + (1 << 20)
    disk = os.statvfs(target.parent)
    free = disk.f_bavail * disk.f_frsize
    if free < need:
        raise StoreError(
            f"{target.parent} has {free} bytes free, and the backup needs up to {need}; nothing was written"
        )


def _copy(log: Path, copy: Path, progress: Progress) -> tuple[dict[str, str], str]:
    """A checked copy of the log; its facts and the site document in force."""
    private(copy).close()
    try:
        with (
            contextlib.closing(sqlite3.connect(f"{log.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as here,
            contextlib.closing(sqlite3.connect(copy)) as there,
        ):
            here.execute("BEGIN")
            here.execute("SELECT count(*) FROM meta").fetchone()  # from here on it reads this moment

            def step(status: int, remaining: int, total: int) -> None:
                progress(total - remaining, total)
                time.sleep(_PAUSE)  # a commit of the agent finds the disk free

            here.backup(there, pages=_PAGES, progress=step)
            here.rollback()
            there.execute("PRAGMA journal_mode=DELETE")
            (verdict,) = there.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise StoreDamaged(
                    f"{log} is damaged ({verdict}): no backup was made of it. Restart the agent, which rescues what is "
                    "left, then make the backup"
                )
            facts = dict(there.execute("SELECT name, value FROM meta").fetchall())
            facts["rows"] = str(there.execute("SELECT count(*) FROM log").fetchone()[0])
            facts["schema"] = str(there.execute("PRAGMA user_version").fetchone()[0])
            site = there.execute("SELECT text FROM site_document ORDER BY version DESC LIMIT 1").fetchone()
    except sqlite3.OperationalError as error:
        raise StoreError(f"{log} cannot be copied just now: {error}") from None
    except sqlite3.DatabaseError as error:
        raise StoreDamaged(f"{log} is damaged ({error}): no backup was made of it. Restart the agent") from None
    with copy.open("rb") as file:
        os.fsync(file.fileno())
    return facts, str(site[0]) if site else ""


def _write(whole: Path, manifest: Manifest, copy: Path, parts: dict[str, bytes]) -> None:
    with private(whole) as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            text = (json.dumps(asdict(manifest), indent=2) + "\n").encode()
            for name, data in {MANIFEST: text, **parts}.items():
                tar.addfile(_entry(name, len(data), manifest.made), io.BytesIO(data))
            with copy.open("rb") as log:
                tar.addfile(_entry(LOG, copy.stat().st_size, manifest.made), log)
        file.flush()
        os.fsync(file.fileno())


def _entry(name: str, size: int, made: int) -> tarfile.TarInfo:
    """Nothing of this machine but name and size: no owner, no odd mode."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, made // 1_000_000
    return entry
