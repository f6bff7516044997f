"""What the console shows and asks of footage on the gateway: holds, what left it, key pictures, days of video left."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.video.pictures import make_strip
from relay.store import gateways
from relay.store.schema import command
from relay.web.reading.building import _storage
from rules import events, wire
from tests.integration.test_web_acting import page, plain
from tests.integration.web_clip import corridor
from tests.integration.web_rig import SECOND, Building, Rig, as_role, identity, press, rigged
from tests.unit.test_video_pictures import pictures


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


async def asked(rig: Rig) -> list[tuple[str, str, dict[str, str]]]:
    async with rig.context.db.read() as connection:
        rows = await connection.execute(select(command).order_by(command.c.created))
        return [(row.actor, row.name, json.loads(row.args)) for row in rows]


async def strip(building: Building, incident: str, clip: str, *, arrives: bool = True) -> str:
    """Key pictures as the media worker makes them."""
    chosen = sorted(pictures(width=640, height=360), key=lambda one: one.unit.pts)[:5]
    made, shown = make_strip(chosen)
    wall = building.rig.clock.wall()
    fact = events.KeyPictures(
        **building.common(), clip=clip, incident=incident, camera="server-room",
        sha256=hashlib.sha256(made.jpeg).hexdigest(), bytes=len(made.jpeg),
        taken=[wall + n * SECOND for n in range(len(shown))], width=made.width, height=made.height,
    )  # fmt: skip
    await building.send(fact)
    if arrives:
        await building.blob(made.jpeg)
    return fact.sha256


async def test_footage_is_kept_for_a_reason_and_released_by_an_administrator(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    await building.still(incident, corridor(segments=1), wall=rig.clock.wall())
    async with as_role(rig, "viewer") as client:
        assert "/hold" not in await page(client, incident)
    async with as_role(rig, "guard") as client:
        assert f'action="/incidents/{incident}/hold"' in await page(client, incident)
        refused = await press(client, f"/incidents/{incident}/hold", reason="  ")
        assert refused.status_code == 409 and "Say why this footage is kept" in refused.text
        answer = await press(client, f"/incidents/{incident}/hold", reason="Asked for by  the police")
        assert answer.headers["location"] == f"/incidents/{incident}?said=held"
        assert "Keeping the footage, asked by" in plain(await page(client, incident))
    ((actor, name, args),) = await asked(rig)
    assert (name, args) == ("media.hold", {"incident": incident, "reason": "Asked for by the police"})
    held = events.MediaHeld(**building.common(), incident=incident, by=actor, reason=args["reason"])
    await building.send(held)
    async with as_role(rig, "guard") as client:
        shown = await page(client, incident)
        assert "On hold: Asked for by the police" in plain(shown) and actor in shown
        assert f"/incidents/{incident}/release" not in shown, "that takes an administrator"
        other = await building.break_in(title="Another door")
        assert "police" not in await page(client, other), "what is said of one incident is no fact of another"
        assert (await press(client, f"/incidents/{incident}/release")).status_code == 403
    async with as_role(rig, "admin") as client:
        assert f'action="/incidents/{incident}/release"' in await page(client, incident)
        await press(client, f"/incidents/{incident}/release")
    assert (await asked(rig))[-1][1:] == ("media.release", {"incident": incident})
    await building.send(events.MediaReleased(**building.common(), incident=incident, by="Ada"))
    async with as_role(rig, "guard") as client:
        assert "On hold" not in await page(client, incident)


async def test_another_gateway_cannot_hold_what_is_not_its_own(rig: Rig) -> None:
    building, other = rig.building(), rig.building("gw-2")
    incident = await building.break_in()
    await building.still(incident, corridor(segments=1), wall=rig.clock.wall())
    await other.send(events.MediaHeld(**other.common(), incident=incident, by="Mallory", reason="mine"))
    await other.send(
        events.MediaEvicted(**other.common(), incident=incident, blobs=1, bytes=1, reason="age", held_by=[])
    )
    async with as_role(rig, "admin") as client:
        shown = await page(client, incident)
        assert "Mallory" not in shown and "No longer on the gateway" not in shown


async def test_what_left_the_gateway_is_said_instead_of_a_broken_player(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    footage = corridor(segments=2)
    recording = await building.clip(incident, footage, wall=rig.clock.wall())
    await recording.announce(0)
    await recording.announce(1)
    await recording.seal()
    still = events.StillTaken(
        **building.common(), still=identity(), incident=incident, camera="server-room", sha256="ab" * 32, bytes=9,
        taken=rig.clock.wall(), width=640, height=360,
    )  # fmt: skip
    await building.send(still)
    async with as_role(rig, "guard") as client:
        assert "data-player" in await page(client, incident), "it is on its way"
        gone = {"incident": incident, "blobs": 4, "bytes": 9, "reason": "age"}
        await building.send(events.MediaEvicted(**building.common(), **gone, held_by=["cloud"]))  # type: ignore[arg-type]
        shown = await page(client, incident)
        assert "data-player" not in shown and f"/incidents/{incident}/hold" not in shown
        assert "No longer on the gateway since" in plain(shown) and "the copy at Cloud is kept" in plain(shown)
        assert "no longer on the gateway" in plain(shown.split("figcaption")[1])
        # Where a copy is, it plays on.
        await recording.arrive(0)
        assert "data-player" in await page(client, incident)


async def test_key_pictures_are_shown_before_the_clip_is_there(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    recording = await building.clip(incident, corridor(segments=1), wall=rig.clock.wall())
    sha256 = await strip(building, incident, recording.clip, arrives=False)
    async with as_role(rig, "viewer") as client:
        assert "pictures.jpg" not in await page(client, incident), "not before it is here"
        assert (await client.get(f"/clips/{recording.clip}/pictures.jpg")).status_code == 404
        assert await strip(building, incident, recording.clip) == sha256
        shown = await page(client, incident)
        assert f'src="/clips/{recording.clip}/pictures.jpg"' in shown and "5 pictures up to the alarm" in shown
        answer = await client.get(f"/clips/{recording.clip}/pictures.jpg")
        assert answer.headers["content-type"] == "image/jpeg" and answer.headers["etag"] == f'"{sha256}"'
        assert answer.content[:2] == b"\xff\xd8"


async def test_key_pictures_of_somebody_elses_clip_are_quarantined(rig: Rig) -> None:
    building, other = rig.building(), rig.building("gw-2")
    incident = await building.break_in()
    recording = await building.clip(incident, corridor(segments=1), wall=rig.clock.wall())
    with pytest.raises(AssertionError, match="quarantined|Quarantined"):
        await strip(other, incident, recording.clip)
    async with as_role(rig, "viewer") as client:
        assert "pictures.jpg" not in await page(client, incident)


async def test_days_of_video_left_on_the_gateways_page(rig: Rig) -> None:
    building = rig.building()
    await building.break_in()
    async with rig.context.db.write() as connection:
        storage = wire.Storage(days=41, free=812_000_000_000, used=96_400_000_000, waiting=0)
        await gateways.heard(connection, "gw-1", now=rig.clock.wall(), storage=storage.text())
    async with as_role(rig, "viewer") as client:
        assert "Room for about 41 days of video; 96.4 GB kept" in plain((await client.get("/gateways")).text)
        await building.send(events.StorageLow(**building.common(), days=2, free=9_000_000_000))
        shown = plain((await client.get("/gateways")).text)
        assert "room for only a few more days of video" in shown and "shorten media.keep" in shown
        assert "Room for about 2 days, 9.0 GB." in shown
        await building.send(events.StorageFull(**building.common(), waiting=5_000_000, held=0))
        shown = plain((await client.get("/gateways")).text)
        assert "keeps no new clips" in shown and "only a few more days" not in shown
        await building.send(events.StorageAmple(**building.common(), days=9, free=1))
        assert "keeps no new clips" not in plain((await client.get("/gateways")).text)


def test_the_sentence_about_the_disk() -> None:
    def said(days: int | None, waiting: int = 0) -> str:
        return _storage(wire.Storage(days=days, free=5_000_000, used=1_000, waiting=waiting).text())

    assert _storage("") == ""
    assert said(None) == "5.0 MB of room for video; 1.0 kB kept"
    assert said(0) == "Room for less than a day of video; 1.0 kB kept"
    assert said(1, waiting=400) == "Room for about 1 day of video; 1.0 kB kept, 400 B wait for a copy elsewhere"
    assert said(3650) == "Room for more than ten years of video; 1.0 kB kept"
