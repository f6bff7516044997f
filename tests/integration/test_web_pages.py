"""The pages against a real database filled by real ingest."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from sqlalchemy import select

from relay.store.schema import command
from relay.web.headers import HEADERS
from rules import events
from tests.integration.web_clip import corridor
from tests.integration.web_rig import SECOND, Rig, as_role, connect, deliver, heard, press, rigged, visitor


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path, name="Harbour <relay>") as made:
        yield made


def plain(html: str) -> str:
    """What a person reads."""
    text = re.sub(r"<(style|script|title)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text)).replace(" ,", ",").replace(" .", ".")


async def test_a_quiet_night_is_said_to_be_quiet(rig: Rig) -> None:
    async with as_role(rig, "viewer") as client:
        assert "No gateway has reported here yet." in plain((await client.get("/")).text)
        building = rig.building(site="lobby")
        await building.send(events.ContactClosed(**building.common(), device="front-door"))
        await heard(rig, "gw-1", wall=rig.clock.wall() - 3 * SECOND)
        rig.clock.frozen = rig.clock.wall()
        page = plain((await client.get("/")).text)
    assert "All quiet" in page and re.search(r"Last word from Lobby, (just now|\d s ago)", page)
    assert "appears here by itself" in page


async def test_the_feed_lists_what_waits_first(rig: Rig) -> None:
    building = rig.building(site="lobby")
    now = rig.clock.wall()
    old = await building.break_in(title="Oldest, open", wall=now - 3600 * SECOND, severity="critical")
    done = await building.break_in(title="Settled one", wall=now - 60 * SECOND)
    taken = await building.break_in(title="Taken one", wall=now - 30 * SECOND)
    await rig.context.incidents.act(incident=done, kind="resolved", by="Jonas")
    await rig.context.incidents.act(incident=taken, kind="acknowledged", by="Marta Okafor")
    async with as_role(rig, "viewer") as client:
        page = await client.get("/")
        order = re.findall(r'data-key="([0-9a-f-]{36})"', page.text)
        assert order == [old, taken, done]
        assert "One incident is waiting" in page.text and "(1) Incidents" in page.text
        assert "Marta Okafor, " in plain(page.text)
        for state, expected in (("open", [old]), ("acknowledged", [taken]), ("resolved", [done]), ("nonsense", order)):
            found = await client.get(f"/?state={state}")
            assert re.findall(r'data-key="([0-9a-f-]{36})"', found.text) == expected
        listed = (await client.get("/api/incidents?state=open")).json()["incidents"]
        assert [one["id"] for one in listed] == [old] and listed[0]["severity"] == "critical"


async def test_a_lapsed_acknowledgement_is_open_again(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    until = rig.clock.wall() + 60 * SECOND
    await building.send(building.entry("incident.acknowledged", incident, by="Jonas", until=until))
    async with as_role(rig, "viewer") as client:
        assert 'data-state="acknowledged"' in (await client.get("/")).text
        rig.clock.ahead += 61 * SECOND
        page = (await client.get("/")).text
        assert "One incident is waiting" in page and 'class="card" data-key="' in page
        assert incident in (await client.get("/?state=open")).text


async def test_the_incident_page_tells_the_story(rig: Rig) -> None:
    building = rig.building(site="lobby")
    incident = await building.break_in()
    await deliver(rig, incident, state="sent", recipient="guard-desk", wall=rig.clock.wall())
    await deliver(
        rig, incident, state="held", recipient="owner", wall=rig.clock.wall(), reason="quiet hours until 06:00"
    )
    async with as_role(rig, "guard") as client:
        page = plain((await client.get(f"/incidents/{incident}")).text)
    for words in (
        "Server room door opened after hours",
        "Incident opened",
        "Siren 1 told to be on",
        "Siren 1 reports it is on",
        "+44 ms",
        "guard-desk",
        "held back; quiet hours until 06:00",
        "Silence Siren 1",
    ):
        assert words in page, words
    assert page.index("Server room door opened") < page.index("Siren 1 reports it is on")


async def test_acting_on_an_incident(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    address = f"/incidents/{incident}"
    async with as_role(rig, "guard") as client:
        answer = await press(client, f"{address}/acknowledge")
        assert answer.headers["location"] == f"{address}?said=acknowledged"
        page = (await client.get(answer.headers["location"])).text
        assert "Everybody who watches sees that you are on it" in page
        assert "<span>Acknowledge</span>" not in page and "/reopen" in page
        await press(client, f"{address}/note", note="Going up\nto look <b>now</b>")
        await press(client, f"{address}/resolve", reason="user_error", note="It was the cleaner")
        page = (await client.get(address)).text
        assert "Going up\nto look &lt;b&gt;now&lt;/b&gt;" in page and "It was the cleaner" in page
        assert "resolved it: mistake" in page
        again = await press(client, f"{address}/acknowledge")
        assert again.status_code == 409 and "already resolved" in again.text and "reopen it first" in again.text
        assert (await press(client, f"{address}/note", note="  ")).status_code == 409
        await press(client, f"{address}/reopen")
        data = (await client.get(f"/api{address}")).json()
    kinds = [entry["kind"].removeprefix("incident.") for entry in data["entries"]]
    assert data["state"] == "open" and kinds == ["opened", "acknowledged", "noted", "resolved", "reopened"]
    assert {entry["origin"] for entry in data["entries"][1:]} == {"cloud"}


async def test_silencing_a_siren_is_a_command_with_an_outcome(rig: Rig) -> None:
    building = rig.building()
    incident = await building.break_in()
    async with as_role(rig, "guard") as client:
        wrong = await press(client, f"/incidents/{incident}/silence", device="vault-lock")
        assert wrong.status_code == 409
        assert (await press(client, f"/incidents/{incident}/silence", device="siren-1")).status_code == 303
        page = plain((await client.get(f"/incidents/{incident}")).text)
        assert re.search(r"Silencing Siren 1, asked by Guard-\w+, is on its way to the gateway", page)
        rig.clock.ahead += 61 * SECOND
        page = plain((await client.get(f"/incidents/{incident}")).text)
        assert "came too late: the gateway was not reached in time" in page
        await building.silence_reported()
        assert "Silence Siren 1" not in (await client.get(f"/incidents/{incident}")).text
    async with rig.context.db.read() as connection:
        row = (await connection.execute(select(command))).one()
    assert (row.name, json.loads(row.args), row.gateway) == ("silence", {"device": "siren-1"}, "gw-1")
    assert 0 < row.expires - row.created <= 60 * SECOND


async def test_a_viewer_sees_and_cannot_act(rig: Rig) -> None:
    incident = await rig.building().break_in()
    async with as_role(rig, "viewer") as client:
        page = (await client.get(f"/incidents/{incident}")).text
        assert "acknowledge" not in page and "Silence" not in page
        assert 'href="/people"' not in page


async def test_troubles_say_cause_and_next_step(rig: Rig) -> None:
    building = rig.building(site="north-depot")
    await building.send(
        events.CameraLost(**building.common(), device="yard", reason="The camera refused the password (401)."),
        events.OutletLost(**building.common(), outlet="second-relay", reason="connection timed out"),
        events.StoreFailed(**building.common(), reason="disk I/O error"),
    )
    async with as_role(rig, "viewer") as client:
        for address in ("/", "/gateways"):
            page = plain((await client.get(address)).text)
            assert "No picture from camera Yard. The camera refused the password (401)." in page
            assert "Set its password again" in page
            assert "Nothing is lost: it waits on the gateway" in page
            assert "cannot write its log. disk I/O error" in page


async def test_gateways(rig: Rig) -> None:
    building = rig.building("gw-depot-1", "north-depot")
    await building.break_in()
    outlets = json.dumps({"cloud": {"reachable": False, "keeps_copy": True, "behind": 1204}})
    await heard(rig, "gw-depot-1", wall=rig.clock.wall(), outlets=outlets)
    connect(rig, "gw-depot-1")
    async with as_role(rig, "viewer") as client:
        page = plain((await client.get("/gateways")).text)
        assert "North depot gw-depot-1" in page and "Connected" in page
        assert "unreachable, 1,204 records wait" in page
        assert building.epoch in page and re.search(r"P1 states and audit 3", page)
        rig.context.hub._streams.clear()
        rig.clock.ahead += 91 * SECOND
        page = plain((await client.get("/gateways")).text)
        assert "Silent" in page and "One gateway, 1 silent" in page


async def test_people(rig: Rig) -> None:
    async with as_role(rig, "admin") as client:
        form = {"display": "Ana Ruiz", "name": "ana", "passphrase": "four quiet words here", "role": "guard"}
        assert (await press(client, "/people", **form)).headers["location"] == "/people?said=added"
        taken = await press(client, "/people", **form)
        assert taken.status_code == 400 and "called ana already" in plain(taken.text)
        for field, value, words in (
            ("role", "root", "Choose a role"),
            ("name", "a b", "no spaces"),
            ("display", "", "1 to 80"),
            ("passphrase", "short", "at least 12"),
        ):
            wrong = await press(client, "/people", **(form | {"name": "other", field: value}))
            assert wrong.status_code == 400 and words in wrong.text
        page = plain((await client.get("/people")).text)
        assert "Ana Ruiz" in page and "Guard" in page


async def test_pages_that_do_not_exist(rig: Rig) -> None:
    async with as_role(rig, "viewer") as client:
        for address in ("/nowhere", "/incidents/nothing", "/incidents/../etc", "/clips/x/0.mp4", "/stills/%2e%2e.jpg"):
            answer = await client.get(address)
            assert answer.status_code == 404, address
            assert "Traceback" not in answer.text
        page = (await client.get("/incidents/nothing")).text
        assert "There is no such thing here" in page and "mistyped" in page and 'href="/"' in page
        assert (await client.post("/gateways")).status_code == 405


async def test_a_fault_of_ours_is_a_page_too(rig: Rig) -> None:
    await rig.context.db.close()
    async with visitor(rig) as client:
        answer = await client.get("/sign-in")
        assert answer.status_code == 503 and "Try again in a moment" in answer.text
    await rig.context.db.open()


async def test_every_answer_brings_the_headers(rig: Rig) -> None:
    incident = await rig.building().break_in()
    async with as_role(rig, "guard") as client:
        icon = re.search(r'href="(/static/[^"]+\.svg)"', (await client.get("/")).text)
        assert icon is not None
        addresses = ("/", f"/incidents/{incident}", "/nowhere", "/api/incidents", icon[1], "/manifest.webmanifest")
        for address in addresses:
            answer = await client.get(address)
            for name, value in HEADERS.items():
                assert answer.headers[name] == value, (address, name)
        assert (await client.get("/")).headers["cache-control"] == "no-store"
        assert "immutable" in (await client.get(icon[1])).headers["cache-control"]
        manifest = (await client.get("/manifest.webmanifest")).json()
        assert manifest["start_url"] == "/" and (await client.get(manifest["icons"][0]["src"])).status_code == 200
        assert (await client.get("/favicon.ico", follow_redirects=True)).headers["content-type"] == "image/svg+xml"


class Tags(HTMLParser):
    """The elements and the text of a page, as a browser would read them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data


PAYLOADS = (
    "<script>document.title='owned'</script>",
    "\"><img src=x onerror=alert(1)>",
    "'-alert(1)-'",
    "{{ 7*7 }}{% raw %}",
    "</textarea><svg onload=alert(1)>",
    "javascript:alert(1)",
)


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_what_others_name_is_only_text(rig: Rig, payload: str) -> None:
    building = rig.building()
    incident = await building.break_in(title=payload, device=payload, rule=payload)
    footage = corridor(segments=1)
    recording = await building.clip(incident, footage, wall=rig.clock.wall(), camera=payload)
    await recording.add(0)
    await building.still(incident, footage, wall=rig.clock.wall(), camera=payload)
    await building.send(events.CameraLost(**building.common(), device=payload, reason=payload))
    await rig.person("eve", "guard", payload)
    await rig.context.incidents.act(incident=incident, kind="noted", by=payload, note=payload)
    await deliver(rig, incident, state="failed", recipient=payload, wall=rig.clock.wall(), error=payload)
    async with as_role(rig, "admin") as client:
        for address in ("/", f"/incidents/{incident}", "/gateways", "/people"):
            page = (await client.get(address)).text
            seen = Tags()
            seen.feed(page)
            for tag, attributes in seen.found:
                assert not [name for name in attributes if name.startswith("on") or name == "style"], (tag, attributes)
                assert tag != "script" or attributes["src"].startswith("/static/")
                for name in ("src", "href", "action", "poster"):
                    assert attributes.get(name, "/")[0] in "/#", (tag, attributes)
            assert payload in seen.text, address
