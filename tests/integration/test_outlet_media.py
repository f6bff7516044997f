"""Recordings to a relay: after the incidents, stills first, whole or not at all, from where a cut upload stopped."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.errors import OutletError
from agent.outlets.blob_file import find
from agent.outlets.client import connect
from agent.outlets.peer import Peer
from agent.outlets.upload import Uploads
from rules.events import BlobLost
from tests.integration.fake_relay import FakeRelay, Fault
from tests.integration.outlet_rig import GATEWAY, Rig, noise, rig, running, until


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "agent") as made:
        yield made


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay(gateway=GATEWAY)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "relay.sock"


async def test_blobs_arrive_whole_small_and_large(building: Rig, relay: FakeRelay, at: Path) -> None:
    large, small = noise(3_000_000), noise(10_000)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        names = [await building.segment(large, n=0), await building.still(small)]
        await building.media_done()
    assert relay.blobs[names[0]] == large
    assert relay.blobs[names[1]] == small
    assert relay.requests["POST /v1/blobs"] == 3  # with the init


async def test_what_the_relay_has_is_not_sent(building: Rig, relay: FakeRelay, at: Path) -> None:
    data = noise(1000)
    relay.blobs[hashlib.sha256(data).hexdigest()] = data
    async with relay.listening(at), running(building.outlet("cloud", at)):
        sha256 = await building.segment(data, init=data)
        await until(lambda: relay.requests[f"HEAD /v1/blobs/{sha256}"])
        await building.media_done()
    assert relay.requests["POST /v1/blobs"] == 0


async def test_every_waiting_incident_goes_before_the_first_media_byte(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    for number in range(5):
        await building.still(noise(5000))
        await building.segment(noise(50_000), n=number)
        await asyncio.gather(*(building.incident(title="x" * 1000) for _ in range(300)))
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await until(lambda: len(relay.blobs) == 11)
    lanes = [lane for lane, _ in relay.arrivals]
    assert lanes.index("blob") > max(number for number, lane in enumerate(lanes) if lane == "P0")


async def test_stills_go_before_segments(building: Rig, relay: FakeRelay, at: Path) -> None:
    for number in range(3):
        await building.segment(noise(20_000), n=number)
    pictures = {await building.still(noise(3000)) for _ in range(3)}
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await until(lambda: len(relay.blobs) == 7)
    blobs = [name for lane, name in relay.arrivals if lane == "blob"]
    assert set(blobs[:3]) == pictures


async def test_an_incident_overtakes_a_large_blob(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.always["PATCH"] = "slow"
    async with relay.listening(at), running(building.outlet("cloud", at)):
        large = await building.segment(noise(3_000_000))
        await until(lambda: any(name.startswith("PATCH") for name in relay.requests))
        await building.incident()
        await until(lambda: relay.taken("P0"))
        del relay.always["PATCH"]
        relay.hold.set()
        await building.media_done()
    assert relay.arrivals.index(("P0", 1)) < relay.arrivals.index(("blob", large))


async def test_a_cut_upload_goes_on_where_it_stopped(building: Rig, relay: FakeRelay, at: Path) -> None:
    data = noise(3_000_000)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        relay.patch_limit = 100_000
        sha256 = await building.segment(data, init=b"")
        await until(lambda: sha256 in relay.blobs)
    assert relay.blobs[sha256] == data
    assert relay.requests["POST /v1/blobs"] <= 3  # announced once; the rest is the init
    assert any(name.startswith("HEAD /v1/uploads/") for name in relay.requests)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "later", "error", "html"])
@pytest.mark.parametrize("where", ["POST /v1/blobs", "HEAD /v1/blobs", "PATCH"])
async def test_a_relay_that_fails_gets_the_blob_in_the_end(
    building: Rig, relay: FakeRelay, at: Path, where: str, fault: Fault
) -> None:
    relay.retry_after = "0"
    relay.faults[where] = deque([fault, fault])
    data = noise(2_000_000)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        sha256 = await building.segment(data)
        await building.media_done()
    assert relay.blobs[sha256] == data


async def test_small_blobs_over_a_bad_line_go_in_pieces(building: Rig, relay: FakeRelay, at: Path) -> None:
    relay.faults["POST /v1/blobs"] = deque(["drop_before"])
    data = noise(500_000)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        sha256 = await building.still(data)
        await until(lambda: sha256 in relay.blobs)
    assert any(name.startswith("PATCH") for name in relay.requests)


async def test_a_missing_or_damaged_recording_is_told_once_and_passed_over(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    missing, damaged = await building.still(noise(100)), await building.still(noise(200))
    for sha256, data in ((missing, None), (damaged, b"other bytes")):
        path = building.media / "blobs" / sha256[:2] / sha256[2:4] / sha256
        path.unlink()
        if data is not None:
            path.write_bytes(data)
    async with relay.listening(at), running(building.outlet("cloud", at)):
        good = await building.still(noise(300))
        await until(lambda: good in relay.blobs and len(building.told(BlobLost)) == 2)
        later = await building.still(noise(400))
        await until(lambda: later in relay.blobs)
    told = {event.sha256: event.reason for event in building.told(BlobLost)}
    assert len(building.told(BlobLost)) == 2
    assert "cannot be read: No such file" in told[missing]
    assert "no longer has the bytes it is named by" in told[damaged]


async def test_what_was_passed_over_is_looked_for_again(building: Rig, relay: FakeRelay, at: Path) -> None:
    data = noise(100)
    sha256 = await building.still(data)
    path = building.media / "blobs" / sha256[:2] / sha256[2:4] / sha256
    path.unlink()
    async with relay.listening(at), running(building.outlet("cloud", at, look_again=0.2)):
        await until(lambda: building.told(BlobLost))
        building.blob(data)  # the disk was mounted
        await until(lambda: sha256 in relay.blobs)
    assert len(building.told(BlobLost)) == 1


async def test_a_media_disk_that_is_gone_is_one_trouble(building: Rig, relay: FakeRelay, at: Path) -> None:
    pictures = [await building.still(noise(20)) for _ in range(300)]
    (building.media / "blobs").rename(building.media / "away")
    outlet = building.outlet("cloud", at)
    async with relay.listening(at), running(outlet):
        await until(lambda: "Is the media file system mounted?" in (outlet.state.last_error or ""))
        await until(lambda: len(building.told(BlobLost)) == 256)
        await asyncio.sleep(0.5)
        assert len(building.told(BlobLost)) == 256
    assert pictures


async def test_an_outlet_that_keeps_no_copy_is_sent_no_media(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(building.outlet("box", at, keeps_copy=False)):
        await building.still(noise(100))
        await until(lambda: relay.taken("P2"))
        await asyncio.sleep(0.1)
    assert not any("/v1/blobs" in name for name in relay.requests)


async def test_the_first_picture_is_outside_soon(building: Rig, relay: FakeRelay, at: Path) -> None:
    """Well inside two seconds on loopback; the figure itself belongs to the bench."""
    outlet = building.outlet("cloud", at, probe=60.0)
    async with relay.listening(at), running(outlet):
        await until(lambda: outlet.state.reachable)
        began = asyncio.get_running_loop().time()
        await building.incident()
        sha256 = await building.still(noise(60_000))
        await until(lambda: sha256 in relay.blobs)
        assert asyncio.get_running_loop().time() - began < 2.0


async def test_any_cut_position_ends_in_the_same_bytes(building: Rig, relay: FakeRelay, at: Path) -> None:
    """An upload cut after an arbitrary number of bytes resumes; at most one piece travels twice."""
    peer = Peer(name="cloud", socket=at)
    data = noise(200_000)
    sha256 = building.blob(data)
    blob = await find(building.media, sha256, len(data))
    async with relay.listening(at):
        for cut in (0, 1, 16_383, 16_384, 100_000, 199_999):
            relay.blobs.clear()
            uploads = Uploads(at_once=0)
            relay.patch_limit = cut
            for _ in range(3):
                try:
                    async with connect(peer) as client:
                        await uploads.send(client, blob)
                    break
                except OutletError:
                    continue
            assert relay.blobs == {sha256: data}
