"""Every act on an incident as a plain form: what the page offers in each state, and what it then says."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from rules.incidents import REASONS
from tests.integration.web_clip import corridor
from tests.integration.web_rig import SECOND, Building, Rig, as_role, press, rigged, sign_in, visitor


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


def plain(html: str) -> str:
    text = re.sub(r"<(style|script|title)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace(" ,", ",").replace(" .", ".")


def offered(html: str) -> set[str]:
    """The acts for which the page has a form."""
    return set(re.findall(r'action="/incidents/[0-9a-f-]{36}/([a-z]+)"', html)) - {"silence", "hold"}


async def page(client: httpx.AsyncClient, incident: str) -> str:
    answer = await client.get(f"/incidents/{incident}")
    assert answer.status_code == 200
    return answer.text


async def state(client: httpx.AsyncClient, incident: str) -> str:
    return str((await client.get(f"/api/incidents/{incident}")).json()["state"])


async def test_the_whole_way_of_an_incident(rig: Rig) -> None:
    incident = await rig.building().break_in()
    address = f"/incidents/{incident}"
    async with as_role(rig, "guard") as client:
        assert offered(await page(client, incident)) == {"acknowledge", "start", "resolve", "note", "assign"}
        await press(client, f"{address}/acknowledge")
        shown = await page(client, incident)
        assert offered(shown) == {"acknowledge", "start", "resolve", "reopen", "note", "assign"}
        answer = await press(client, f"{address}/start")
        assert answer.headers["location"] == f"{address}?said=started"
        shown = await page(client, incident)
        assert offered(shown) == {"resolve", "reopen", "note", "assign"} and "Being worked on" in shown
        answer = await press(client, f"{address}/resolve", reason="false_alarm", note="A bat.")
        assert answer.headers["location"] == f"{address}?said=resolved"
        shown = plain(await page(client, incident))
        assert "resolved it: false alarm" in shown and "It was False alarm" in shown and "A bat." in shown
        assert offered(await page(client, incident)) == {"close", "reopen", "note", "assign"}
        answer = await press(client, f"{address}/close")
        assert answer.headers["location"] == f"{address}?said=filed"
        assert "Closed." in plain((await client.get(answer.headers["location"])).text)
        assert offered(await page(client, incident)) == {"reopen", "note"}
        feed = plain((await client.get("/?state=closed")).text)
        assert "False alarm" in feed and "Server room door opened" in feed
        assert "Server room door opened" not in plain((await client.get("/?state=resolved")).text)
        await press(client, f"{address}/reopen")
        data = (await client.get(f"/api{address}")).json()
        assert (data["state"], data["reason"], data["closed_by"]) == ("open", None, None)


async def test_resolving_asks_what_it_was(rig: Rig) -> None:
    incident = await rig.building().break_in()
    async with as_role(rig, "guard") as client:
        shown = await page(client, incident)
        assert all(f'<option value="{reason}">' in shown for reason in REASONS)
        for reason, words in (("", "Say what it was"), ("bad_luck", "is no reason")):
            answer = await press(client, f"/incidents/{incident}/resolve", reason=reason)
            assert answer.status_code == 409 and words in answer.text
        assert await state(client, incident) == "open"


@pytest.mark.parametrize(
    ("before", "act", "words"),
    [
        ([], "close", "only a resolved incident can be closed"),
        ([], "unassign", "assigned to nobody"),
        (["start"], "acknowledge", "already working on this incident"),
        (["resolve"], "start", "already resolved"),
        (["resolve", "close"], "resolve", "already closed"),
        (["resolve", "close"], "assign", "already closed"),
    ],
)
async def test_what_has_no_step_is_refused_with_a_sentence(rig: Rig, before: list[str], act: str, words: str) -> None:
    incident = await rig.building().break_in()
    async with as_role(rig, "guard") as client:
        for done in before:
            assert (await press(client, f"/incidents/{incident}/{done}", reason="test")).status_code == 303
        answer = await press(client, f"/incidents/{incident}/{act}", reason="test")
        assert answer.status_code == 409 and words in answer.text


async def test_taking_it_and_giving_it_back(rig: Rig) -> None:
    incident, other = await rig.building().break_in(), await rig.building("gw-2").break_in(title="Not mine")
    await rig.person("jonas", "guard", "Jonas Lindqvist")
    async with visitor(rig) as client, as_role(rig, "guard") as colleague:
        await sign_in(client, "jonas")
        await press(client, f"/incidents/{incident}/assign")
        shown = await page(client, incident)
        assert "Assigned to Jonas Lindqvist" in plain(shown) and "Jonas Lindqvist took it" in plain(shown)
        assert "unassign" in offered(shown)
        mine = (await client.get("/?state=mine")).text
        assert incident in mine and other not in mine and "With Jonas Lindqvist" in plain(mine)
        assert incident not in (await colleague.get("/?state=mine")).text
        assert "assign" in offered(await page(colleague, incident)), "whoever has it not may take it over"
        await press(client, f"/incidents/{incident}/unassign")
        assert incident not in (await client.get("/?state=mine")).text
        assert "Jonas Lindqvist gave it back" in plain(await page(client, incident))


async def test_acknowledging_for_a_while_ends_by_itself(rig: Rig) -> None:
    incident = await rig.building().break_in()
    async with as_role(rig, "guard") as client:
        await press(client, f"/incidents/{incident}/acknowledge", minutes="15")
        shown = await page(client, incident)
        assert "acknowledged until" in plain(shown) and "data-lapses=" in shown
        assert "data-lapses=" in (await client.get("/")).text
        assert incident in (await client.get("/?state=hand")).text
        rig.clock.ahead += 15 * 60 * SECOND
        assert await state(client, incident) == "open"
        shown = await page(client, incident)
        assert "data-lapses=" not in shown and "Somebody should look at this" in shown
        assert incident not in (await client.get("/?state=hand")).text
        await press(client, f"/incidents/{incident}/start")
        assert await state(client, incident) == "in_progress", "what an acknowledged one may, a lapsed one may"


@pytest.mark.parametrize("minutes", ["0", "1441", "-5", "x", "99999999", "٣"])
async def test_a_while_is_a_while(rig: Rig, minutes: str) -> None:
    incident = await rig.building().break_in()
    async with as_role(rig, "guard") as client:
        answer = await press(client, f"/incidents/{incident}/acknowledge", minutes=minutes)
        assert answer.status_code == 409 and "1 to 1440 minutes" in answer.text


async def test_a_cancelled_alarm_says_so_and_still_waits(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    assert "data-alarm data-say" in (await feed_of(rig))
    await building.send(building.entry("incident.cancelled", incident, by="Sven Aalto", note="Disarmed at the keypad."))
    async with as_role(rig, "viewer") as client:
        shown = await client.get("/")
        assert "Cancelled" in plain(shown.text) and "One incident is waiting" in shown.text
        assert "data-alarm data-say" not in shown.text, "it is no longer shown in red"
        told = plain(await page(client, incident))
        assert "Cancelled: Sven Aalto disarmed" in told and "Disarmed at the keypad." in told
        data = (await client.get(f"/api/incidents/{incident}")).json()
        assert (data["state"], data["cancelled_by"]) == ("open", "Sven Aalto")


async def feed_of(rig: Rig) -> str:
    async with as_role(rig, "viewer") as client:
        return (await client.get("/")).text


# --- merge -----------------------------------------------------------------------------------------------------------


async def with_pictures(building: Building, title: str, wall: int) -> tuple[str, str, str]:
    """An incident with a clip and a still."""
    incident = await building.break_in(title=title, wall=wall)
    still = await building.still(incident, corridor(segments=1), wall=wall + SECOND)
    recording = await building.clip(incident, corridor(segments=1), wall=wall)
    await recording.add(0)
    await recording.seal()
    return incident, recording.clip, still


async def test_two_become_one_in_the_older(rig: Rig) -> None:
    building = rig.building()
    now = rig.clock.wall()
    older, clip_one, still_one = await with_pictures(building, "Front door", now - 60 * SECOND)
    younger, clip_two, still_two = await with_pictures(building, "Hall movement", now - 30 * SECOND)
    async with as_role(rig, "guard") as client:
        for shown, other in ((older, younger), (younger, older)):
            assert f'<option value="{other}">' in await page(client, shown)
        answer = await press(client, f"/incidents/{older}/merge", other=younger, note="One burglar.")
        assert answer.headers["location"] == f"/incidents/{older}?said=merged"
        shown = await page(client, older)
        for piece in (clip_one, clip_two, still_one, still_two):
            assert piece in shown, "both sides' pictures"
        assert "merged another incident into this one: Hall movement" in plain(shown) and "One burglar." in plain(shown)
        gone = await page(client, younger)
        assert f'href="/incidents/{older}">the incident it was merged into' in gone
        assert offered(gone) == {"note"}
        feed = (await client.get("/")).text
        assert older in feed and younger not in feed and "One incident is waiting" in feed
        data = (await client.get(f"/api/incidents/{older}")).json()
        assert data["merged_from"] == [younger] and data["state"] == "open"


async def test_asked_from_the_younger_both_still_go_on_in_the_older(rig: Rig) -> None:
    building = rig.building()
    now = rig.clock.wall()
    older = await building.break_in(title="Front door", wall=now - 60 * SECOND)
    younger = await building.break_in(title="Hall", wall=now - 30 * SECOND)
    async with as_role(rig, "guard") as client:
        answer = await press(client, f"/incidents/{younger}/merge", other=older)
        assert answer.headers["location"] == f"/incidents/{older}?said=merged"
        assert [await state(client, one) for one in (older, younger)] == ["open", "merged"]


async def test_what_cannot_be_merged(rig: Rig) -> None:
    building, elsewhere = rig.building(), rig.building("gw-2")
    now = rig.clock.wall()
    older = await building.break_in(title="Old", wall=now - 60 * SECOND)
    younger = await building.break_in(title="Young", wall=now - 30 * SECOND)
    foreign = await elsewhere.break_in(title="Foreign")
    async with as_role(rig, "guard") as client:
        for other, status, words in (
            (younger, 409, "merged into itself"),
            (foreign, 409, "of the same gateway"),
            ("00000000-0000-7000-8000-000000000000", 404, "no such incident"),
            ("", 404, "no such incident"),
        ):
            answer = await press(client, f"/incidents/{younger}/merge", other=other)
            assert answer.status_code == status and words in answer.text, other
        await press(client, f"/incidents/{older}/resolve", reason="test")
        answer = await press(client, f"/incidents/{younger}/merge", other=older)
        assert answer.status_code == 409 and "is the older of the two and is resolved; reopen it first" in answer.text
        assert "merge" not in offered(await page(client, younger)), "and it is not offered"
        assert [await state(client, one) for one in (older, younger, foreign)] == ["resolved", "open", "open"]


# --- split -----------------------------------------------------------------------------------------------------------


async def test_one_becomes_two(rig: Rig) -> None:
    building = rig.building()
    now = rig.clock.wall()
    incident, clip_stays, still_goes = await with_pictures(building, "Front door", now - 60 * SECOND)
    recording = await building.clip(incident, corridor(segments=1), wall=now - 20 * SECOND, camera="yard")
    await recording.add(0)
    await recording.seal()
    async with as_role(rig, "guard") as client:
        answer = await press(
            client,
            f"/incidents/{incident}/split",
            **{f"clip {recording.clip}": "1", f"still {still_goes}": "1", "title": "  A fox in\nthe yard "},
        )
        new = answer.headers["location"].removeprefix("/incidents/").removesuffix("?said=split")
        shown = await page(client, new)
        assert "<h1>A fox in the yard</h1>" in shown
        assert recording.clip in shown and still_goes in shown and clip_stays not in shown
        assert "Split off from" in shown and f'href="/incidents/{incident}"' in shown
        old = await page(client, incident)
        assert clip_stays in old and recording.clip not in old and still_goes not in old
        assert "made a part of it an incident of its own: A fox in the yard" in plain(old)
        feed = (await client.get("/")).text
        assert f'src="/stills/{still_goes}.jpg"' in feed, "the picture went with it"
        data = (await client.get(f"/api/incidents/{new}")).json()
        assert (data["state"], data["severity"], data["split_from"]) == ("open", "high", incident)
        back = await press(client, f"/incidents/{new}/merge", other=incident)
        assert back.headers["location"] == f"/incidents/{incident}?said=merged"
        again = await page(client, incident)
        assert recording.clip in again and still_goes in again, "and it can be undone by merging"


async def test_what_cannot_be_split(rig: Rig) -> None:
    building = rig.building()
    incident, clip, _ = await with_pictures(building, "Front door", rig.clock.wall())
    other, foreign, _ = await with_pictures(building, "Other", rig.clock.wall())
    address = f"/incidents/{incident}/split"
    async with as_role(rig, "guard") as client:
        for fields, words in (
            ({f"clip {clip}": "1"}, "needs a title"),
            ({f"clip {clip}": "1", "title": "x" * 201}, "may have 200 characters"),
            ({"title": "Fox"}, "choose the clips or pictures"),
            ({f"clip {foreign}": "1", "title": "Fox"}, "do not belong to this incident"),
        ):
            answer = await press(client, address, **fields)
            assert answer.status_code == 409 and words in answer.text
        listed = (await client.get("/api/incidents")).json()["incidents"]
        assert {one["id"] for one in listed} == {incident, other}
