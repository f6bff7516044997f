"""A large recording through a line that breaks again and again, to the relay itself over mutual TLS.

Whatever the cut hits (a piece, its answer, the announcement, the handshake), the upload goes on where the relay
stands: at most the piece that was under way travels twice, and what arrives has the SHA-256 it was announced with.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import random
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.errors import OutletError
from agent.outlets import upload
from agent.outlets.answers import DigestDiffers, Unknown
from agent.outlets.blob_file import BlobFile, Unusable
from agent.outlets.client import RelayClient, connect
from agent.outlets.peer import Peer
from certs import profiles
from certs.identity import Identity
from relay.blobs.uploads import STALE_SECONDS, Uploads
from tests.integration.relay_rig import TRUST_DOMAIN, Place, Running, inside

GATEWAY = "gw-1"
SIZE = 50_000_000
HANDSHAKE = 20_000  # bytes of TLS and HTTP heads a connection may have beside its pieces


@dataclass
class CuttingProxy:
    """Forwards bytes; cuts each connection after a number of them, drawn anew, in either direction."""

    port: int
    draw: Callable[[], int | None]
    cuts: int = 0
    up: int = 0
    connections: int = 0
    listening_at: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.listening_at = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.connections += 1
        left = self.draw()
        there, back = await asyncio.open_connection("127.0.0.1", self.port)
        budget = [left]

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
            while data := await source.read(65_536):
                if budget[0] is not None:
                    data, rest = data[: budget[0]], data[budget[0] :]
                    budget[0] -= len(data)
                    if rest or not budget[0]:
                        sink.write(data)
                        self.up += len(data) if up else 0
                        with contextlib.suppress(OSError):
                            await sink.drain()
                        self.cuts += 1
                        return
                sink.write(data)
                self.up += len(data) if up else 0
                await sink.drain()

        pumps = {
            asyncio.ensure_future(pump(reader, back, up=True)),
            asyncio.ensure_future(pump(there, writer, up=False)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in pumps:
                one.cancel()
            for result in await asyncio.gather(*pumps, return_exceptions=True):
                assert result is None or isinstance(result, OSError | asyncio.CancelledError), result
            writer.transport.abort()
            back.transport.abort()


@dataclass
class Scene:
    """A running relay, a recording, and an uploader's peer behind the proxy."""

    place: Place
    at: Running
    blob: BlobFile
    proxy: CuttingProxy
    peer: Peer

    @property
    def arrived(self) -> Path | None:
        assert self.at.relay is not None
        return self.at.relay.blobs.find("acme", self.blob.sha256)


@contextlib.asynccontextmanager
async def scene(folder: Path, *, size: int, draw: Callable[[], int | None]) -> AsyncIterator[Scene]:
    place = Place.found(folder)
    identity = Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway=GATEWAY)
    directory = place.issue("gateway-identity", profiles.gateway(identity))
    data = random.Random(7).randbytes(size)
    path = folder / "recording"
    path.write_bytes(data)
    blob = BlobFile(path, hashlib.sha256(data).hexdigest(), size)
    async with inside(place) as at:
        proxy = CuttingProxy(port=at._address("gateways").port or 0, draw=draw)
        async with proxy.listening():
            peer = Peer(name="cloud", url=f"https://127.0.0.1:{proxy.listening_at}", identity=directory)
            yield Scene(place, at, blob, proxy, peer)


@dataclass
class Account:
    """Bytes of the pieces that were sent, and those of pieces that a cut may have cost."""

    sent: int = 0
    allowed: int = 0


async def upload_through(here: Scene, *, attempts: int, restarts: float = 0.0, at_once: int = 0) -> Account:
    """Send until the relay has it. After some of the cuts (`restarts`: their share) the agent was killed as well, and
    remembers nothing."""
    account, piece = Account(), 0
    uploads, chance = upload.Uploads(at_once=at_once), random.Random(attempts)

    async def turn(want: int) -> int:
        nonlocal piece
        piece = want
        account.sent += want
        return want

    for _ in range(attempts):
        piece = 0
        try:
            async with connect(here.peer, bulk=True) as client:
                await uploads.send(client, here.blob, turn=turn)
            return account
        except OutletError:
            account.allowed += piece  # the piece under way may travel again, no other
            if chance.random() < restarts:
                uploads = upload.Uploads(at_once=at_once)
    raise AssertionError(f"not there after {attempts} connections")


def cutting(cuts: int, *, size: int, seed: int) -> Callable[[], int | None]:
    """So many cuts, spread over the upload at random; some hit right at the beginning of a connection."""
    chance = random.Random(seed)
    left = [cuts]

    def draw() -> int | None:
        if not left[0]:
            return None
        left[0] -= 1
        return chance.randint(1, 6000) if chance.random() < 0.1 else chance.randint(1, 2 * size // cuts)

    return draw


@pytest.mark.timeout(900)
async def test_an_upload_survives_its_line(tmp_path: Path, pick: Callable[..., int]) -> None:
    cuts = pick(quick=15, ci=100, long=1000)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    async with scene(tmp_path, size=SIZE, draw=cutting(cuts, size=SIZE, seed=seed)) as here:
        began = time.monotonic()
        account = await upload_through(here, attempts=cuts + 5, restarts=0.2)
        took = time.monotonic() - began
        stored = here.arrived
        assert stored is not None
        found = await asyncio.to_thread(_sha256, stored)
        assert found == here.blob.sha256
        repeated = account.sent - SIZE
        print(f"{here.proxy.cuts} cuts, {repeated} bytes sent again of {account.allowed} allowed, {took:.1f} s")
        assert here.proxy.cuts > cuts // 2, f"seed {seed}: the line did not break often enough"
        assert repeated <= account.allowed, f"seed {seed}"
        # The line's own count says the same: nothing travelled that was not asked for.
        assert here.proxy.up <= SIZE * 1.01 + account.allowed + here.proxy.connections * HANDSHAKE
        assert here.at.relay is not None
        assert list(here.at.relay.blobs.uploads.iterdir()) == [], "nothing half is left"


async def test_without_the_relays_offset_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: an uploader that does not ask where to go on sends far more than one piece a cut."""

    async def from_the_beginning(self: upload.Uploads, client: RelayClient, place: str) -> int:
        await client.request("DELETE", place)
        raise Unknown("begin anew")

    monkeypatch.setattr(upload.Uploads, "_where", from_the_beginning)
    size, cuts = 4_000_000, 6
    async with scene(tmp_path, size=size, draw=cutting(cuts, size=size, seed=3)) as here:
        account = await upload_through(here, attempts=60)
        assert account.sent - size > account.allowed


async def test_changed_bytes_are_never_kept(tmp_path: Path) -> None:
    """One byte differs: the relay says 460, the agent looks at its own file, and the upload is gone at both ends."""
    async with scene(tmp_path, size=3_000_000, draw=lambda: None) as here:
        _spoil(here.blob.path)
        async with connect(here.peer) as client:
            with pytest.raises(Unusable, match="no longer has the bytes"):
                await upload.Uploads(at_once=0).send(client, here.blob)
        assert here.arrived is None
        assert here.at.relay is not None
        assert list(here.at.relay.blobs.uploads.iterdir()) == []


async def test_without_the_digest_they_would_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: a relay that does not look keeps a recording that is not what it is called."""

    class Blind:
        def __init__(self, _: bytes = b"") -> None:
            self.claimed = ""

        def update(self, _: bytes) -> None: ...

        def hexdigest(self) -> str:
            return self.claimed

    finish = Uploads._finish

    async def unlooking(self: Uploads, one: Any, offset: int, digest: Any) -> None:
        blind = Blind()
        blind.claimed = one.sha256
        await finish(self, one, offset, blind)  # type: ignore[arg-type]

    monkeypatch.setattr(Uploads, "_finish", unlooking)
    async with scene(tmp_path, size=3_000_000, draw=lambda: None) as here:
        _spoil(here.blob.path)
        async with connect(here.peer) as client:
            await upload.Uploads(at_once=0).send(client, here.blob)
        stored = here.arrived
        assert stored is not None
        assert await asyncio.to_thread(_sha256, stored) != here.blob.sha256


async def test_what_a_relay_answers_to_wrong_pieces(tmp_path: Path) -> None:
    """Wrong offset 409 with the right one, wrong bytes 460; a half upload stays for 7 days and not longer."""
    async with scene(tmp_path, size=100_000, draw=lambda: None) as here, connect(here.peer) as client:
        data = await here.blob.read(0, here.blob.size)
        headers = upload._announcement(here.blob)

        async def patch(place: str, offset: int, content: bytes, *, last: bool = False) -> Any:
            how = {
                "content-type": "application/partial-upload",
                "upload-offset": str(offset),
                "upload-complete": "?1" if last else "?0",
            }
            return await client.request("PATCH", place, headers=how, content=content)

        async def announced() -> str:
            reply = await client.request("POST", "/v1/blobs", headers=headers | {"upload-complete": "?0"})
            return str(reply.headers["location"])

        place = await announced()
        assert (await patch(place, 0, data[:40_000])).status == 204
        wrong = await patch(place, 50_000, data[50_000:])
        assert (wrong.status, wrong.headers["upload-offset"]) == (409, "40000")
        assert (await patch(place, 40_000, bytes(60_000), last=True)).status == 460
        assert (await client.request("HEAD", place)).status == 404, "it begins anew"

        half = await announced()
        assert (await patch(half, 0, data[:10])).status == 204
        assert here.at.relay is not None
        uploads = here.at.relay.uploads
        where = here.at.relay.blobs.uploads / half.rpartition("/")[2]
        for age, swept in ((STALE_SECONDS - 60, 0), (STALE_SECONDS + 60, 1)):
            for path in where.iterdir():
                os.utime(path, (time.time() - age, time.time() - age))
            assert await asyncio.to_thread(uploads.sweep) == swept
        assert (await client.request("HEAD", half)).status == 404


async def test_a_recording_spoilt_on_the_way_is_sent_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our file is good and the relay says 460 (memory, disk, a proxy that ends TLS): a second try, then a sentence."""
    read = BlobFile.read
    spoilt = [1]

    async def sometimes(self: BlobFile, offset: int, length: int) -> bytes:
        data = await read(self, offset, length)
        if spoilt[0]:
            spoilt[0] -= 1
            return bytes(length)
        return data

    monkeypatch.setattr(BlobFile, "read", sometimes)
    async with scene(tmp_path, size=300_000, draw=lambda: None) as here, connect(here.peer) as client:
        await upload.Uploads(at_once=0).send(client, here.blob)
        assert here.arrived is not None
        here.arrived.unlink()
        spoilt[0] = 100
        with pytest.raises(DigestDiffers):
            await upload.Uploads(at_once=0).send(client, here.blob)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _spoil(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(1_234_567)
        byte = file.read(1)
        file.seek(1_234_567)
        file.write(bytes([byte[0] ^ 1]))


async def test_unfinished_uploads_never_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends that are killed again and again leave halves behind: of too many the one left alone longest gives way, and
    the same recording announced again is the same upload."""
    monkeypatch.setattr("relay.blobs.uploads.MOST_PER_GATEWAY", 5)
    async with scene(tmp_path, size=1000, draw=lambda: None) as here, connect(here.peer) as client:
        places = []
        for number in range(9):
            digest = hashlib.sha256(bytes([number])).hexdigest()
            blob = BlobFile(here.blob.path, digest, 1000)
            headers = upload._announcement(blob) | {"upload-complete": "?0"}
            replies = [await client.request("POST", "/v1/blobs", headers=headers) for _ in range(2)]
            assert {reply.status for reply in replies} == {201}
            assert replies[0].headers["location"] == replies[1].headers["location"]
            places.append(replies[0].headers["location"])
            where = here.place.folder / "cloud-1-data"
            for path in where.rglob(places[-1].rpartition("/")[2] + "/*"):
                os.utime(path, (number, number))
        heads = [(await client.request("HEAD", place)).status for place in places]
        assert heads == [404] * 4 + [204] * 5
