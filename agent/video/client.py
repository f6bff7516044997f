"""The worker's end of the media link: dials the core's socket, and dials again when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import structlog

from agent.video.encoding import LINE_LIMIT, TO_WORKER, decode, encode
from agent.video.errors import LinkError
from agent.video.messages import FromWorker, Ping, Pong, Refused, ToWorker

log = structlog.get_logger()

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0


class MediaClient:
    """Keeps one connection to the core. `hear` is called for each message; `greeting` gives all that the core must be
    told on a new connection: who is here, how the cameras are, and every manifest message not confirmed yet. So
    what is said while no core is there need not be kept here; only refusals are, which nothing else repeats."""

    def __init__(
        self,
        *,
        path: Path,
        hear: Callable[[ToWorker], None],
        greeting: Callable[[], Iterable[FromWorker]],
        capacity: int = 4096,
    ) -> None:
        self._path = path
        self._hear = hear
        self._greeting = greeting
        self._capacity = capacity
        # Full means that the core has stopped reading: the connection is closed, and the next one is greeted anew.
        self._outgoing: asyncio.Queue[FromWorker] = asyncio.Queue(maxsize=capacity)
        # Full means that nobody has listened for a thousand refusals: the oldest is forgotten, its request repeats.
        self._refusals: deque[Refused] = deque(maxlen=1000)
        self._writer: asyncio.StreamWriter | None = None

    def send(self, message: FromWorker) -> None:
        """Say it now if the core is there. From the event loop only; never waits."""
        if self._writer is None:
            if isinstance(message, Refused):
                self._refusals.append(message)
            return
        try:
            self._outgoing.put_nowait(message)
        except asyncio.QueueFull:
            log.warning("media.link_stuck", waiting=self._capacity)
            self._writer.close()

    async def run(self) -> None:
        """Dial, serve, dial again, until cancelled. The pause grows from 0.1 to 5 s, with jitter, while no core is
        there, so that a restarted core finds its worker at once."""
        pause = FIRST_PAUSE
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path), limit=LINE_LIMIT)
            except OSError as error:
                if pause == FIRST_PAUSE:
                    log.info("media.core_unreachable", socket=str(self._path), reason=error.strerror)
            else:
                log.info("media.core_connected", socket=str(self._path))
                if await self._serve(reader, writer):
                    pause = FIRST_PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One connection to its end; whether the core said anything on it."""
        self._outgoing = asyncio.Queue(maxsize=self._capacity)
        self._writer = writer
        first = [*self._greeting(), *self._refusals]
        self._refusals.clear()
        heard = False
        sender = asyncio.create_task(self._write(writer, first), name="media link sender")
        reason = "the core closed the connection"
        try:
            while line := await reader.readline():
                message = cast("ToWorker", decode(line, TO_WORKER))
                heard = True
                if isinstance(message, Ping):
                    self.send(Pong(n=message.n))
                else:
                    self._hear(message)
        except (LinkError, ValueError) as error:
            # readline() raises ValueError for a line beyond the limit.
            reason = str(error)
        except OSError as error:
            reason = f"the connection to the core broke: {error.strerror}"
        finally:
            self._writer = None
            writer.close()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            while not self._outgoing.empty():
                if isinstance(left := self._outgoing.get_nowait(), Refused):
                    self._refusals.append(left)
        log.info("media.core_lost", reason=reason)
        return heard

    async def _write(self, writer: asyncio.StreamWriter, first: list[FromWorker]) -> None:
        with contextlib.suppress(OSError):
            for message in first:
                writer.write(encode(message))
                await writer.drain()
            while True:
                writer.write(encode(await self._outgoing.get()))
                await writer.drain()
