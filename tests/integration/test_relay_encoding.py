"""Batches in zstd, over mutual TLS into the relay itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import zstandard

from rules import wire
from tests.integration.relay_rig import Place, Running, contact, inside, now

ZSTD = {"content-encoding": "zstd"}


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Running]:
    async with inside(Place.found(tmp_path)) as running:
        yield running


async def test_a_packed_batch_is_taken_like_a_plain_one(relay: Running) -> None:
    async with relay.gateway() as gateway:
        account = gateway.lane("P1")
        account.add(*(contact(n % 2 == 0) for n in range(400)))
        packed = zstandard.compress(account.batch())
        answer = await gateway.http.post("/v1/lanes/P1", content=packed, headers=ZSTD)
        assert answer.status_code == 200, answer.text
        said = answer.json()
        assert (said["seq"], said["chain"]) == (400, account.chain(400))
        assert abs(now() - said["wall"]) < 5_000_000
        again = await gateway.post("P1", account.batch())
        assert again.json()["seq"] == 400


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (zstandard.compress(b"\n" * (wire.MAX_BATCH_BYTES + 1)), 413, "too-large"),
        (zstandard.compress(b"\n" * wire.MAX_BATCH_BYTES), 400, "bad-encoding"),
        (b"no zstd at all", 400, "bad-encoding"),
        (zstandard.compress(b"x" * 5000)[:-3], 400, "bad-encoding"),
        (zstandard.compress(b"no batch"), 400, "bad-request"),
        (b"", 400, "bad-encoding"),
    ],
    ids=["too long", "bomb", "rubbish", "cut", "no batch", "empty"],
)
async def test_what_is_not_honest_zstd_is_refused(relay: Running, body: bytes, status: int, kind: str) -> None:
    async with relay.gateway() as gateway:
        answer = await gateway.http.post("/v1/lanes/P1", content=body, headers=ZSTD)
        assert (answer.status_code, answer.json()["type"]) == (status, kind)
        await gateway.deliver("P1", contact(True))


async def test_another_encoding_is_refused_with_what_is_read(relay: Running) -> None:
    async with relay.gateway() as gateway:
        answer = await gateway.http.post("/v1/lanes/P1", content=b"x", headers={"content-encoding": "br"})
        assert (answer.status_code, answer.json()["type"]) == (415, "bad-encoding")
        assert answer.headers["accept-encoding"] == "zstd"
