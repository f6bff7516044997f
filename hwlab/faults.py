"""A line that misbehaves: a TCP proxy on loopback between a client and what it wants, with a fault profile that may
change while connections are open.

Theory of operation: each direction of a connection is two tasks with a bounded queue between them. One reads pieces
and stamps each with the moment it may arrive (delay, jitter, never before the one in front); the other waits for that
moment and writes at the line's rate. What is swallowed is read and forgotten; what stalls is not even read. A full
queue stops the reading, so the sender feels the line's rate as it would a real one's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self

import structlog

from hwlab.errors import LabError

log = structlog.get_logger()

Mode = Literal["pass", "refuse", "swallow", "stall", "drip", "garbage", "portal"]
_PIECE = 16_384
_QUEUED = 64  # pieces on their way in one direction; full: the proxy stops reading
_MOST = 512  # connections at once; one more is reset
_DRIP = 1.0  # bytes a second of a slow-loris line
_LOGIN = b"<!doctype html><title>Welcome</title><p>Please accept the terms of this network."
_PORTAL = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: " + str(len(_LOGIN)).encode() + b"\r\n"
    b"connection: close\r\n\r\n" + _LOGIN
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """How the line is. `latency` and `jitter` are seconds one way, `rate` bytes a second each way; `reset_after` bytes
    from the client a connection is reset, once per connection; `deaf` swallows one direction only: what goes up to the
    server, or what comes down from it."""

    mode: Mode = "pass"
    latency: float = 0.0
    jitter: float = 0.0
    rate: float | None = None
    reset_after: int | None = None
    deaf: Literal["up", "down"] | None = None


PROFILES: dict[str, Profile] = {
    "online": Profile(),
    "satellite": Profile(latency=0.3),  # 600 ms there and back
    "lte-bad": Profile(latency=0.1, jitter=0.05, rate=125_000),
    "narrow": Profile(rate=64_000),
    "cut-often": Profile(reset_after=50_000),
    "half-open": Profile(mode="swallow"),
    "stalled": Profile(mode="stall"),
    "one-way-up": Profile(deaf="down"),
    "one-way-down": Profile(deaf="up"),
    "slow-loris": Profile(mode="drip"),
    "garbage": Profile(mode="garbage"),
    "captive-portal": Profile(mode="portal"),
    "refused": Profile(mode="refuse"),
}


class _Reset(Exception):
    """This connection ends as if a cable was pulled and put back."""


class FaultProxy:
    """`async with FaultProxy(to=(host, port)) as proxy:` then dial `proxy.host:proxy.port`. The profile (by `set`) and
    `to` may change at any time; `cut()` resets what is open. Counted: connections, bytes up and down, resets."""

    host = "127.0.0.1"

    def __init__(
        self, *, to: tuple[str, int], profile: Profile | None = None, port: int = 0, seed: int | None = None
    ) -> None:
        self.connections = self.up = self.down = self.resets = 0
        self.to = to
        self._profile = profile or Profile()
        self._port = port
        self._chance = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def port(self) -> int:
        """Where it listens, the same for as long as it lives."""
        return self._port

    @property
    def profile(self) -> Profile:
        """How the line is now."""
        return self._profile

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._deaf()
        await self.cut()

    async def set(self, profile: Profile) -> None:
        """Another line from now on, for open connections too. `refuse` closes the port and resets what is open."""
        self._profile = profile
        self._changed.set()
        self._changed = asyncio.Event()
        if profile.mode == "refuse":
            await self._deaf()
            await self.cut()
        elif self._server is None:
            await self._listen()
        log.debug("faults.profile", port=self._port, profile=profile)

    async def cut(self) -> None:
        """Reset every open connection."""
        tasks = list(self._open)
        self.resets += len(tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        if self._profile.mode == "refuse" and self._port:
            return
        try:
            self._server = await asyncio.start_server(self._accept, self.host, self._port, limit=_PIECE)
        except OSError as error:
            raise LabError(f"the fault proxy cannot listen on {self.host}:{self._port}: {error.strerror}") from None
        self._port = self._server.sockets[0].getsockname()[1]
        if self._profile.mode == "refuse":
            await self._deaf()

    async def _deaf(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._open) >= _MOST:
            _abort(writer)
            return
        self.connections += 1
        # A task of its own: asyncio reports a cancelled handler of a server as an accident.
        task = asyncio.create_task(self._connection(reader, writer), name=f"faults.connection-{self.connections}")
        self._open.add(task)
        try:
            await asyncio.wait({task})
        finally:
            self._open.discard(task)
            task.cancel()
            _abort(writer)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._serve(reader, writer)
        except* (_Reset, OSError):
            self.resets += 1

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mode = self._profile.mode
        if mode == "portal":
            await reader.read(_PIECE)
            writer.write(_PORTAL)
            await writer.drain()
            return
        if mode == "garbage":
            writer.write(os.urandom(4096))
            await writer.drain()
            while await reader.read(_PIECE):
                pass
            return
        if mode in ("swallow", "stall"):  # nobody is dialled: the other end never hears of it
            await self._nowhere(reader)
            raise _Reset
        there, back = await asyncio.open_connection(*self.to, limit=_PIECE)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back, up=True), name="faults.up")
                group.create_task(self._pump(there, writer, up=False), name="faults.down")
        finally:
            _abort(back)

    async def _nowhere(self, reader: asyncio.StreamReader) -> None:
        """Until the line is another one: what comes is read and forgotten, or not even read."""
        while self._profile.mode in ("swallow", "stall"):
            waiting: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._changed.wait())}
            if self._profile.mode == "swallow" and not reader.at_eof():
                waiting.add(asyncio.ensure_future(reader.read(_PIECE)))
            try:
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waiting:
                    task.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        """One direction until it ends; its end is passed on as an end."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_QUEUED)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read(reader, queue, up=up), name="faults.read")
            group.create_task(self._write(queue, writer, up=up), name="faults.write")

    async def _read(self, reader: asyncio.StreamReader, queue: asyncio.Queue[tuple[float, bytes]], *, up: bool) -> None:
        loop = asyncio.get_running_loop()
        arrives, total = 0.0, 0
        while True:
            while self._profile.mode == "stall":
                await self._changed.wait()
            piece = await reader.read(_PIECE)
            profile = self._profile
            total += len(piece)
            if up:
                self.up += len(piece)
                if profile.reset_after is not None and total >= profile.reset_after:
                    raise _Reset
            else:
                self.down += len(piece)
            delay = max(0.0, profile.latency + self._chance.uniform(-profile.jitter, profile.jitter))
            arrives = max(arrives, loop.time() + delay)
            await queue.put((arrives, piece))
            if not piece:
                return

    async def _write(
        self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, *, up: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        lost = False
        while True:
            arrives, piece = await queue.get()
            await asyncio.sleep(max(0.0, arrives - loop.time()))
            profile = self._profile
            if not piece:
                with contextlib.suppress(OSError):
                    writer.write_eof()
                return
            if profile.mode == "swallow" or profile.deaf == ("up" if up else "down"):
                lost = True
                continue
            if lost:  # the line is back, but not this connection: a router in between has forgotten it
                raise _Reset
            if profile.mode == "drip":
                await self._drip(piece, writer)
                continue
            writer.write(piece)
            await writer.drain()
            if profile.rate is not None:
                await asyncio.sleep(len(piece) / profile.rate)

    async def _drip(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        for number in range(len(piece)):
            if self._profile.mode != "drip":
                writer.write(piece[number:])
                break
            writer.write(piece[number : number + 1])
            changed = self._changed
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1 / _DRIP):
                    await changed.wait()
        await writer.drain()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close with a reset rather than in good order: bytes on their way are gone."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
