"""The feed in a real browser: the first account, the list that updates itself, being cut off, phones, hostile names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from relay.access import setup
from rules import events
from tests.e2e.console_rig import chromium, page
from tests.integration.web_clip import corridor
from tests.integration.web_rig import PASSPHRASE, Rig, deliver, rigged, served


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


@pytest.fixture
async def browser(peer: Callable[[str], str]) -> AsyncIterator[Browser]:
    async with chromium(peer("chromium")) as started:
        yield started


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
async def test_from_the_code_to_the_feed(rig: Rig, browser: Browser, script: bool) -> None:
    code = await setup.announce(rig.context.db, rig.clock)
    assert code is not None
    async with served(rig) as base, page(browser, base, script=script) as seen:
        await seen.page.goto(base)
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text("Make the first account")
        await seen.page.get_by_label("One-time code").fill(code.lower())
        await seen.page.get_by_label("Your name").fill("Marta Okafor")
        await seen.page.get_by_label("Name to sign in with").fill("marta")
        await seen.page.get_by_label("Passphrase").fill(PASSPHRASE)
        await seen.page.get_by_role("button", name="Make the account").click()
        await expect(seen.page.get_by_text("The account is made")).to_be_visible()
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text("All quiet")


async def test_a_new_incident_appears_by_itself(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard", "Jonas Lindqvist")
    building = rig.building()
    first = await building.break_in(title="The first")
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.live()
        kept = await seen.page.query_selector(f'[data-key="{first}"]')
        assert kept is not None
        second = await building.break_in(title="The second", severity="critical")
        card = seen.page.locator(f'[data-key="{second}"]')
        await expect(card).to_contain_text("The second")
        await expect(seen.page).to_have_title("(2) Incidents · Nightporter")
        await expect(seen.page.get_by_role("heading", level=1)).to_have_text("Two incidents are waiting")
        await expect(seen.page.locator("[data-tell]")).to_have_text("New: The second")
        assert await kept.evaluate("element => element.isConnected"), "what did not change stays the same element"
        await building.still(second, corridor(segments=1), wall=rig.clock.wall())
        await expect(card.locator("img")).to_be_visible()
        await rig.context.incidents.act(incident=second, kind="acknowledged", by="Somebody else")
        await expect(card).to_contain_text("Somebody else")
        await expect(card).to_have_attribute("data-state", "acknowledged")


async def test_the_page_says_when_it_is_cut_off_and_catches_up(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    building = rig.building()
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.live()
        await seen.page.context.set_offline(True)
        lamp = seen.page.locator("[data-lamp]")
        await seen.page.evaluate("dispatchEvent(new Event('pagehide'))")  # an offline emulation keeps open sockets open
        await seen.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(lamp).to_have_attribute("data-state", "off")
        await expect(lamp).to_contain_text("Offline since")
        incident = await building.break_in(title="While nobody saw")
        await seen.page.context.set_offline(False)
        await expect(seen.page.locator(f'[data-key="{incident}"]')).to_be_visible()
        await expect(lamp).to_have_attribute("data-state", "live")
        seen.complaints.clear()  # the browser reports the failed connections that were wanted


async def test_a_session_that_ends_is_said(rig: Rig, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from relay.web.pages import events as stream

    monkeypatch.setattr(stream, "LOOK", 0.1)
    await rig.person("jonas", "guard")
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.live()
        rig.clock.ahead += 13 * 3600 * 1_000_000
        await expect(seen.page.get_by_text("Your session has ended")).to_be_visible()
        await expect(seen.page.locator("[data-lamp]")).to_have_text("Signed out")


# Elements that reach beyond the window, and what a finger must hit that is lower than 44 px (a pill's hit area is
# larger than it looks). Links within a text are read, not tapped.
TOO_WIDE = """document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  [...document.body.querySelectorAll('*')]
  .filter((e) => e.checkVisibility() && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map((e) => e.outerHTML.slice(0, 90))"""
TOO_SMALL = """
  [...document.querySelectorAll('a[href], button, summary, select, textarea')]
  .concat([...document.querySelectorAll('input:not([type=hidden], [type=radio], [type=checkbox])')])
  .filter((e) => e.checkVisibility() && !e.closest('p, dd, td, .notice, .sheet-head, .skip'))
  .map((e) => [e.outerHTML.slice(0, 60), Math.round(e.getBoundingClientRect().height), e.matches('.pill') ? 36 : 44])
  .filter(([, height, least]) => height > 0 && height < least)"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (1440, 900), (320, 640)])
async def test_nothing_is_wider_than_the_window(rig: Rig, browser: Browser, width: int, height: int) -> None:
    await rig.person("marta", "admin", "Marta Okafor-Lindqvist von Hohenberg")
    building = rig.building("gw-a-long-name-for-a-gateway-1", "a-site-with-quite-a-long-name")
    incident = await building.break_in(title="Unusuallylongwordwithoutanyspaceinitatall door opened after hours")
    clip = await building.clip(incident, corridor(), wall=rig.clock.wall())
    await clip.add(0, 1)
    await building.send(events.CameraLost(**building.common(), device="yard", reason="connection-refused-" * 8))
    await deliver(rig, incident, state="queued", recipient="facility-manager", wall=rig.clock.wall(), error="x" * 90)
    async with served(rig) as base, page(browser, base, width=width, height=height) as seen:
        await seen.sign_in("marta")
        for address in ("/", f"/incidents/{incident}", "/gateways", "/people", "/account"):
            await seen.page.goto(base + address)
            assert await seen.page.evaluate(TOO_WIDE) == [], address
            assert await seen.page.evaluate(TOO_SMALL) == [], address


HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</title><svg onload=alert(1)>",
    "{{constructor.constructor('alert(1)')()}}",
    "javascript:alert(1)//",
    "<iframe srcdoc='<script>parent.document.title=1</script>'></iframe>",
)


async def test_hostile_names_are_never_executed(rig: Rig, browser: Browser) -> None:
    await rig.person("marta", "admin", HOSTILE[0])
    building = rig.building()
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("marta")
        await seen.live()
        for text in HOSTILE:
            incident = await building.break_in(title=text, device=text, rule=text)
            clip = await building.clip(incident, corridor(segments=1), wall=rig.clock.wall(), camera=text)
            await clip.add(0)
            await rig.context.incidents.act(incident=incident, kind="noted", by=text, note=text)
            await building.send(events.CameraLost(**building.common(), device=text, reason=text))
            await expect(seen.page.locator(f'[data-key="{incident}"]')).to_be_visible()
            await seen.page.goto(f"{base}/incidents/{incident}")
            await expect(seen.page.get_by_role("heading", level=1)).to_have_text(text)
            for address in ("/gateways", "/people", "/"):
                await seen.page.goto(base + address)
            await seen.live()
        assert await seen.page.evaluate("document.querySelectorAll('iframe, [onload], [onerror]').length") == 0
        assert (await seen.page.title()).endswith("Incidents · Nightporter")
