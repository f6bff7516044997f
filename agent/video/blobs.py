"""Blobs: bytes named by their SHA-256. Written once, never changed, shared with the relay on the box (read-only)."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.video.files import make_directory, storage_error, write_durably

BLOB_MODE = 0o440
FRESH = 600.0
"""Seconds for which a blob that was asked to be kept cannot be deleted: the core may not know yet that it is needed."""
_NAME = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A blob on disk: its name and its size in bytes."""

    sha256: str
    bytes: int


class BlobStore:
    """The directory `blobs/ab/cd/<sha256>` below `root`. All methods block; StorageError when the disk refuses."""

    def __init__(self, root: Path) -> None:
        self._blobs = root / "blobs"
        self._scratch = root / "tmp"
        self._lock = threading.Lock()
        self._asked: dict[str, float] = {}  # name -> monotonic time of its last put; forgotten after FRESH

    def path(self, sha256: str) -> Path:
        """Where the blob of this name is, or would be."""
        return self._blobs / sha256[:2] / sha256[2:4] / sha256

    def prepare(self) -> None:
        """Make the directories and remove what a killed predecessor left half-written."""
        try:
            make_directory(self._blobs)
            make_directory(self._scratch)
            for leftover in self._scratch.iterdir():
                leftover.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error, "its directories") from error

    def put(self, data: bytes) -> Blob:
        """Keep these bytes; durable when it returns. The same bytes again cost only a look."""
        blob = Blob(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        path = self.path(blob.sha256)
        self._remember(blob.sha256)  # before the look: from here on it cannot be deleted
        try:
            if path.exists() and path.stat().st_size == blob.bytes:
                return blob
            make_directory(self._scratch)
        except OSError as error:
            raise storage_error(error, "a blob") from error
        write_durably(path, data, mode=BLOB_MODE, scratch=self._scratch)
        return blob

    def _remember(self, sha256: str) -> None:
        now = time.monotonic()
        with self._lock:
            self._asked.pop(sha256, None)
            self._asked[sha256] = now
            while self._asked and now - next(iter(self._asked.values())) > FRESH:
                del self._asked[next(iter(self._asked))]

    def remove(self, sha256: str) -> bool:
        """Delete the blob; True when it is not there (any more), False when it was asked for a moment ago."""
        if not _NAME.fullmatch(sha256):
            return True
        with self._lock:
            if time.monotonic() - self._asked.get(sha256, -FRESH) < FRESH:
                return False
            try:
                self.path(sha256).unlink(missing_ok=True)
            except OSError as error:
                raise storage_error(error, "a deletion") from error
        return True

    def listed(self, *, after: str, most: int) -> tuple[list[Blob], str]:
        """Blobs on the disk in the order of their names beyond `after`, about `most` of them, and the name up to which
        that is all; an empty name is the end."""
        found: list[Blob] = []
        try:
            for folder in self._folders(after):
                for path in sorted(folder.iterdir()):
                    if path.name > after and _NAME.fullmatch(path.name):
                        found.append(Blob(sha256=path.name, bytes=path.stat().st_size))
                if len(found) >= most:
                    return found, found[-1].sha256
        except OSError as error:
            raise storage_error(error, "a look at its blobs") from error
        return found, ""

    def _folders(self, after: str) -> Iterator[Path]:
        for first in sorted(self._blobs.iterdir()):
            if first.is_dir() and first.name >= after[:2]:
                for second in sorted(first.iterdir()):
                    if second.is_dir() and first.name + second.name >= after[:4]:
                        yield second
