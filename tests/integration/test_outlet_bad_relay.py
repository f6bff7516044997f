"""Something that is no relay, or no more than half of one, where a relay should be: nothing is believed, nothing is
lost, and it is not knocked at without end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.outlets import client
from rules.events import OutletLost, OutletRestored
from tests.integration.fake_relay import FakeRelay
from tests.integration.outlet_rig import GATEWAY, rig, running, until

LOGIN = b"<!doctype html><title>Welcome</title><p>Please accept the terms of this network."
ANSWERS: dict[str, bytes | None] = {
    "half-open": None,  # takes everything, says nothing
    "hangs up": b"",
    "rubbish": b"\x16\x03\x01 220 smtp ready\r\n" * 50,
    "sign-in page": b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n%b" % (len(LOGIN), LOGIN),
    "redirect": b"HTTP/1.1 302 Found\r\nlocation: http://login.example/\r\ncontent-length: 0\r\n\r\n",
    "endless": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 65_536 + b"\r\n",
    "empty json": b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
    "another's ack": b"HTTP/1.1 200 OK\r\ncontent-length: 93\r\n\r\n"
    b'{"v":1,"lane":"P0","epoch":"e","seq":1,"chain":"' + b"0" * 44 + b'"}',
}


@contextlib.asynccontextmanager
async def pretending(at: Path, answer: bytes | None) -> AsyncIterator[list[float]]:
    """Something listens at `at`; the moments at which it was knocked at."""
    knocks: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(asyncio.get_running_loop().time())
        with contextlib.suppress(OSError):
            while await reader.read(65_536):
                if answer is None:
                    continue
                writer.write(answer)
                await writer.drain()
                if not answer:
                    break
        writer.close()

    server = await asyncio.start_unix_server(serve, path=str(at))
    try:
        yield knocks
    finally:
        server.close()
        at.unlink()


@pytest.mark.parametrize("what", sorted(ANSWERS))
async def test_nothing_is_believed_and_nothing_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(client, "_ALLOWANCE", 0.3)
    at = tmp_path / "relay.sock"
    relay = FakeRelay(gateway=GATEWAY)
    async with rig(tmp_path / "agent") as building:
        outlet = building.outlet("cloud", at, ceiling=0.5)
        for _ in range(5):
            await building.incident()
        async with running(outlet):
            async with pretending(at, ANSWERS[what]) as knocks:
                await until(lambda: building.told(OutletLost))
                began = asyncio.get_running_loop().time()
                await asyncio.sleep(1.5)
                knocked = [moment for moment in knocks if moment >= began]
                assert outlet.state.behind >= 5
                assert await building.store.cursors.acknowledged("cloud", "P0") == 0
                assert len(knocked) <= 40  # two connections, half a second at most between two tries
            async with relay.listening(at):
                await until(lambda: building.told(OutletRestored))
                await until(lambda: len(relay.taken("P0")) >= building.store.log.head("P0").seq)
                assert relay.taken("P0") == await building.held("P0")
