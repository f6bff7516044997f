"""Clips and stills: manifests, segments, whole parts with ranges."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from tests.integration.web_clip import corridor
from tests.integration.web_rig import SECOND, Recording, Rig, as_role, rigged


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


async def recording(rig: Rig) -> tuple[str, Recording]:
    building = rig.building()
    incident = await building.break_in()
    return incident, await building.clip(incident, corridor(), wall=rig.clock.wall() - 5 * SECOND)


async def test_the_manifest_says_what_is_here_and_what_is_not(rig: Rig) -> None:
    incident, clip = await recording(rig)
    async with as_role(rig, "viewer") as client:
        address = f"/clips/{clip.clip}/manifest.json"
        empty = (await client.get(address)).json()
        assert empty["segments"] == [] and empty["parts"] == [] and not empty["sealed"] and empty["end"] is None
        await clip.add(0)
        await clip.announce(1)
        manifest = (await client.get(address)).json()
        assert [segment["have"] for segment in manifest["segments"]] == [True, False]
        assert manifest["incident"] == incident
        assert manifest["mark"] - manifest["start"] == 2_200_000
        assert manifest["segments"][1]["start"] == corridor().origin + SECOND
        page = (await client.get(f"/incidents/{incident}")).text
        assert "Waiting for 1 of 2 segments" in page
        await clip.arrive(1)
        await clip.seal("camera_lost", end=1.7)
        sealed = (await client.get(address)).json()
        assert sealed["sealed"] and sealed["end"] == corridor().origin + 1_700_000 and sealed["planned"] == 2
        assert "camera was lost" in sealed["reason"]


async def test_segments_are_the_gateways_bytes(rig: Rig) -> None:
    _, clip = await recording(rig)
    await clip.add(0, 1)
    await clip.announce(2)
    footage = corridor()
    async with as_role(rig, "viewer") as client:
        init = await client.get(f"/clips/{clip.clip}/init/0")
        first = await client.get(f"/clips/{clip.clip}/segments/1")
        assert init.content == footage.init and first.content == footage.pieces[1].data
        assert first.headers["content-type"] == "video/mp4"
        assert first.headers["cache-control"] == "private, max-age=31536000, immutable"
        assert first.headers["etag"] == f'"{footage.pieces[1].sha256}"'
        again = await client.get(f"/clips/{clip.clip}/segments/1", headers={"If-None-Match": first.headers["etag"]})
        assert again.status_code == 304 and not again.content
        part = await client.get(f"/clips/{clip.clip}/segments/1", headers={"Range": "bytes=4-7"})
        assert part.status_code == 206 and part.content == b"moof"
        missing = await client.get(f"/clips/{clip.clip}/segments/2")
        assert missing.status_code == 404 and "not arrived yet" in missing.json()["title"]
        assert (await client.get(f"/clips/{clip.clip}/segments/99")).status_code == 404
        assert (await client.get(f"/clips/{clip.clip}/init/7")).status_code == 404


async def test_a_part_is_a_file_that_plays(rig: Rig) -> None:
    _, clip = await recording(rig)
    async with as_role(rig, "viewer") as client:
        address = f"/clips/{clip.clip}/0.mp4"
        assert (await client.get(address)).status_code == 404
        await clip.add(0, 1, 2)
        answer = await client.get(f"{address}?download=1")
        assert answer.headers["content-disposition"].startswith('attachment; filename="nightporter-')
        footage = corridor()
        whole = footage.init + b"".join(piece.data for piece in footage.pieces[:3])
        assert answer.content == whole and answer.headers["content-length"] == str(len(whole))
        with av.open(io.BytesIO(answer.content), "r") as file:
            assert len(list(file.decode(video=0))) == 30
        tag = answer.headers["etag"]
        at = len(footage.init) + 10
        part = await client.get(address, headers={"Range": f"bytes={len(footage.init) - 10}-{at}", "If-Range": tag})
        assert part.status_code == 206 and part.content == whole[len(footage.init) - 10 : at + 1]
        assert part.headers["content-range"] == f"bytes {len(footage.init) - 10}-{at}/{len(whole)}"
        assert (await client.get(address, headers={"Range": "bytes=-9"})).content == whole[-9:]
        beyond = await client.get(address, headers={"Range": f"bytes={len(whole)}-"})
        assert beyond.status_code == 416 and beyond.headers["content-range"] == f"bytes */{len(whole)}"
        assert (await client.get(address, headers={"If-None-Match": tag})).status_code == 304
        head = await client.head(address)
        assert head.status_code == 200 and head.headers["content-length"] == str(len(whole))
        await clip.add(3)
        grown = await client.get(address, headers={"Range": "bytes=0-9", "If-Range": tag})
        assert grown.status_code == 200 and grown.headers["etag"] != tag, "it grew: the old part does not fit"


async def test_a_new_init_is_a_new_part(rig: Rig) -> None:
    _, clip = await recording(rig)
    await clip.add(0)
    other = corridor(height=90, segments=2, event=0.5)
    clip.footage = other
    await clip.announce(1, part=1)
    await clip.arrive(1)
    async with as_role(rig, "viewer") as client:
        manifest = (await client.get(f"/clips/{clip.clip}/manifest.json")).json()
        assert [part["part"] for part in manifest["parts"]] == [0, 1]
        second = (await client.get(f"/clips/{clip.clip}/1.mp4")).content
    assert second == other.init + other.pieces[1].data


async def test_stills(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    footage = corridor()
    async with as_role(rig, "viewer") as client:
        assert "<img src=\"/stills/" not in (await client.get("/")).text
        still = await building.still(incident, footage, wall=rig.clock.wall())
        assert f'src="/stills/{still}.jpg"' in (await client.get("/")).text
        picture = await client.get(f"/stills/{still}.jpg")
        assert picture.content == footage.still and picture.headers["content-type"] == "image/jpeg"
        assert picture.headers["x-content-type-options"] == "nosniff"


async def test_somebody_elses_incident_shows_no_foreign_clip(rig: Rig) -> None:
    """A gateway that names another gateway's incident puts nothing on its page."""
    victim, stranger = rig.building("gw-1", "lobby"), rig.building("gw-2", "depot")
    incident = await victim.break_in()
    clip = await stranger.clip(await stranger.break_in(title="Mine"), corridor(), wall=rig.clock.wall())
    await clip.add(0)
    async with as_role(rig, "viewer") as client:
        assert clip.clip not in (await client.get(f"/incidents/{incident}")).text
