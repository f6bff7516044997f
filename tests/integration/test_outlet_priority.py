"""An alarm over an uplink that a recording fills: it waits for what is on the line already, about a second's worth, and
not for the recording."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.outlets.client import connect
from agent.outlets.peer import Peer
from certs import profiles
from certs.identity import Identity
from rules import wire
from tests.integration.outlet_rig import Rig, noise, rig, running, until
from tests.integration.relay_rig import TRUST_DOMAIN, Place, announcement, inside

GATEWAY = "gw-1"
RATE = 250_000  # bytes a second
QUEUE = 65_536  # bytes the line holds, as a router with a small queue does


@dataclass
class Uplink:
    """All connections share one line of RATE bytes a second upwards, first come first served; a full line stops the
    reading. Downwards it is free."""

    target: int
    carried: int = 0
    _line: asyncio.Queue[tuple[asyncio.StreamWriter, bytes]] = field(default_factory=asyncio.Queue)
    _held: int = 0
    _room: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.create_task(self._serve(reader, writer), name="uplink.connection")
        self._tasks.add(serving)
        serving.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Every connection is over, and closed."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, out = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._upwards(reader, out), name="uplink.up")
                both.create_task(self._downwards(up, writer), name="uplink.down")
        except* OSError:
            pass
        finally:
            for each in (writer, out):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    async def _upwards(self, reader: asyncio.StreamReader, out: asyncio.StreamWriter) -> None:
        while piece := await reader.read(4096):
            async with self._room:
                await self._room.wait_for(lambda: self._held < QUEUE)
                self._held += len(piece)
            self._line.put_nowait((out, piece))
        out.close()

    async def _downwards(self, up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await up.read(65_536):
            writer.write(piece)
            await writer.drain()
        writer.close()

    async def carry(self) -> None:
        free = time.monotonic()
        while True:
            out, piece = await self._line.get()
            free = max(free, time.monotonic()) + len(piece) / RATE
            await asyncio.sleep(max(0.0, free - time.monotonic()))
            with contextlib.suppress(OSError):
                out.write(piece)
            self.carried += len(piece)
            async with self._room:
                self._held -= len(piece)
                self._room.notify_all()


@contextlib.asynccontextmanager
async def uplink(target: int) -> AsyncIterator[tuple[int, Uplink]]:
    line = Uplink(target)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)  # what waits here is no line's business
    listening.bind(("127.0.0.1", 0))
    server = await asyncio.start_server(line.accept, sock=listening, limit=8192)
    carrying = asyncio.create_task(line.carry(), name="uplink")
    try:
        yield listening.getsockname()[1], line
    finally:
        server.close()
        await line.end()
        carrying.cancel()
        await asyncio.gather(carrying, return_exceptions=True)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.found(tmp_path)


def identity(place: Place) -> Path:
    return place.issue(
        "gateway", profiles.gateway(Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway=GATEWAY))
    )


async def alarm(building: Rig, outlet: Any) -> float:
    """Seconds from its decision to the relay's durable acknowledgement."""
    began = time.monotonic()
    await building.incident()
    lane, until_seq = outlet._lanes["P0"], building.store.log.head("P0").seq
    await until(lambda: lane.seq >= until_seq, seconds=60)
    return time.monotonic() - began


async def test_an_alarm_does_not_wait_for_a_recording(place: Place, tmp_path: Path, pick: Any) -> None:
    """Eight megabytes wait for a line that carries a quarter of one a second; nine alarms happen meanwhile."""
    async with (
        inside(place) as at,
        uplink(at._address("gateways").port or 0) as (port, line),
        rig(tmp_path / "agent", gateway=GATEWAY) as building,
    ):
        outlet = building.outlet_with(
            name="cloud", url=f"https://127.0.0.1:{port}", identity=identity(place), probe=20.0
        )
        for number in range(4):
            await building.segment(noise(2_000_000), n=number)
        async with running(outlet):
            await until(lambda: outlet.state.reachable and line.carried > 700_000, seconds=30)
            took = []
            for _ in range(pick(quick=4, ci=9)):
                before = line.carried
                await until(lambda before=before: line.carried > before + 100_000, seconds=30)  # type: ignore[misc]
                took.append(await alarm(building, outlet))
            assert line.carried < 8_000_000  # it was under way all the time
    assert max(took) < 2.0, took
    assert sorted(took)[len(took) // 2] < 1.2, took


async def test_on_the_recordings_connection_it_would_wait(place: Place, tmp_path: Path) -> None:
    """The same line with one connection for everything: what the first test is good for."""
    async with inside(place) as at, uplink(at._address("gateways").port or 0) as (port, _):
        peer = Peer(name="cloud", url=f"https://127.0.0.1:{port}", identity=identity(place))
        async with rig(tmp_path / "agent", gateway=GATEWAY) as building, connect(peer, bulk=True) as client:
            await building.incident()
            log = building.store.log
            [record] = await building.held("P0")
            start = wire.chain_start(GATEWAY, log.epoch, "P0").hex()
            header = wire.Header(gateway=GATEWAY, epoch=log.epoch, lane="P0", first=1, prev=start)
            await client.watermarks(log.epoch)
            began = time.monotonic()
            picture = noise(1_000_000)
            headers = announcement(picture) | {"upload-complete": "?1"}
            assert (await client.request("POST", "/v1/blobs", headers=headers, content=picture)).status == 201
            await client.post_batch("P0", wire.write_batch(header, [record]))
            assert time.monotonic() - began > 3.0
