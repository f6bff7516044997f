"""A secret incident (duress): kept by every relay, shown and told outside the building only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from relay.changes import Change
from relay.store import sight
from relay.store.schema import entry as entry_table
from relay.store.schema import incident as incident_table
from relay.web.pages import events as stream
from relay.web.visit import Visit
from rules import events, ids
from tests.integration.web_clip import corridor
from tests.integration.web_rig import SECOND, Building, Rig, as_role, press, rigged

TITLE = "Duress code at the front door"


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path / "box", on_site=True) as made:
        yield made


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path / "cloud") as made:
        yield made


async def duress(building: Building) -> str:
    """Somebody disarms with a duress code: on site nothing but a disarming is seen."""
    pressed = events.ContactOpened(**building.common(), device="front-keypad")
    incident = ids.derived(pressed.id, "duress")
    said: dict[str, Any] = {
        "title": TITLE,
        "severity": "critical",
        "rule": "panel hall duress",
        "policy": "guards",
        "covert": True,
    }
    await building.send(pressed, building.entry("incident.opened", incident, trigger=pressed.id, **said))
    return incident


async def with_footage(building: Building, incident: str) -> tuple[str, str]:
    still = await building.still(incident, corridor(segments=1), wall=building.rig.clock.wall())
    recording = await building.clip(incident, corridor(segments=1), wall=building.rig.clock.wall())
    await recording.add(0)
    await recording.seal()
    return still, recording.clip


ADDRESSES = (
    "/incidents/{incident}",
    "/api/incidents/{incident}",
    "/stills/{still}.jpg",
    "/clips/{clip}/manifest.json",
    "/clips/{clip}/init/0",
    "/clips/{clip}/segments/0",
    "/clips/{clip}/0.mp4",
)


@pytest.mark.parametrize("role", ["viewer", "guard", "admin"])
async def test_on_site_it_looks_like_nothing_at_all_to_anybody(box: Rig, role: str) -> None:
    building = box.building()
    incident = await duress(building)
    still, clip = await with_footage(building, incident)
    async with as_role(box, role) as client:
        for listing in ("/", "/?state=open", "/?state=closed", "/api/incidents", "/api/incidents?state=open"):
            shown = (await client.get(listing)).text
            assert incident not in shown and TITLE not in shown and "incident is waiting" not in shown, listing
        assert "All quiet" in (await client.get("/")).text
        for address in ADDRESSES:
            known = address.format(incident=incident, still=still, clip=clip)
            unknown = address.format(**dict.fromkeys(("incident", "still", "clip"), "00000000-0000-7000-8000-00000000"))
            one, other = await client.get(known), await client.get(unknown)
            assert (one.status_code, other.status_code) == (404, 404), address
            assert no_ids(one) == no_ids(other), f"{address} answers as if there were none"


def no_ids(answer: httpx.Response) -> str:
    return re.sub(r"[0-9a-f]{40,}|As of \d\d:\d\d|Account of [^<]*", "", answer.text)


@pytest.mark.parametrize("act", ["acknowledge", "start", "resolve", "assign", "note", "merge", "split", "silence"])
async def test_on_site_nobody_can_act_on_it(box: Rig, act: str) -> None:
    building = box.building()
    incident = await duress(building)
    async with as_role(box, "admin") as client:
        fields = {"note": "x", "reason": "real", "title": "x", "device": "siren-1", "other": incident}
        assert (await press(client, f"/incidents/{incident}/{act}", **fields)).status_code == 404
        plain_one = await building.break_in()
        answer = await press(client, f"/incidents/{plain_one}/merge", other=incident)
        assert answer.status_code == 404 and "no such incident" in answer.text
        assert incident not in (await client.get(f"/incidents/{plain_one}")).text
    async with box.context.db.read() as connection:
        kept = await connection.scalar(
            select(func.count()).select_from(entry_table).where(entry_table.c.incident == incident)
        )
    assert kept == 1, "its entries are kept all the same, and nothing was added"


async def test_on_site_an_open_page_hears_nothing_of_it(box: Rig) -> None:
    building = box.building()
    incident = await duress(building)
    plain_one = await building.break_in()
    _, clip = await with_footage(building, incident)
    async with box.context.db.read() as connection:
        change = Change(incidents=frozenset({incident, plain_one}), clips=frozenset({clip}), gateways=frozenset({"gw"}))
        seen = await sight.without_secrets(connection, change)
        assert seen == Change(incidents=frozenset({plain_one}), gateways=frozenset({"gw"}))
        nothing = await sight.without_secrets(connection, Change(incidents=frozenset({incident})))
        assert not nothing


async def test_the_stream_itself_leaves_it_out(box: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "LOOK", 0.2)
    building = box.building()
    first = await building.break_in()
    heard = b""
    async with as_role(box, "guard") as client:
        session = await session_of(box, client)
        pieces = stream._stream(session, session.signed_in)
        heard += await anext(pieces)
        incident = await duress(building)
        box.context.changes.publish(incidents=[incident])
        await asyncio.sleep(0)
        box.context.changes.publish(incidents=[first])
        while b"change" not in heard:
            heard += await asyncio.wait_for(anext(pieces), 5)
        await pieces.aclose()  # type: ignore[attr-defined]
    assert first.encode() in heard and incident.encode() not in heard


async def session_of(rig: Rig, client: httpx.AsyncClient) -> Visit:
    from starlette.requests import Request

    from relay.web.gate import session_of

    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    scope = {
        "type": "http", "method": "GET", "path": "/events", "query_string": b"", "scheme": "http",
        "headers": [(b"cookie", cookies.encode()), (b"host", b"relay.test")], "server": ("relay.test", 80),
    }  # fmt: skip
    request = Request(scope)
    return Visit(
        request=request, console=rig.console, action="feed.view", session=await session_of(request, rig.console)
    )


async def test_outside_it_is_shown_and_says_that_nobody_there_knows(cloud: Rig) -> None:
    building = cloud.building()
    incident = await duress(building)
    still, clip = await with_footage(building, incident)
    async with as_role(cloud, "guard") as client:
        assert TITLE in (await client.get("/")).text and "Secret" in (await client.get("/")).text
        page = (await client.get(f"/incidents/{incident}")).text
        assert "nobody in the building is shown this or told of it. Do not ring there." in page
        for address in ADDRESSES:
            known = address.format(incident=incident, still=still, clip=clip)
            assert (await client.get(known)).status_code == 200, address
        await press(client, f"/incidents/{incident}/note", note="Police called")
        data = (await client.get(f"/api/incidents/{incident}")).json()
        assert data["covert"] is True
        assert data["entries"][-1]["body"]["covert"] is True, (
            "each entry says so: a relay may get it before the opening"
        )
        open_one = await building.break_in()
        answer = await press(client, f"/incidents/{incident}/merge", other=open_one)
        assert answer.status_code == 409 and "cannot become one" in answer.text
        assert f'value="{open_one}"' not in page


async def test_a_part_of_a_secret_is_a_secret(cloud: Rig, box: Rig) -> None:
    building = cloud.building()
    incident = await duress(building)
    still, _ = await with_footage(building, incident)
    async with as_role(cloud, "guard") as client:
        await press(client, f"/incidents/{incident}/split", **{f"still {still}": "1", "title": "Another"})
    async with cloud.context.db.read() as connection:
        rows = (await connection.execute(select(incident_table.c.covert, incident_table.c.split_from))).all()
    assert sorted((row.covert, row.split_from or "") for row in rows) == [(1, ""), (1, incident)]


async def test_an_entry_that_comes_before_the_opening_is_hidden_as_well(box: Rig) -> None:
    building = box.building()
    noted = building.entry("incident.noted", ids.derived("x"), by="Ada", note="Police called", covert=True)
    await building.send(replace(noted, lamport=2, origin="cloud"))
    async with as_role(box, "admin") as client:
        assert "All quiet" in (await client.get("/")).text
        assert noted.incident not in (await client.get("/")).text


async def test_an_incident_that_is_no_secret_is_shown_everywhere(box: Rig) -> None:
    incident = await box.building().break_in(wall=box.clock.wall() - SECOND)
    async with as_role(box, "viewer") as client:
        assert incident in (await client.get("/")).text
