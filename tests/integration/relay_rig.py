"""A relay with real listeners on loopback, and a gateway that speaks to it with its own certificate.

The gateway here is written from the contract, not from the agent: batches, chains and uploads are made by hand.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect, unix_connect

from certs import keystore, profiles
from certs.authority import Authority
from certs.founding import found
from certs.identity import Identity
from certs.parts import key_pem, new_key
from certs.tls import client_context
from relay.app import Address, Relay
from relay.config import read_config, read_secrets
from rules import events, ids, wire
from rules.events import Event
from rules.incidents import Entry

ROOT = Path(__file__).parents[2]
TRUST_DOMAIN = "np.example"


def new_id() -> str:
    return ids.time_ordered(wall=time.time_ns() // 1000, random=os.urandom(10))


def now() -> int:
    return time.time_ns() // 1000


def common(wall: int | None = None) -> dict[str, Any]:
    moment = now() if wall is None else wall
    return {"id": new_id(), "gt": moment, "wall": moment}


def opened(incident: str | None = None, *, origin: str = "gw-1", wall: int | None = None, **body: Any) -> Entry:
    """An incident's first entry."""
    return Entry(
        id=new_id(),
        kind="incident.opened",
        incident=incident or new_id(),
        lamport=1,
        origin=origin,
        wall=now() if wall is None else wall,
        by=origin,
        body={"title": "Server room opened after hours", "severity": "high", "rule": "after-hours"} | body,
    )


def entry(kind: str, incident: str, lamport: int, *, origin: str = "gw-1", **body: Any) -> Entry:
    return Entry(
        id=new_id(), kind=kind, incident=incident, lamport=lamport, origin=origin, wall=now(), by=origin, body=body
    )


def contact(opens: bool, device: str = "door") -> Event:
    kind = events.ContactOpened if opens else events.ContactClosed
    return kind(**common(), device=device)


class Lane:
    """A gateway's own account of one lane: records, seqs and chain."""

    def __init__(self, gateway: str, epoch: str, lane: str) -> None:
        self.gateway, self.epoch, self.lane = gateway, epoch, lane
        self.records: list[bytes] = []
        self.chains = [wire.chain_start(gateway, epoch, lane)]

    def add(self, *facts: Event | Entry | bytes) -> None:
        for fact in facts:
            data = fact if isinstance(fact, bytes) else wire.encode(fact)
            self.records.append(data)
            self.chains.append(wire.chain_next(self.chains[-1], data))

    def batch(self, first: int = 1, last: int | None = None, **header: Any) -> bytes:
        """Records first..last as a batch."""
        values: dict[str, Any] = {
            "gateway": self.gateway,
            "epoch": self.epoch,
            "lane": self.lane,
            "first": first,
            "prev": self.chains[first - 1].hex(),
        }
        last = len(self.records) if last is None else last
        return wire.write_batch(wire.Header(**values | header), self.records[first - 1 : last])

    def chain(self, seq: int) -> str:
        return self.chains[seq].hex()


@dataclass(kw_only=True)
class Gateway:
    """A client of the gateways' listener."""

    http: httpx.AsyncClient
    name: str = "gw-1"
    epoch: str = field(default_factory=lambda: str(uuid4()))
    address: Address
    tls: ssl.SSLContext | None = None

    def lane(self, lane: str) -> Lane:
        return Lane(self.name, self.epoch, lane)

    async def post(self, lane: str, batch: bytes) -> httpx.Response:
        return await self.http.post(f"/v1/lanes/{lane}", content=batch)

    async def deliver(self, lane: str, *facts: Event | Entry) -> Lane:
        """A fresh lane with these facts, acknowledged."""
        account = self.lane(lane)
        account.add(*facts)
        answer = await self.post(lane, account.batch())
        assert answer.status_code == 200, answer.text
        assert answer.json()["chain"] == account.chain(len(facts))
        return account

    @asynccontextmanager
    async def channel(self, *, hello: bool = True) -> AsyncIterator[ClientConnection]:
        if self.address.port is None:
            opening = unix_connect(self.address.host, "ws://relay/v1/channel", proxy=None)
        else:
            where = f"wss://{self.address.host}:{self.address.port}/v1/channel"
            opening = connect(where, ssl=self.tls, server_hostname="127.0.0.1", proxy=None)
        async with opening as socket:
            if hello:
                assert json.loads(await socket.recv())["type"] == "hello"
                await socket.send(wire.AgentHello(gateway=self.name, epoch=self.epoch, software="test").text())
            yield socket


def announcement(data: bytes, **headers: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    return {"repr-digest": f"sha-256=:{digest}:", "upload-length": str(len(data)), **headers}


@dataclass(kw_only=True)
class Place:
    """Everything a relay needs on disk."""

    folder: Path
    authority: Authority

    @classmethod
    def found(cls, folder: Path) -> Place:
        place = cls(folder=folder, authority=found(folder / "ca", trust_domain=TRUST_DOMAIN, passphrase=None))
        place.issue("relay-identity", profiles.relay(("127.0.0.1",)))
        (folder / "secrets").mkdir()
        return place

    def issue(self, name: str, profile: profiles.Profile) -> Path:
        key = new_key()
        issued = self.authority.issue(profile, key.public_key())
        keystore.install(self.folder / name, key=key_pem(key), cert=issued.cert, chain=issued.chain, trust=issued.trust)
        return self.folder / name

    def gateway_tls(self, gateway: str, *, tenant: str = "acme", site: str = "hq") -> ssl.SSLContext:
        identity = Identity(trust_domain=TRUST_DOMAIN, tenant=tenant, site=site, gateway=gateway)
        return client_context(self.issue(f"identity-{uuid4().hex}", profiles.gateway(identity)))

    def secret(self, name: str, value: str) -> None:
        path = self.folder / "secrets" / name
        path.touch(mode=0o600)
        path.write_text(value)

    def configure(self, *, relay: str = "cloud-1", more: str = "") -> Path:
        lines = [
            f"relay: {{id: {relay}, name: Night desk}}",
            f"data: {relay}-data",
            "listeners:",
            "  gateways:",
            f"    - {{host: 127.0.0.1, port: 0, identity: relay-identity, trust_domain: {TRUST_DOMAIN}}}",
        ]
        lines += [
            f"    - socket: {relay}.sock",
            f"      uid: [{os.getuid()}]",
            "      gateway: {tenant: acme, site: hq, id: gw-1}",
            "  people: {host: 127.0.0.1, port: 0, public_url: http://127.0.0.1:8080}",
            more,
        ]
        path = self.folder / f"{relay}.yaml"
        path.write_text("\n".join(lines))
        return path


@dataclass(kw_only=True)
class Running:
    """A relay that runs: where it listens, and clients for it."""

    place: Place
    addresses: list[Address]
    relay: Relay | None = None
    process: asyncio.subprocess.Process | None = None

    def _address(self, what: str, *, unix: bool = False) -> Address:
        return next(one for one in self.addresses if one.what == what and (one.port is None) == unix)

    @asynccontextmanager
    async def gateway(self, name: str = "gw-1", *, tenant: str = "acme", site: str = "hq") -> AsyncIterator[Gateway]:
        address = self._address("gateways")
        tls = self.place.gateway_tls(name, tenant=tenant, site=site)
        # Without TCP_NODELAY a request's head and body cost a 40 ms plateau.
        nodelay = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
        transport = httpx.AsyncHTTPTransport(verify=tls, socket_options=nodelay)
        base = f"https://127.0.0.1:{address.port}"
        async with httpx.AsyncClient(base_url=base, transport=transport, trust_env=False, timeout=10) as http:
            yield Gateway(http=http, name=name, address=address, tls=tls)

    @asynccontextmanager
    async def local_gateway(self) -> AsyncIterator[Gateway]:
        address = self._address("gateways", unix=True)
        transport = httpx.AsyncHTTPTransport(uds=address.host)
        async with httpx.AsyncClient(base_url="http://relay", transport=transport, trust_env=False) as http:
            yield Gateway(http=http, address=address)

    @asynccontextmanager
    async def people(self) -> AsyncIterator[httpx.AsyncClient]:
        address = self._address("people")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{address.port}", trust_env=False) as http:
            yield http


@asynccontextmanager
async def inside(place: Place, config: Path | None = None, **options: Any) -> AsyncIterator[Running]:
    """A relay in this process, without pages."""
    loaded = read_config(config or place.configure())
    options.setdefault("pages", lambda context: Starlette())
    relay = Relay(config=loaded, secrets=read_secrets(loaded), **options)
    ready: asyncio.Future[list[Address]] = asyncio.get_running_loop().create_future()

    async def tell(addresses: list[Address]) -> None:
        ready.set_result(addresses)

    task = asyncio.create_task(relay.run(ready=tell), name="relay")
    waiting: set[asyncio.Future[Any]] = {task, ready}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=20)
    if task.done():
        await task
    try:
        yield Running(place=place, addresses=ready.result(), relay=relay)
    finally:
        relay.stop()
        async with asyncio.timeout(10):
            await task


@asynccontextmanager
async def outside(place: Place, config: Path | None = None, **environment: str) -> AsyncIterator[Running]:
    """A relay as its own process, found by what it logs. Stopped by SIGTERM, or already dead."""
    words = [sys.executable, str(ROOT / "nightporter.py"), "relay", "run", "--config", str(config or place.configure())]
    process = await asyncio.create_subprocess_exec(
        *words,
        cwd=place.folder,
        env=os.environ | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    addresses: list[Address] = []
    seen: list[str] = []
    async with asyncio.timeout(30):
        while not any(address.what == "people" for address in addresses):
            line = (await process.stderr.readline()).decode()
            seen.append(line)
            if not line:
                raise AssertionError("".join(seen))
            fact = json.loads(line)
            if fact["event"] == "listening":
                addresses.append(Address(what=fact["what"], host=fact["host"], port=fact["port"]))
    drain = asyncio.create_task(_drain(process.stderr), name="drain")
    try:
        yield Running(place=place, addresses=addresses, process=process)
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(10):
            await process.wait()
        await drain


async def _drain(stream: asyncio.StreamReader) -> None:
    while await stream.readline():
        pass
