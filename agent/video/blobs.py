"""Blobs: bytes named by their SHA-256. Written once, never changed, shared with the relay on the box (read-only)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from agent.video.files import make_directory, storage_error, write_durably

BLOB_MODE = 0o440


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
        try:
            if path.exists() and path.stat().st_size == blob.bytes:
                return blob
            make_directory(self._scratch)
        except OSError as error:
            raise storage_error(error, "a blob") from error
        write_durably(path, data, mode=BLOB_MODE, scratch=self._scratch)
        return blob
