"""Uploads that are cut anywhere, digests that are wrong, disks that are full: whole blobs or none."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from relay.blobs import uploads as uploads_module
from relay.blobs.directory import BlobDirectory
from relay.blobs.uploads import Uploads
from rules import events
from tests.integration.relay_rig import Gateway, Place, Running, announcement, common, inside, new_id, opened

PARTIAL = "application/partial-upload"


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    async with inside(Place.found(tmp_path)) as running:
        yield running


@pytest.fixture
async def gateway(relay: Running) -> AsyncIterator[Gateway]:
    async with relay.gateway() as client:
        yield client


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def kept(relay: Running, data: bytes) -> bytes:
    assert relay.relay is not None
    path = relay.relay.blobs.find("acme", sha(data))
    assert path is not None
    assert path.stat().st_mode & 0o777 == 0o440
    return path.read_bytes()


async def begin(gateway: Gateway, data: bytes) -> str:
    answer = await gateway.http.post("/v1/blobs", headers=announcement(data, **{"upload-complete": "?0"}))
    assert answer.status_code == 201
    return answer.headers["location"]


async def patch(gateway: Gateway, place: str, data: bytes, offset: int, *, complete: bool) -> httpx.Response:
    headers = {
        "content-type": PARTIAL,
        "upload-offset": str(offset),
        "upload-complete": "?1" if complete else "?0",
    }
    return await gateway.http.patch(place, headers=headers, content=data)


async def test_a_small_blob_goes_in_one_request(relay: Running, gateway: Gateway) -> None:
    data = os.urandom(200_000)
    assert (await gateway.http.head(f"/v1/blobs/{sha(data)}")).status_code == 404
    answer = await gateway.http.post("/v1/blobs", headers=announcement(data, **{"upload-complete": "?1"}), content=data)
    assert answer.status_code == 201
    answer = await gateway.http.head(f"/v1/blobs/{sha(data)}")
    assert (answer.status_code, answer.headers["content-length"]) == (200, "200000")
    assert kept(relay, data) == data
    assert list(relay.relay.blobs.uploads.iterdir()) == []  # type: ignore[union-attr]
    again = await gateway.http.post("/v1/blobs", headers=announcement(data, **{"upload-complete": "?0"}))
    assert (again.status_code, again.headers["upload-complete"]) == (201, "?1")


async def cut_patch(gateway: Gateway, place: str, data: bytes, offset: int, sent: int) -> None:
    """Announce the whole rest, send `sent` bytes of it, and vanish."""
    reader, writer = await asyncio.open_connection(
        gateway.address.host, gateway.address.port, ssl=gateway.tls, server_hostname="127.0.0.1"
    )
    head = (
        f"PATCH {place} HTTP/1.1\r\nhost: relay\r\ncontent-type: {PARTIAL}\r\nupload-offset: {offset}\r\n"
        f"upload-complete: ?1\r\ncontent-length: {len(data) - offset}\r\n\r\n"
    )
    writer.write(head.encode() + data[offset : offset + sent])
    await writer.drain()
    transport = writer.transport
    transport.abort()
    del reader


async def test_an_upload_goes_on_after_cuts_at_any_byte(relay: Running, gateway: Gateway) -> None:
    chance = random.Random(7)
    data = chance.randbytes(1_500_000)
    place = await begin(gateway, data)
    offset, cuts = 0, 0
    while offset < len(data) and cuts < 12:
        await cut_patch(gateway, place, data, offset, chance.choice((0, 1, 17, 4096, 65_537, 300_001)))
        cuts += 1
        answer = await gateway.http.head(place)
        assert answer.status_code == 204
        assert answer.headers["upload-complete"] == "?0"
        assert answer.headers["upload-length"] == str(len(data))
        assert offset <= int(answer.headers["upload-offset"]) < len(data)
        offset = int(answer.headers["upload-offset"])
    answer = await patch(gateway, place, data[offset:], offset, complete=True)
    if answer.status_code == 409:  # the last cut's bytes were still arriving when we asked
        offset = answer.json()["expected-offset"]
        answer = await patch(gateway, place, data[offset:], offset, complete=True)
    assert answer.status_code == 201, answer.text
    assert kept(relay, data) == data
    assert (await gateway.http.head(place)).status_code == 404


async def test_a_wrong_offset_is_told_the_right_one(gateway: Gateway) -> None:
    data = b"0123456789" * 100
    place = await begin(gateway, data)
    assert (await patch(gateway, place, data[:500], 0, complete=False)).status_code == 204
    answer = await patch(gateway, place, data[400:], 400, complete=True)
    assert (answer.status_code, answer.json()["expected-offset"]) == (409, 500)


async def test_wrong_bytes_are_found_and_nothing_is_kept(relay: Running, gateway: Gateway) -> None:
    data = os.urandom(70_000)
    changed = data[:1000] + bytes([data[1000] ^ 1]) + data[1001:]
    place = await begin(gateway, data)
    await patch(gateway, place, changed[:50_000], 0, complete=False)
    answer = await patch(gateway, place, changed[50_000:], 50_000, complete=True)
    assert answer.status_code == 460
    assert (await gateway.http.head(place)).status_code == 404
    assert (await gateway.http.head(f"/v1/blobs/{sha(data)}")).status_code == 404
    answer = await gateway.http.post(
        "/v1/blobs", headers=announcement(data, **{"upload-complete": "?1"}), content=changed
    )
    assert answer.status_code == 460
    assert list(relay.relay.blobs.uploads.iterdir()) == []  # type: ignore[union-attr]


async def test_lengths_are_held_to(gateway: Gateway) -> None:
    data = os.urandom(1000)
    place = await begin(gateway, data)
    assert (await patch(gateway, place, data[:900], 0, complete=True)).status_code == 400
    assert (await patch(gateway, place, data, 900, complete=True)).status_code == 400
    headers = announcement(data, **{"upload-complete": "?0"}) | {"upload-length": str(10**15 - 1)}
    assert (await gateway.http.post("/v1/blobs", headers=headers)).status_code == 413
    assert (await gateway.http.post("/v1/blobs", headers={"upload-complete": "?1"})).status_code == 400


async def test_an_upload_is_its_gateways_alone_and_blobs_are_a_tenants(relay: Running, gateway: Gateway) -> None:
    data = os.urandom(1000)
    place = await begin(gateway, data)
    whole = os.urandom(10)
    await gateway.http.post("/v1/blobs", headers=announcement(whole, **{"upload-complete": "?1"}), content=whole)
    async with relay.gateway("gw-2") as neighbour, relay.gateway("gw-3", tenant="other") as stranger:
        assert (await neighbour.http.head(place)).status_code == 404
        assert (await neighbour.http.delete(place)).status_code == 404
        assert (await neighbour.http.head(f"/v1/blobs/{sha(whole)}")).status_code == 200
        assert (await stranger.http.head(f"/v1/blobs/{sha(whole)}")).status_code == 404
    assert (await gateway.http.delete(place)).status_code == 204
    assert (await gateway.http.head(place)).status_code == 404


NAMES = ("../../../etc/passwd", "..%2f..%2fetc%2fpasswd", "A" * 64, "g" * 64, "a" * 63, "%00" * 20, "a" * 64 + "/..")


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_that_is_no_digest_finds_nothing(gateway: Gateway, name: str) -> None:
    assert (await gateway.http.head(f"/v1/blobs/{name}")).status_code in (400, 404, 405)
    assert (await gateway.http.head(f"/v1/uploads/{name}")).status_code == 404


async def test_a_full_disk_is_said_and_damages_nothing(tmp_path: Path) -> None:
    place = Place.found(tmp_path)
    config = place.configure(more=f"blobs: {{floor: {2**60}}}")
    async with inside(place, config) as relay, relay.gateway() as gateway:
        data = os.urandom(1000)
        answer = await gateway.http.post(
            "/v1/blobs", headers=announcement(data, **{"upload-complete": "?1"}), content=data
        )
        assert (answer.status_code, answer.json()["type"]) == (507, "disk-full")
        assert answer.headers["retry-after"] == "60"
        assert (await gateway.http.head(f"/v1/blobs/{sha(data)}")).status_code == 404
        assert list(relay.relay.blobs.uploads.iterdir()) == []  # type: ignore[union-attr]


async def test_the_relay_on_the_box_reads_the_gateways_own_folder(tmp_path: Path) -> None:
    data = os.urandom(500)
    folder = tmp_path / "media" / "blobs"
    path = folder / sha(data)[:2] / sha(data)[2:4] / sha(data)
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    place = Place.found(tmp_path)
    config = place.configure(relay="box-1", more="blobs: {directory: media/blobs, read_only: true}")
    async with inside(place, config) as relay, relay.local_gateway() as gateway:
        assert (await gateway.http.head(f"/v1/blobs/{sha(data)}")).status_code == 200
        other = os.urandom(10)
        answer = await gateway.http.post(
            "/v1/blobs", headers=announcement(other, **{"upload-complete": "?1"}), content=other
        )
        assert answer.status_code == 403
        assert "keeps no copy" in answer.json()["detail"]
    assert sorted(entry.name for entry in folder.iterdir()) == [sha(data)[:2]]


async def test_a_blob_wakes_the_page_that_waits_for_it(relay: Running, gateway: Gateway) -> None:
    assert relay.relay is not None
    data = os.urandom(100)
    first = opened()
    still = events.StillTaken(
        **common(),
        still=new_id(),
        incident=first.incident,
        camera="cam",
        sha256=sha(data),
        bytes=100,
        taken=1,
        width=640,
        height=360,
    )
    await gateway.deliver("P0", first)
    await gateway.deliver("P2", still)
    with relay.relay.changes.subscribe() as watcher:
        await gateway.http.post("/v1/blobs", headers=announcement(data, **{"upload-complete": "?1"}), content=data)
        change = await watcher.next(2)
    assert change is not None
    assert change.incidents == {first.incident}


async def test_a_half_open_request_does_not_block_the_next(gateway: Gateway, relay: Running) -> None:
    data = os.urandom(400_000)
    place = await begin(gateway, data)
    context: ssl.SSLContext | None = gateway.tls
    _, writer = await asyncio.open_connection(
        gateway.address.host, gateway.address.port, ssl=context, server_hostname="127.0.0.1"
    )
    writer.write(
        f"PATCH {place} HTTP/1.1\r\nhost: relay\r\ncontent-type: {PARTIAL}\r\nupload-offset: 0\r\n"
        f"upload-complete: ?1\r\ncontent-length: {len(data)}\r\n\r\n".encode()
        + data[:1000]
    )
    await writer.drain()
    answer = await gateway.http.head(place)
    assert answer.status_code == 204
    offset = int(answer.headers["upload-offset"])
    answer = await patch(gateway, place, data[offset:], offset, complete=True)
    assert answer.status_code == 201
    assert kept(relay, data) == data
    writer.transport.abort()


def test_what_nobody_came_back_for_is_swept(tmp_path: Path) -> None:
    directory = BlobDirectory(root=tmp_path, read_only=False, floor=0)
    directory.prepare()
    uploads = Uploads(directory=directory)
    old = uploads.create(tenant="acme", gateway="gw-1", sha256="a" * 64, length=10)
    uploads.create(tenant="acme", gateway="gw-1", sha256="b" * 64, length=10)
    past = time.time() - uploads_module.STALE_SECONDS - 60
    for path in (directory.uploads / old.id).iterdir():
        os.utime(path, (past, past))
    assert uploads.sweep() == 1
    assert [json.loads((path / "meta").read_text())["sha256"] for path in directory.uploads.iterdir()] == ["b" * 64]
