"""The two ends of the media link on a real Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from agent.video.client import MediaClient
from agent.video.encoding import decode, encode
from agent.video.link import LinkError, MediaServer, PeerRefused, WorkerGone
from agent.video.messages import (
    ClipOpened,
    ClipSealed,
    Configure,
    FromWorker,
    Hello,
    Ping,
    Pong,
    Refused,
    SaveClip,
    Stored,
    ToWorker,
)

CONFIGURE = Configure(cameras=(), media_dir="/nowhere")
OPENED = ClipOpened(clip="c", incident="i", camera="hall", trigger=1, pre=1, post=1, start=0, mark=1, width=1, height=1)
SEALED = ClipSealed(clip="c", camera="hall", end=2, segments=0, reason="no_footage")


def request(clip: str = "c", *, deadline: int = 1 << 60) -> SaveClip:
    return SaveClip(
        clip=clip,
        incident="i",
        camera="hall",
        trigger_boot=1,
        trigger_wall=1,
        pre=1,
        post=1,
        deadline_boot=deadline,
    )


class Core:
    """A running server and all that it heard."""

    def __init__(self, path: Path, **options: object) -> None:
        self.path = path
        self.server = MediaServer(
            path=path,
            configure=CONFIGURE,
            uids=options.pop("uids", frozenset({os.getuid()})),  # type: ignore[arg-type]
            **options,  # type: ignore[arg-type]
        )
        self.heard: asyncio.Queue[object] = asyncio.Queue()

    async def listen(self) -> None:
        async for message in self.server.messages():
            self.heard.put_nowait(message)

    async def next(self, kind: type) -> object:
        async with asyncio.timeout(10):
            while not isinstance(message := await self.heard.get(), kind):
                pass
            return message


@asynccontextmanager
async def core(path: Path, **options: object) -> AsyncIterator[Core]:
    made = Core(path, **options)
    tasks = [asyncio.create_task(made.server.run()), asyncio.create_task(made.listen())]
    try:
        async with asyncio.timeout(5):
            while not os.path.exists(path):
                await asyncio.sleep(0.01)
        yield made
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def worker(
    path: Path, *, greeting: Callable[[], list[FromWorker]] | None = None
) -> AsyncIterator[tuple[MediaClient, asyncio.Queue[ToWorker]]]:
    heard: asyncio.Queue[ToWorker] = asyncio.Queue()
    client = MediaClient(
        path=path, hear=heard.put_nowait, greeting=greeting or (lambda: [Hello(pid=os.getpid(), version="1")])
    )
    task = asyncio.create_task(client.run())
    try:
        yield client, heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def got(heard: asyncio.Queue[ToWorker]) -> ToWorker:
    return await asyncio.wait_for(heard.get(), 10)


async def test_a_worker_is_configured_and_heard(tmp_path: Path) -> None:
    async with core(tmp_path / "s") as it, worker(it.path) as (client, heard):
        assert await it.next(Hello) == Hello(pid=os.getpid(), version="1")
        assert await got(heard) == CONFIGURE
        assert it.server.connected
        assert stat.S_IMODE(it.path.stat().st_mode) == 0o660
        client.send(OPENED)
        assert await it.next(ClipOpened) == OPENED
        other = Configure(cameras=(), media_dir="/elsewhere")
        it.server.configure(other)
        assert await got(heard) == other
    assert not it.path.exists()


async def test_an_unanswered_request_is_asked_again_of_the_next_worker(tmp_path: Path) -> None:
    async with core(tmp_path / "s") as it:
        assert it.server.ask(request("early"))
        async with worker(it.path) as (_, heard):
            assert [await got(heard), await got(heard)] == [CONFIGURE, request("early")]
            it.server.ask(request("c"))
            assert await got(heard) == request("c")
        assert isinstance(await it.next(WorkerGone), WorkerGone)
        async with worker(it.path) as (client, heard):
            assert [await got(heard) for _ in range(3)] == [CONFIGURE, request("early"), request("c")]
            client.send(OPENED)
            client.send(Refused(what="clip", subject="early", camera="hall", reason="too late"))
            await it.next(Refused)
        await it.next(WorkerGone)
        async with worker(it.path) as (_, heard):
            assert await got(heard) == CONFIGURE
            it.server.ask(request("new"))
            assert await got(heard) == request("new")


async def test_what_is_confirmed_is_said_to_be_stored(tmp_path: Path) -> None:
    async with core(tmp_path / "s") as it, worker(it.path) as (_, heard):
        assert await got(heard) == CONFIGURE
        it.server.confirm(OPENED)
        it.server.confirm(SEALED)
        assert await got(heard) == Stored(subject="c")


async def test_a_lost_core_is_greeted_again_with_everything(tmp_path: Path) -> None:
    said: list[FromWorker] = [Hello(pid=1, version="1"), OPENED, SEALED]
    async with worker(tmp_path / "s", greeting=lambda: said) as (client, _):
        client.send(Refused(what="still", subject="s", camera="hall", reason="no such camera is configured here"))
        for _ in range(2):
            async with core(tmp_path / "s") as it:
                assert await it.next(ClipSealed) == SEALED
        async with core(tmp_path / "s") as it:
            await it.next(Hello)
            assert await it.next(ClipOpened) == OPENED


async def test_a_refusal_said_to_nobody_is_said_to_the_next_core(tmp_path: Path) -> None:
    async with worker(tmp_path / "s") as (client, _):
        client.send(Refused(what="still", subject="s", camera="hall", reason="no"))
        async with core(tmp_path / "s") as it:
            refused = await it.next(Refused)
            assert isinstance(refused, Refused) and refused.subject == "s"


async def test_a_second_worker_is_turned_away(tmp_path: Path) -> None:
    async with core(tmp_path / "s") as it, worker(it.path) as (_, heard):
        await got(heard)
        reader, writer = await asyncio.open_unix_connection(str(it.path))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        refused = await it.next(PeerRefused)
        assert isinstance(refused, PeerRefused) and refused.pid == os.getpid() and "is connected" in refused.reason
        it.server.ask(request())
        assert await got(heard) == request()


async def test_another_user_is_turned_away(tmp_path: Path) -> None:
    async with core(tmp_path / "s", uids=frozenset({os.getuid() + 1})) as it:
        reader, writer = await asyncio.open_unix_connection(str(it.path))
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        refused = await it.next(PeerRefused)
        assert isinstance(refused, PeerRefused) and refused.uid == os.getuid()
        assert not it.server.connected


@pytest.mark.parametrize("line", [b"{}\n", b"garbage\n", b"x" * (2 << 20), encode(Ping(n=1))])
async def test_nonsense_ends_the_connection_with_a_sentence(tmp_path: Path, line: bytes) -> None:
    async with core(tmp_path / "s") as it:
        reader, writer = await asyncio.open_unix_connection(str(it.path))
        await reader.readline()
        writer.write(line)
        with suppress(OSError):
            await writer.drain()
        gone = await it.next(WorkerGone)
        assert isinstance(gone, WorkerGone) and len(gone.reason) > 10 and "xx" not in gone.reason
        writer.close()
        async with worker(it.path) as (_, heard):
            assert await got(heard) == CONFIGURE


async def test_a_worker_that_hangs_is_let_go(tmp_path: Path) -> None:
    async with core(tmp_path / "s", silence=0.3, ping_every=0.1) as it:
        reader, writer = await asyncio.open_unix_connection(str(it.path))
        gone = await it.next(WorkerGone)
        assert isinstance(gone, WorkerGone) and "has not answered" in gone.reason
        lines = (await reader.read()).splitlines()
        assert json.loads(lines[-1])["type"] == "ping"
        writer.close()
        # One that answers stays.
        async with worker(it.path):
            await it.next(Hello)
            await asyncio.sleep(0.6)
            assert it.server.connected


async def test_a_client_answers_pings_by_itself(tmp_path: Path) -> None:
    async with core(tmp_path / "s", ping_every=0.05) as it, worker(it.path) as (_, heard):
        await got(heard)
        await asyncio.sleep(0.2)
        assert heard.empty()
    assert isinstance(decode(encode(Pong(n=1)), {"pong": Pong}), Pong)


async def test_requests_are_bounded_and_expire_in_words(tmp_path: Path) -> None:
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
    async with core(tmp_path / "s", capacity=2) as it:
        assert it.server.ask(request("a", deadline=now + 100_000))
        assert it.server.ask(request("b"))
        assert it.server.ask(request("b"))
        assert not it.server.ask(request("c"))
        refused = await it.next(Refused)
        assert isinstance(refused, Refused) and refused.subject == "a" and "no media worker" in refused.reason
        assert it.server.ask(request("c"))


async def test_a_socket_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    server = MediaServer(path=tmp_path / "no" / "s", configure=CONFIGURE, uids=frozenset())
    with pytest.raises(LinkError, match="cannot listen"):
        await server.run()
    (tmp_path / "s").write_text("a file of somebody's")
    with pytest.raises(LinkError, match="cannot listen"):
        await MediaServer(path=tmp_path / "s", configure=CONFIGURE, uids=frozenset()).run()
    assert (tmp_path / "s").read_text() == "a file of somebody's"


async def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    async with core(tmp_path / "s") as it, worker(it.path) as (_, heard):
        assert await got(heard) == CONFIGURE
