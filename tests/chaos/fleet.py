"""Gateways in a herd: clients written from the contract, each with its own certificate and three connections (alarms,
records, channel), that lose their relay together and come back together."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import ssl
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from certs import profiles
from certs.identity import Identity
from certs.parts import key_pem, new_key
from rules import wire
from tests.integration.relay_rig import TRUST_DOMAIN, Lane, Place, contact, opened

HOST = "127.0.0.1"
_WINDOWS = (0.1, 0.5, 1.0, 2.0, 4.0)  # seconds: how long the attempts after a failure wait at most
_PATIENCE = 60.0  # seconds for one answer; what takes longer than 10 fails the test, not the fleet


@dataclass(slots=True)
class Figures:
    """Seconds of each request, and from the relay's return to each gateway's last P0 and P1 acknowledgement."""

    requests: list[float] = field(default_factory=list)
    alarms: list[float] = field(default_factory=list)
    records: list[float] = field(default_factory=list)
    failures: int = 0  # attempts that found no relay, or lost it
    put_off: int = 0  # requests that were asked to come again later


def tls(place: Place, folder: Path, gateway: str) -> ssl.SSLContext:
    """A client's side of mutual TLS, its certificate fresh from the CA."""
    key = new_key()
    identity = Identity(trust_domain=TRUST_DOMAIN, tenant="demo", site="house", gateway=gateway)
    issued = place.authority.issue(profiles.gateway(identity), key.public_key())
    pem = folder / f"{gateway}.pem"
    pem.write_bytes(key_pem(key) + issued.cert + issued.chain)
    pem.chmod(0o600)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=issued.trust.decode())
    context.load_cert_chain(pem)
    return context


class Http:
    """One kept HTTP/1.1 connection; OSError when it breaks."""

    def __init__(self, *, port: int, context: ssl.SSLContext, figures: Figures) -> None:
        self._port = port
        self._context = context
        self._figures = figures
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.retry_after = 0.0  # what the last answer asked for, seconds

    async def request(self, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of the answer; its time is kept."""
        began = time.monotonic()
        async with asyncio.timeout(_PATIENCE):
            if self._streams is None:
                self._streams = await asyncio.open_connection(HOST, self._port, ssl=self._context)
            reader, writer = self._streams
            head = f"{method} {target} HTTP/1.1\r\nhost: {HOST}:{self._port}\r\ncontent-length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            try:
                lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                fields = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
                answer = await reader.readexactly(int(fields.get("content-length", 0)))
            except asyncio.IncompleteReadError as error:
                self.close()
                raise ConnectionResetError("closed early") from error
        self._figures.requests.append(time.monotonic() - began)
        self.retry_after = float(fields.get("retry-after", 0))
        return int(lines[0].split()[1]), answer

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None


class Member:
    """One gateway: `live` keeps its connections, delivers its backlog, and comes back whenever the relay went away."""

    def __init__(
        self, *, name: str, port: int, context: ssl.SSLContext, figures: Figures, chance: random.Random
    ) -> None:
        self.name = name
        self.epoch = f"epoch-{name}"
        self.p0 = Lane(name, self.epoch, "P0")
        self.p1 = Lane(name, self.epoch, "P1")
        self.acked = {"P0": 0, "P1": 0}
        self.figures = figures
        self._port = port
        self._context = context
        self._chance = chance
        self._more = asyncio.Event()
        self._attempt = 0

    def happens(self, *, alarms: int, records: int) -> None:
        """Something is written into its log."""
        self.p0.add(*(opened(origin=self.name) for _ in range(alarms)))
        self.p1.add(*(contact(True, device=f"door-{number % 4}") for number in range(records)))
        self._more.set()

    @property
    def behind(self) -> int:
        return sum(len(lane.records) - self.acked[lane.lane] for lane in (self.p0, self.p1))

    async def live(self) -> None:
        while True:
            try:
                await self._connected()
            except (OSError, TimeoutError, WebSocketException):
                self.figures.failures += 1
                await asyncio.sleep(self._chance.uniform(0, _WINDOWS[min(self._attempt, len(_WINDOWS) - 1)]))
                self._attempt += 1

    async def _connected(self) -> None:
        began = time.monotonic()
        alarms = Http(port=self._port, context=self._context, figures=self.figures)
        records = Http(port=self._port, context=self._context, figures=self.figures)
        try:
            await self._look(alarms)
            self._attempt = 0
            await self._drain(alarms, self.p0)
            self.figures.alarms.append(time.monotonic() - began)
            async with self._channel() as channel:
                listening = asyncio.create_task(_until_closed(channel), name=f"{self.name} channel")
                try:
                    while not listening.done():
                        self._more.clear()
                        await self._drain(alarms, self.p0)
                        await self._drain(records, self.p1)
                        if began:
                            self.figures.records.append(time.monotonic() - began)
                            began = 0.0
                        more = asyncio.ensure_future(self._more.wait())
                        await asyncio.wait({more, listening}, return_when=asyncio.FIRST_COMPLETED)
                        more.cancel()
                finally:
                    listening.cancel()
            raise ConnectionResetError("the channel ended")
        finally:
            alarms.close()
            records.close()

    async def _look(self, http: Http) -> None:
        status, answer = await http.request("GET", f"/v1/lanes?epoch={self.epoch}")
        assert status == 200, answer
        marks = json.loads(answer)["lanes"]
        for lane in (self.p0, self.p1):
            self.acked[lane.lane] = marks.get(lane.lane, {}).get("seq", 0)

    async def _drain(self, http: Http, lane: Lane) -> None:
        while (after := self.acked[lane.lane]) < len(lane.records):
            last = min(len(lane.records), after + wire.MAX_BATCH_RECORDS)
            status, answer = await http.request("POST", f"/v1/lanes/{lane.lane}", lane.batch(after + 1, last))
            if status == 503:
                self.figures.put_off += 1
                await asyncio.sleep(http.retry_after)
                continue
            assert status == 200, answer
            ack = json.loads(answer)
            assert (ack["seq"], ack["chain"]) == (last, lane.chain(last))
            self.acked[lane.lane] = last
            await asyncio.sleep(ack.get("retry_after", 0))

    @contextlib.asynccontextmanager
    async def _channel(self) -> AsyncIterator[ClientConnection]:
        async with connect(
            f"wss://{HOST}:{self._port}/v1/channel", ssl=self._context, proxy=None, open_timeout=_PATIENCE,
            ping_interval=None, close_timeout=0.1,
        ) as channel:  # fmt: skip
            await channel.send(wire.AgentHello(gateway=self.name, epoch=self.epoch, software="fleet").text())
            await channel.send(wire.Pull(after=0).text())
            yield channel


async def _until_closed(channel: ClientConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            await channel.recv()


def quantile(values: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    listed = sorted(values)
    return round(listed[min(len(listed) - 1, int(share * len(listed)))], 3)
