"""A tar archive made as it is read: nothing of it is ever whole in memory or on our disk."""

from __future__ import annotations

import asyncio
import io
import tarfile
from collections.abc import AsyncIterator

from agent.errors import AgentError

_PAD = tarfile.BLOCKSIZE


def header(name: str, size: int, *, made: int) -> bytes:
    """The header of a member; `made` is wall µs."""
    member = tarfile.TarInfo(name)
    member.size, member.mtime, member.mode = size, made // 1_000_000, 0o440
    return member.tobuf(tarfile.USTAR_FORMAT)


def padding(size: int) -> bytes:
    """What fills a member of this size up to whole blocks."""
    return b"\0" * (-size % _PAD)


END = b"\0" * 2 * _PAD


class Pieces(io.RawIOBase):
    """The pieces of an asynchronous maker as a file to be read by another thread; the loop of that maker must run.
    `error` is what the maker raised: whoever reads this file may not hand it on."""

    def __init__(self, maker: AsyncIterator[bytes], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._maker = maker
        self._loop = loop
        self._left = b""
        self.error: AgentError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, room: memoryview) -> int:  # type: ignore[override]
        """Fill as much as there is; 0 at the end. Raises what the maker raises."""
        if not self._left:
            try:
                self._left = asyncio.run_coroutine_threadsafe(self._next(), self._loop).result()
            except AgentError as error:
                self.error = error
                raise
        count = min(len(room), len(self._left))
        room[:count] = self._left[:count]
        self._left = self._left[count:]
        return count

    async def _next(self) -> bytes:
        async for piece in self._maker:
            if piece:
                return piece
        return b""
