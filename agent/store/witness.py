"""What stands beside the log and can say what must be in it: how far it had got, and the site document in force.

`log.mark` is written after each commit and is not waited for: after a crash of the process it is exact, after a power
cut it may be older than the log, but it is never ahead of what was committed. `log.site` is the document in force, so
that a gateway whose log is destroyed still knows its doors.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from agent.store.sites import SiteVersion, digest

log = structlog.get_logger()

_WIDTH = 256  # bytes; one write, always the same place


@dataclass(frozen=True, slots=True)
class Marked:
    """The epoch, and the highest seq of each lane that was committed."""

    epoch: str
    seqs: Mapping[str, int]


class Mark:
    """The mark of the log at `path`. It is opened with its first use and stays open."""

    def __init__(self, *, path: Path) -> None:
        self._path = path.with_suffix(".mark")
        self._file: int | None = None

    def put(self, epoch: str, seqs: Mapping[str, int]) -> None:
        """This much is committed. Some microseconds; no fsync, and no error: without it less is known, no more."""
        text = json.dumps([epoch, seqs], separators=(",", ":")).encode()
        with suppress(OSError):
            if self._file is None:
                self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o640)
            os.pwrite(self._file, b"%08x %s" % (zlib.crc32(text), text.ljust(_WIDTH)), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.close()


def marked(path: Path) -> Marked | None:
    """The mark of the log at `path`; None when there is none that can be read."""
    try:
        sums, _, rest = path.with_suffix(".mark").read_bytes().partition(b" ")
        text = rest.rstrip()
        if zlib.crc32(text) != int(sums, 16):
            return None
        epoch, seqs = json.loads(text)
        return Marked(str(epoch), {str(lane): int(seq) for lane, seq in seqs.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def keep_site(path: Path, version: SiteVersion) -> None:
    """Lay the document in force beside the log at `path`, if it is another than lies there. Where that fails the log
    still has it."""
    if kept_site(path) == version:
        return
    beside = path.with_suffix(".site")
    temporary = beside.with_name(beside.name + ".new")
    text = json.dumps({name: getattr(version, name) for name in SiteVersion.__slots__}, ensure_ascii=False)
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640), "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(beside)
    except OSError as error:
        log.warning("site.not_kept", path=str(beside), reason=error.strerror)


def kept_site(path: Path) -> SiteVersion | None:
    """The document that lies beside the log at `path`; None when there is none, or it is damaged."""
    try:
        found = json.loads(path.with_suffix(".site").read_bytes())
        version = SiteVersion(
            version=int(found["version"]),
            sha256=str(found["sha256"]),
            text=str(found["text"]),
            who=str(found["who"]),
            why=str(found["why"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return version if digest(version.text) == version.sha256 else None
