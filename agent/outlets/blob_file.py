"""A blob on our disk: `<media>/blobs/ab/cd/<sha256>`, read in pieces and outside the event loop.

Its bytes are not hashed before they leave: the relay checks the SHA-256 of what arrived, and only when that differs is
it worth reading everything again to see which side was wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path


class Unusable(Exception):
    """The file is not there, cannot be read, or is not what its name says; the text says which."""


@dataclass(frozen=True, slots=True)
class BlobFile:
    """A file that has the size its manifest says. `size` in bytes."""

    path: Path
    sha256: str
    size: int

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly this much of it. Unusable when it is no longer there."""
        return await asyncio.to_thread(self._read, offset, length)

    async def verify(self) -> None:
        """Read it whole. Unusable when its bytes are not those it is named by."""
        await asyncio.to_thread(self._verify)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(descriptor, length, offset)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unusable(f"{self.path} cannot be read: {error.strerror}") from None
        if len(data) != length:
            raise Unusable(f"{self.path} became shorter while it was sent")
        return data

    def _verify(self) -> None:
        try:
            with self.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise Unusable(f"{self.path} cannot be read: {error.strerror}") from None
        if digest != self.sha256:
            raise Unusable(_changed(self.path, self.size))


async def find(media: Path, sha256: str, size: int) -> BlobFile:
    """The blob of this size. Unusable when it is not there, or another size."""
    return await asyncio.to_thread(_find, path_of(media, sha256), sha256, size)


def path_of(media: Path, sha256: str) -> Path:
    """Where a blob lies, or would."""
    return media / "blobs" / sha256[:2] / sha256[2:4] / sha256


def _find(path: Path, sha256: str, size: int) -> BlobFile:
    try:
        found = path.stat().st_size
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    if found != size:
        raise Unusable(_changed(path, found))
    return BlobFile(path, sha256, size)


def _changed(path: Path, size: int) -> str:
    return f"{path} no longer has the bytes it is named by ({size} bytes, another SHA-256)"
