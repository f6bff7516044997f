"""The connection of recordings: the same answers and errors as the one of records, and a thread that lets go."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import h11
import pytest

from agent.errors import OutletError
from agent.outlets.answers import TooLarge, demand
from agent.outlets.bulk import BulkConnection
from agent.outlets.client import RelayClient
from agent.outlets.exchange import ClosedEarly, ReplyTooLong
from agent.outlets.http import HttpConnection
from agent.outlets.peer import Peer

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]
CONNECTIONS = (HttpConnection, BulkConnection)
YES = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def serving(at: Path, serve: Serve) -> AsyncIterator[Peer]:
    """A server of one kind of answer; nothing of it is left afterwards."""
    open_: list[tuple[asyncio.Task[None], asyncio.StreamWriter]] = []

    async def kept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_.append((task, writer))
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await serve(reader, writer)

    server = await asyncio.start_unix_server(kept, at)
    try:
        yield Peer(name="cloud", socket=at)
    finally:
        server.close()
        for task, writer in open_:
            writer.transport.abort()
            task.cancel()
        await asyncio.gather(*(task for task, _ in open_), return_exceptions=True)
        await asyncio.sleep(0)


async def head_of(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    return int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)


@pytest.mark.parametrize("kind", CONNECTIONS)
async def test_requests_share_a_connection_until_it_is_closed(tmp_path: Path, kind: type) -> None:
    connections, bodies = 0, []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(2):
            bodies.append(await reader.readexactly(await head_of(reader)))
            writer.write(YES)
        writer.close()

    async with serving(tmp_path / "s", serve) as peer:
        http = kind(peer=peer, context=None)
        for number in range(4):
            content = bytes([number]) * 3_000_000
            reply = await http.request("POST", "/x", headers={"a": "b"}, content=content)
            assert (reply.status, reply.body) == (201, b"ok")
            assert bodies[-1] == content
            await asyncio.sleep(0.02)
        http.abort()
    assert connections == 2


@pytest.mark.parametrize("kind", CONNECTIONS)
async def test_a_no_that_comes_before_the_end_is_heard(tmp_path: Path, kind: type) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        await reader.read(100_000)
        await asyncio.sleep(0.2)
        writer.close()

    async with serving(tmp_path / "s", serve) as peer:
        http = kind(peer=peer, context=None)
        reply = await http.request("POST", "/x", headers={}, content=bytes(30_000_000))
        with pytest.raises(TooLarge):
            demand(reply, relay="relay")
        http.abort()


@pytest.mark.parametrize("kind", CONNECTIONS)
@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", ClosedEarly), (b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n" + bytes(1_200_000), ReplyTooLong)],
)
async def test_what_is_no_answer(tmp_path: Path, kind: type, answer: bytes, error: type[Exception]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await head_of(reader)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with serving(tmp_path / "s", serve) as peer:
        http = kind(peer=peer, context=None)
        with pytest.raises((error, ConnectionError, h11.RemoteProtocolError)):
            await http.request("GET", "/x", headers={}, content=b"")
        http.abort()


@pytest.mark.parametrize("kind", CONNECTIONS)
async def test_nobody_there_is_an_error_of_the_system(tmp_path: Path, kind: type) -> None:
    http = kind(peer=Peer(name="cloud", socket=tmp_path / "nobody"), context=None)
    with pytest.raises(OSError, match="No such file"):
        await http.request("GET", "/x", headers={}, content=b"")
    http.abort()


@pytest.mark.parametrize("what", ["deaf", "mute"])
async def test_a_thread_that_waits_is_let_go(tmp_path: Path, what: str) -> None:
    """A relay that takes nothing, or says nothing: whoever waits may give up, and the thread ends."""
    hold = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if what == "mute":
            await reader.readexactly(await head_of(reader))
        await hold.wait()
        writer.close()

    async with serving(tmp_path / "s", serve) as peer:
        http = BulkConnection(peer=peer, context=None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await http.request("POST", "/x", headers={}, content=bytes(20_000_000))
        for _ in range(200):
            if not any(thread.name.startswith("outlet.cloud.media") for thread in threading.enumerate()):
                break
            await asyncio.sleep(0.01)
        else:
            raise AssertionError("the thread still waits")
        hold.set()


async def test_a_client_over_it_says_why_in_a_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:  # a port that nobody listens on
        taken.bind(("127.0.0.1", 0))
        peer = Peer(name="cloud", url=f"https://127.0.0.1:{taken.getsockname()[1]}", identity=tmp_path)
        client = RelayClient(peer=peer, http=BulkConnection(peer=peer, context=None))
        with pytest.raises(OutletError, match="cannot be reached: Connection refused"):
            await client.request("GET", "/x")


async def test_every_byte_is_metered(tmp_path: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(await head_of(reader))
        writer.write(YES)

    counted: dict[str, int] = {}
    async with serving(tmp_path / "s", serve):
        for kind in CONNECTIONS:
            seen: list[int] = []
            peer = Peer(name="cloud", socket=tmp_path / "s", meter=seen.append)
            http = kind(peer=peer, context=None)
            await http.request("POST", "/x", headers={}, content=bytes(500_000))
            counted[kind.__name__] = sum(seen)
            http.abort()
    assert counted["HttpConnection"] == counted["BulkConnection"] > 500_000 + len(YES)
