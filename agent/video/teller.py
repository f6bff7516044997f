"""Telling the core: first durably to the journal, then over the link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor

import structlog

from agent.video.errors import StorageError
from agent.video.journal import Journal
from agent.video.messages import FromWorker, Manifest

log = structlog.get_logger()


class Teller:
    """`disk` is where blocking writes run; `send` hands a message to the link."""

    def __init__(self, *, journal: Journal, disk: Executor, send: Callable[[FromWorker], None]) -> None:
        self._journal = journal
        self._disk = disk
        self._send = send

    async def tell(self, message: Manifest) -> None:
        """Say it, and repeat it until confirmed. A disk that takes no line does not keep it from being said: it is
        then repeated only by this process."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._journal.write, message)
        except StorageError as error:
            log.warning("media.journal_failed", reason=str(error))
        self._journal.remember(message)
        self._send(message)

    def retell(self, subject: str) -> bool:
        """Say all again about a subject; False when nothing is known about it."""
        messages = self._journal.told(subject)
        for message in messages:
            self._send(message)
        return bool(messages)
