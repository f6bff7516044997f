"""The route table against every role: made from the table, so a route that is added is tested, or the test fails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.routing import Route

from relay.access.people import everybody
from relay.access.permissions import ACTIONS, GRANTS
from relay.web.gate import Broken, PageRoute, as_route
from relay.web.routes import TABLE
from relay.web.visit import Visit
from tests.integration.web_clip import corridor
from tests.integration.web_rig import Rig, as_role, press, rigged, visitor

ROLES = ("viewer", "guard", "admin", None)
QUICK = [line for line in TABLE if line.path != "/events"]  # that one never ends
MISSING = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


def test_every_route_declares_a_known_action(rig: Rig) -> None:
    assert {line.action for line in TABLE} <= set(ACTIONS)
    routes = [route for route in rig.app.routes if isinstance(route, Route)]
    served = {(route.path, method) for route in routes for method in route.methods or ()}
    declared = {(line.path, line.method) for line in TABLE}
    assert {pair for pair in served if pair[1] != "HEAD"} == declared
    assert len(declared) == len(TABLE)


def test_what_changes_something_is_never_a_get() -> None:
    changing = ("incident.act", "output.silence", "media.hold", "media.release", "people.manage")
    assert all(line.method == "POST" for line in TABLE if line.action in changing)


def _address(line: PageRoute, known: dict[str, str]) -> str:
    prefix = line.path.split("/")[1]
    path = line.path.replace("{version}", "x").replace("{name}", "icon.svg")
    path = re.sub(r"\{(part|n):int\}", "0", path)
    return path.replace("{id}", known.get("incidents" if prefix == "api" else prefix, MISSING))


@pytest.mark.parametrize("exists", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("role", ROLES, ids=str)
async def test_matrix(rig: Rig, role: str | None, exists: bool) -> None:
    """Allowed routes answer; forbidden ones say 403, or send nobody-in-particular to the sign-in page; and what may
    not be seen answers alike whether it exists or not."""
    other = await rig.person("somebody", "viewer")
    building = rig.building()
    incident = await building.break_in()
    footage = corridor(segments=1)
    still = await building.still(incident, footage, wall=rig.clock.wall())
    recording = await building.clip(incident, footage, wall=rig.clock.wall())
    await recording.add(0)
    known = {"incidents": incident, "clips": recording.clip, "stills": still, "people": other.id} if exists else {}
    for line in QUICK:
        address = _address(line, known)
        async with as_role(rig, role) if role else visitor(rig) as client:
            if line.method == "GET":
                answer = await client.get(address)
            elif role:
                answer = await press(client, address)
            else:
                answer = await client.post(address)
        where = f"{line.method} {line.path} as {role}"
        if line.action == "anybody" or (role is not None and line.action in GRANTS[role]):
            form = line.path in ("/setup", "/sign-in")  # an empty form is refused there, and says so
            assert form or answer.status_code not in (401, 403, 405, 500), where
        elif role:
            assert answer.status_code == 403, where
            assert "Server room door opened" not in answer.text, where
        elif line.method == "GET" and not line.data:
            assert answer.status_code == 303 and answer.headers["location"].startswith("/sign-in"), where
        else:
            assert answer.status_code == 401, where


async def test_a_page_that_forgets_to_ask_is_a_fault(rig: Rig) -> None:
    async def careless(visit: Visit) -> object:
        return visit.go("/")

    line = PageRoute(path="/careless", page=careless, action="people.manage")  # type: ignore[arg-type]
    rig.app.router.routes.append(as_route(line, rig.console))
    async with as_role(rig, "admin") as client:
        with pytest.raises(Broken, match="without authorising"):
            await client.get("/careless")


async def test_nobody_closes_their_own_account(rig: Rig) -> None:
    async with as_role(rig, "admin") as client:
        page = await client.get("/people")
        assert "Close account" not in page.text
        async with rig.context.db.read() as connection:
            me = (await everybody(connection))[0]
        answer = await press(client, f"/people/{me.id}/close")
        assert answer.status_code == 409 and "cannot close the account you are using" in answer.text


async def test_the_events_need_a_session(rig: Rig) -> None:
    async with visitor(rig) as client:
        assert (await client.get("/events")).status_code == 401
