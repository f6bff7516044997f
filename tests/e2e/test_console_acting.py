"""Acting on incidents in a real browser: in every state, in every width, and without script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.console_rig import chromium, page
from tests.e2e.test_console_feed import TOO_SMALL, TOO_WIDE
from tests.integration.web_clip import corridor
from tests.integration.web_rig import SECOND, Rig, rigged, served


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


@pytest.fixture
async def browser(peer: Callable[[str], str]) -> AsyncIterator[Browser]:
    async with chromium(peer("chromium")) as started:
        yield started


CHIP = "h1 + p .chip[data-state]"


async def test_without_script_every_act_is_a_form(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard", "Jonas Lindqvist")
    building = rig.building()
    now = rig.clock.wall()
    older = await building.break_in(title="Front door", wall=now - 60 * SECOND)
    incident = await building.break_in(title="Hall", wall=now - 30 * SECOND)
    async with served(rig) as base, page(browser, base, script=False) as seen:
        await seen.sign_in("jonas")
        await seen.page.goto(f"{base}/incidents/{incident}")
        chip = seen.page.locator(CHIP)

        async def press(name: str, state: str) -> None:
            await seen.page.get_by_role("button", name=name, exact=True).click()
            await expect(chip).to_have_text(state)

        await press("Acknowledge", "Acknowledged")
        await press("Take it", "Acknowledged")
        await expect(seen.page.locator(".facts")).to_contain_text("Jonas Lindqvist")
        await press("Start work", "In progress")
        await seen.page.locator("#resolve summary").click()
        await seen.page.get_by_label("What was it?").select_option("false_alarm")
        await press("Resolve the incident", "Resolved")
        await press("Close", "Closed")
        await press("Reopen", "Open")
        await seen.page.locator("#more summary").click()
        await seen.page.get_by_label("Acknowledge for a while").select_option("60")
        await press("For this while", "Acknowledged")
        await expect(seen.page.locator(".facts")).to_contain_text("until")
        await seen.page.locator("#more summary").click()
        await press("Put it back to waiting", "Open")
        await seen.page.locator("#more summary").click()
        await seen.page.get_by_label("It is the same as").select_option(older)
        await press("Merge the two", "Open")
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text("Front door")
        await expect(seen.page.get_by_text("Both go on here, in the older of the two.")).to_be_visible()


async def test_a_part_is_split_off(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    building = rig.building()
    wall = rig.clock.wall() - 60 * SECOND
    incident = await building.break_in(title="Front door", wall=wall)
    clip = await building.clip(incident, corridor(segments=1), wall=wall, camera="yard")
    await clip.add(0)
    await clip.seal(end=1.0)
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.page.goto(f"{base}/incidents/{incident}")
        await seen.live()
        await seen.page.locator("#more summary").click()
        await seen.page.get_by_label("Clip, Yard").check()
        await seen.page.get_by_label("What that is").fill("A fox")
        await building.send(building.entry("incident.noted", incident, by="Marta", note="Somebody else wrote"))
        await expect(seen.page.locator(".timeline")).to_contain_text("Somebody else wrote")
        await expect(seen.page.get_by_label("Clip, Yard")).to_be_checked()  # what was filled in stays filled in
        await seen.page.get_by_role("button", name="Split it off").click()
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text("A fox")
        await expect(seen.page.locator("[data-player]")).to_have_count(1)
        await seen.page.get_by_role("link", name="Front door").click()
        await expect(seen.page.locator("[data-player]")).to_have_count(0)


async def test_a_page_sees_an_acknowledgement_lapse(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    incident = await rig.building().break_in()
    async with served(rig) as base, page(browser, base) as feed, page(browser, base) as seen:
        for each, address in ((feed, "/"), (seen, f"/incidents/{incident}")):
            await each.sign_in("jonas")
            await each.page.goto(base + address)
            await each.live()
        until = rig.clock.wall() + 3 * SECOND
        await rig.context.incidents.act(incident=incident, kind="acknowledged", by="Marta", until=until)
        await expect(seen.page.locator(CHIP)).to_have_text("Acknowledged")
        await expect(feed.page.get_by_role("heading", level=1)).to_have_text("Somebody is on it")
        await expect(seen.page.locator(CHIP)).to_have_text("Open")
        await expect(feed.page.get_by_role("heading", level=1)).to_have_text("One incident is waiting")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900), (320, 640)])
async def test_in_every_state_it_fits(rig: Rig, browser: Browser, width: int, height: int) -> None:
    await rig.person("marta", "admin", "Marta Okafor-Lindqvist von Hohenberg")
    building = rig.building("gw-a-long-name-for-a-gateway-1", "a-site-with-quite-a-long-name")
    act = rig.context.incidents.act
    listed = []
    for n, kinds in enumerate(
        ((), ("acknowledged",), ("started",), ("resolved",), ("resolved", "closed"), ("assigned",))
    ):
        incident = await building.break_in(
            title=f"Unusuallylongwordwithoutanyspaceinitatall {n}", wall=rig.clock.wall() - n * SECOND
        )
        clip = await building.clip(incident, corridor(segments=1), wall=rig.clock.wall(), camera="a-camera-with-a-name")
        await clip.add(0)
        for kind in kinds:
            reason = "user_error" if kind == "resolved" else None
            await act(incident=incident, kind=kind, by="Marta Okafor-Lindqvist von Hohenberg", reason=reason)
        listed.append(incident)
    await building.send(building.entry("incident.cancelled", listed[5], by="Somebody with a long name of their own"))
    async with served(rig) as base, page(browser, base, width=width, height=height) as seen:
        await seen.sign_in("marta")
        for state in ("all", "hand", "mine", "closed"):
            await seen.page.goto(f"{base}/?state={state}")
            assert await seen.page.evaluate(TOO_WIDE) == [], state
        for incident in listed:
            await seen.page.goto(f"{base}/incidents/{incident}")
            for opened in ("note", "resolve", "more"):
                summary = seen.page.locator(f"#{opened} > summary")
                if await summary.count():
                    await summary.click()
                    assert await seen.page.evaluate(TOO_WIDE) == [], opened
                    assert await seen.page.evaluate(TOO_SMALL) == [], opened
                    await summary.click()
