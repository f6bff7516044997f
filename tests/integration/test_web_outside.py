"""What of an incident is outside the building, in one line on its page; and the troubles of budgets."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.web.reading.outside import _span
from rules.events import BudgetAmple, BudgetLow, BudgetSpent, EvidenceOutside, OutletLost, OutletRetired
from tests.integration.web_rig import Building, Rig, as_role, connect, heard, rigged

SECOND = 1_000_000
OUTLETS = '{"cloud": {"reachable": false, "keeps_copy": true, "behind": 4}}'


@pytest.fixture
async def elsewhere(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


@pytest.fixture
async def on_site(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path, on_site=True) as made:
        yield made


async def tell(building: Building, incident: str, what: str, after: float, *, outlet: str = "cloud") -> None:
    micros = round(after * SECOND)
    await building.send(
        EvidenceOutside(**building.common(), outlet=outlet, incident=incident, what=what, after=micros)  # type: ignore[arg-type]
    )


async def line(rig: Rig, incident: str) -> str:
    async with as_role(rig, "viewer") as client:
        page = (await client.get(f"/incidents/{incident}")).text
    found = re.search(r"<p[^>]*data-outside>(.*?)</p>", page)
    return re.sub(r"\d\d:\d\d:\d\d", "CLOCK", found[1]) if found else ""


async def test_in_the_building_it_says_what_is_outside(on_site: Rig) -> None:
    building = on_site.building()
    incident = await building.break_in()
    assert await line(on_site, incident) == "", "nobody keeps a copy, as far as is known"
    await heard(on_site, "gw-1", wall=on_site.clock.wall(), outlets=OUTLETS)
    assert await line(on_site, incident) == "Not outside the building yet: it waits on the gateway."
    await tell(building, incident, "record", 0.31)
    assert await line(on_site, incident) == "Outside the building after 0.3 s"
    await tell(building, incident, "still", 1.4)
    assert await line(on_site, incident) == "Outside the building after 0.3 s: first picture after 1.4 s"
    await tell(building, incident, "pictures", 2.9)
    await tell(building, incident, "pre_roll", 6.84)
    assert await line(on_site, incident) == (
        "Outside the building after 0.3 s: first picture after 1.4 s, key pictures after 2.9 s,"
        " the time before after 6.8 s"
    )
    await tell(building, incident, "clip", 130)
    assert await line(on_site, incident) == (
        "Outside the building after 0.3 s: first picture after 1.4 s, all of it after 2 min"
    )


async def test_elsewhere_it_says_since_when_it_is_here(elsewhere: Rig) -> None:
    building = elsewhere.building()
    incident = await building.break_in()
    await heard(elsewhere, "gw-1", wall=elsewhere.clock.wall(), outlets=OUTLETS)
    assert await line(elsewhere, incident) == ""
    await tell(building, incident, "record", 0.21)
    await tell(building, incident, "still", 1.4)
    assert await line(elsewhere, incident) == "Here since CLOCK, 0.2 s after it opened: first picture after 1.4 s"


async def test_of_two_outlets_the_first_counts_and_nothing_is_told_twice(on_site: Rig) -> None:
    building = on_site.building()
    incident = await building.break_in()
    await tell(building, incident, "record", 9)
    await tell(building, incident, "record", 0.5, outlet="second")
    await tell(building, incident, "record", 77)
    assert await line(on_site, incident) == "Outside the building after 0.5 s"


async def test_another_gateways_word_about_an_incident_counts_nothing(on_site: Rig) -> None:
    incident = await on_site.building().break_in()
    await tell(on_site.building("gw-2", site="yard"), incident, "record", 0.1)
    assert await line(on_site, incident) == ""


async def test_an_open_page_hears_of_it(on_site: Rig) -> None:
    building = on_site.building()
    incident = await building.break_in()
    changed: set[str] = set()
    publish = on_site.context.changes.publish

    def watched(**news: set[str]) -> None:
        changed.update(news.get("incidents") or ())
        publish(**news)

    on_site.context.changes.publish = watched  # type: ignore[method-assign,assignment]
    await tell(building, incident, "still", 1.4)
    assert changed == {incident}


@pytest.mark.parametrize(
    ("micros", "words"),
    [
        (0, "0.1 s"),
        (1_440_000, "1.4 s"),
        (9_949_000, "9.9 s"),
        (9_960_000, "10 s"),
        (119_000_000, "119 s"),
        (125_000_000, "2 min"),
        (7_200_000_000, "2 h"),
        (9_000_000_000, "2 h 30 min"),
        (47 * 3_600_000_000, "47 h"),
        (50 * 3_600_000_000, "2 days"),
    ],
)
def test_a_time_is_said_as_people_say_it(micros: int, words: str) -> None:
    assert _span(micros) == words


async def troubles(rig: Rig) -> str:
    async with as_role(rig, "admin") as client:
        return (await client.get("/gateways")).text


async def test_a_budget_that_ends_is_a_trouble_with_its_next_step(elsewhere: Rig) -> None:
    building = elsewhere.building()
    connect(elsewhere, "gw-1")
    low = BudgetLow(**building.common(), outlet="cloud", used=4, budget=5, runs_out=1)
    await building.send(low)
    assert "The data budget of Cloud will not last the month." in await troubles(elsewhere)
    await building.send(BudgetSpent(**building.common(), outlet="cloud", used=5, budget=5))
    page = await troubles(elsewhere)
    assert "The data budget of Cloud is spent." in page
    assert "will not last" not in page
    assert "Recordings wait on the gateway until the next month" in page
    await building.send(BudgetAmple(**building.common(), outlet="cloud", used=0, budget=5))
    assert "data budget" not in await troubles(elsewhere)


async def test_a_retired_outlet_is_no_trouble_any_more(elsewhere: Rig) -> None:
    building = elsewhere.building()
    await building.send(OutletLost(**building.common(), outlet="vault", reason="no answer"))
    assert "cannot reach Vault" in await troubles(elsewhere)
    await building.send(OutletRetired(**building.common(), outlet="vault", who="Ada", records=1, blobs=2))
    assert "Vault" not in await troubles(elsewhere)
