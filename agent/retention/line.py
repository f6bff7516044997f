"""The retention's word with the media worker: one order at a time, and its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from agent.video.messages import Evict, Evicted, Files, ListFiles

PATIENCE = 120.0
"""Seconds an answer may take. The worker works off orders at the lowest priority."""


class Line:
    """`order` hands a message to the worker of now and says whether there is one."""

    def __init__(self, *, order: Callable[[Evict | ListFiles], bool], patience: float = PATIENCE) -> None:
        self._order = order
        self._patience = patience
        self._waiting: tuple[str, asyncio.Future[Evicted | Files | None]] | None = None

    async def evict(self, batch: str, shas: tuple[str, ...]) -> Evicted | None:
        """Have blobs deleted; None when no answer came: ask again."""
        answer = await self._ask(f"evict {batch}", Evict(batch=batch, blobs=shas))
        return answer if isinstance(answer, Evicted) else None

    async def list_files(self, after: str) -> Files | None:
        """The blobs on the disk beyond a name; None when no answer came."""
        answer = await self._ask(f"files {after}", ListFiles(after=after))
        return answer if isinstance(answer, Files) else None

    async def _ask(self, name: str, message: Evict | ListFiles) -> Evicted | Files | None:
        answer: asyncio.Future[Evicted | Files | None] = asyncio.get_running_loop().create_future()
        self._waiting = (name, answer)
        try:
            if not self._order(message):
                return None
            async with asyncio.timeout(self._patience):
                return await answer
        except TimeoutError:
            return None
        finally:
            self._waiting = None

    def answered(self, message: Evicted | Files) -> None:
        """The worker answered; what nobody waits for any more is dropped."""
        name = f"evict {message.batch}" if isinstance(message, Evicted) else f"files {message.after}"
        if self._waiting is not None and self._waiting[0] == name and not self._waiting[1].done():
            self._waiting[1].set_result(message)

    def broken(self) -> None:
        """The worker went away."""
        if self._waiting is not None and not self._waiting[1].done():
            self._waiting[1].set_result(None)
