"""A blob on our disk: `<media>/blobs/ab/cd/<sha256>`, read in pieces and outside the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

_PIECE = 1_048_576


class Unusable(Exception):
    """The file is not there, cannot be read, or is not what its name says; the text says which."""


@dataclass(frozen=True, slots=True)
class BlobFile:
    """A file whose bytes were found to have the SHA-256 it is named by. `size` in bytes."""

    path: Path
    sha256: str
    size: int

    async def read(self, offset: int, length: int) -> bytes:
        """Exactly this much of it. Unusable when it is no longer there."""
        return await asyncio.to_thread(self._read, offset, length)

    def _read(self, offset: int, length: int) -> bytes:
        try:
            with self.path.open("rb", buffering=0) as file:
                file.seek(offset)
                data = file.read(length)
        except OSError as error:
            raise Unusable(f"{self.path} cannot be read: {error.strerror}") from None
        if data is None or len(data) != length:
            raise Unusable(f"{self.path} became shorter while it was sent")
        return data


async def find(media: Path, sha256: str) -> BlobFile:
    """The blob, its bytes checked. Unusable otherwise."""
    return await asyncio.to_thread(_find, media / "blobs" / sha256[:2] / sha256[2:4] / sha256, sha256)


def _find(path: Path, sha256: str) -> BlobFile:
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb", buffering=0) as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                size += len(piece)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    if digest.hexdigest() != sha256:
        raise Unusable(f"{path} no longer has the bytes it is named by ({size} bytes, another SHA-256)")
    return BlobFile(path, sha256, size)
