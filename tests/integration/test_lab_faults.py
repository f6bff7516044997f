"""The fault proxy: each fault as a client sees it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import pytest

from hwlab.faults import PROFILES, FaultProxy, Profile


@pytest.fixture
async def echo() -> AsyncIterator[tuple[str, int]]:
    """A server that says everything back."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()
    server.close()
    for writer in writers:
        writer.transport.abort()


async def said(proxy: FaultProxy, text: bytes = b"hello") -> tuple[bytes, float]:
    """What comes back, and after how long."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    began = time.monotonic()
    try:
        writer.write(text)
        async with asyncio.timeout(2):
            return await reader.readexactly(len(text)), time.monotonic() - began
    finally:
        writer.transport.abort()


async def test_a_good_line_passes_everything(echo: tuple[str, int]) -> None:
    async with FaultProxy(to=echo) as proxy:
        text = bytes(range(256)) * 8000
        assert (await said(proxy, text))[0] == text
        assert (proxy.up, proxy.down, proxy.connections, proxy.resets) == (len(text), len(text), 1, 0)


async def test_latency_counts_both_ways_and_keeps_order(echo: tuple[str, int]) -> None:
    async with FaultProxy(to=echo, profile=Profile(latency=0.1, jitter=0.05), seed=7) as proxy:
        text = bytes(range(256)) * 400
        heard, took = await said(proxy, text)
        assert heard == text
        assert 0.1 <= took < 1.5


async def test_a_narrow_line_takes_its_time(echo: tuple[str, int]) -> None:
    async with FaultProxy(to=echo, profile=Profile(rate=200_000)) as proxy:
        heard, took = await said(proxy, b"x" * 100_000)
        assert len(heard) == 100_000
        assert took >= 0.4, "100 kB at 200 kB a second"


async def test_a_reset_comes_at_its_byte(echo: tuple[str, int]) -> None:
    async with FaultProxy(to=echo, profile=Profile(reset_after=3000)) as proxy:
        assert (await said(proxy, b"x" * 2000))[0]
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await said(proxy, b"x" * 4000)
        assert proxy.resets == 1


@pytest.mark.parametrize("name", ["half-open", "stalled", "one-way-up", "one-way-down", "slow-loris"])
async def test_nothing_comes_back_until_the_line_is_good_again(echo: tuple[str, int], name: str) -> None:
    async with FaultProxy(to=echo, profile=PROFILES[name]) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"hello")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await reader.readexactly(5)
        await proxy.set(Profile())
        writer.write(b"again")
        async with asyncio.timeout(2):
            try:
                heard = await reader.readexactly(10)
            except (ConnectionResetError, asyncio.IncompleteReadError):
                heard = b""  # the usual end of a connection whose bytes were lost
        writer.transport.abort()
        assert heard == (b"helloagain" if name == "slow-loris" else b"")
        assert (await said(proxy))[0] == b"hello"


async def test_strangers_answer(echo: tuple[str, int]) -> None:
    async with FaultProxy(to=echo, profile=PROFILES["captive-portal"]) as proxy:
        heard, _ = await said(proxy, b"GET / HTTP/1.1\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 200 OK")
        await proxy.set(PROFILES["garbage"])
        assert not (await said(proxy))[0].startswith(b"HTTP")


async def test_a_refused_connection_and_the_same_port_afterwards(echo: tuple[str, int]) -> None:
    async with FaultProxy(to=echo) as proxy:
        port = proxy.port
        reader, writer = await asyncio.open_connection(proxy.host, port)
        await proxy.set(PROFILES["refused"])
        with pytest.raises(ConnectionResetError):
            await reader.read()
        with pytest.raises(ConnectionRefusedError):
            await said(proxy)
        await proxy.set(Profile())
        assert (await said(proxy))[0] == b"hello"
        assert proxy.port == port
        writer.transport.abort()


def test_the_command() -> None:
    words = [sys.executable, "-m", "nightporter", "lab", "faults", "--profile", "captive-portal", "--to", "127.0.0.1:1"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        where = process.stdout.readline().split()[0]
        host, _, port = where.partition(":")
        with socket.create_connection((host, int(port)), timeout=5) as client:
            client.sendall(b"hello")
            assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().startswith("1 connections, ")
        assert process.wait(10) == 0


async def test_a_server_that_is_away_resets_whoever_comes() -> None:
    async with FaultProxy(to=("127.0.0.1", 1)) as proxy:
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await said(proxy)
