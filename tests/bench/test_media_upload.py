"""Processor time of a megabyte of recording, file to relay over mutual TLS: ours beside httpx, in turns. Figures.

Both send the same files in the same pieces to the same relay process; a run is void unless the relay holds every file.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import resource
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from agent.outlets.blob_file import BlobFile
from agent.outlets.client import connect
from agent.outlets.peer import Peer
from agent.outlets.upload import LARGEST_PIECE, Uploads
from certs import profiles
from certs.identity import Identity
from certs.tls import client_context
from tests.integration.relay_rig import TRUST_DOMAIN, Place, announcement, outside

SIZE = 50_000_000
WANTED = 1.3  # ms of processor time a megabyte


def recording(folder: Path, name: str) -> BlobFile:
    data = os.urandom(SIZE)
    path = folder / name
    path.write_bytes(data)
    return BlobFile(path, hashlib.sha256(data).hexdigest(), SIZE)


async def measured(send: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    """Milliseconds of processor time of this whole process (threads too) a megabyte, and megabytes a second."""
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await send()
    after, took = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter() - began
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used * 1e9 / SIZE, SIZE / 1e6 / took


async def by_httpx(client: httpx.AsyncClient, blob: BlobFile) -> None:
    """What one would write with httpx: read a piece, PATCH it, the next."""
    data = await asyncio.to_thread(blob.path.read_bytes)
    reply = await client.post("/v1/blobs", headers=announcement(data, **{"upload-complete": "?0"}))
    assert reply.status_code == 201, reply.text
    place = reply.headers["location"]
    for offset in range(0, SIZE, LARGEST_PIECE):
        piece = data[offset : offset + LARGEST_PIECE]
        last = offset + len(piece) == SIZE
        headers = {
            "content-type": "application/partial-upload",
            "upload-offset": str(offset),
            "upload-complete": "?1" if last else "?0",
        }
        reply = await client.patch(place, headers=headers, content=piece)
        assert reply.status_code == (201 if last else 204), reply.text


async def test_a_megabyte(tmp_path: Path, pick: Callable[..., int]) -> None:
    pairs = pick(quick=3, ci=6)
    place = Place.found(tmp_path)
    identity = Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway="gw-1")
    directory = place.issue("gateway-identity", profiles.gateway(identity))
    ours: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    async with outside(place) as at:
        base = f"https://127.0.0.1:{at._address('gateways').port}"
        uploads = Uploads()
        tls = client_context(directory)
        async with (
            connect(Peer(name="cloud", url=base, identity=directory), bulk=True) as client,
            httpx.AsyncClient(base_url=base, verify=tls, trust_env=False, timeout=60) as other,
        ):
            await uploads.send(client, recording(tmp_path, "first"))  # pieces grow to their size
            await by_httpx(other, recording(tmp_path, "second"))
            for number in range(pairs):
                mine, his = recording(tmp_path, f"a{number}"), recording(tmp_path, f"b{number}")
                ours.append(await measured(lambda blob=mine: uploads.send(client, blob)))  # type: ignore[misc]
                theirs.append(await measured(lambda blob=his: by_httpx(other, blob)))  # type: ignore[misc]
                for blob in (mine, his):
                    kept = place.folder / "cloud-1-data"
                    found = [path for path in kept.rglob(blob.sha256) if path.stat().st_size == SIZE]
                    assert found, "void: the relay does not hold what was sent"
    cpu, peer = (statistics.median(each[0] for each in runs) for runs in (ours, theirs))
    ratio = statistics.median(one[0] / other[0] for one, other in zip(ours, theirs, strict=True))
    speed, peer_speed = (statistics.median(each[1] for each in runs) for runs in (ours, theirs))
    print(
        f"\nmedia over mutual TLS, {pairs} pairs of {SIZE // 10**6} MB: ours {cpu:.2f} ms/MB at {speed:.0f} MB/s, "
        f"httpx {peer:.2f} ms/MB at {peer_speed:.0f} MB/s, ratio {ratio:.2f}; wanted: at most {WANTED} ms/MB "
        f"({'reached' if cpu <= WANTED else 'MISSED'}); load of the machine {os.getloadavg()[0]:.1f}"
    )
