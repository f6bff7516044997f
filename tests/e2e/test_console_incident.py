"""An incident in a real browser: the clip plays from its pre-roll while it grows, and people act."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.console_rig import Watched, chromium, page
from tests.integration.web_clip import corridor
from tests.integration.web_rig import SECOND, Rig, rigged, served, until


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


@pytest.fixture
async def browser(peer: Callable[[str], str]) -> AsyncIterator[Browser]:
    async with chromium(peer("chromium")) as started:
        yield started


async def video(page: Page) -> dict[str, Any]:
    """What the player's video element says."""
    state = await page.evaluate(
        """() => { const v = document.querySelector('video'); const b = v.buffered;
        return {at: v.currentTime, ready: v.readyState, paused: v.paused, error: v.error && v.error.message,
          ranges: [...Array(b.length).keys()].map((n) => [b.start(n), b.end(n)]), width: v.videoWidth, src: v.src}; }"""
    )
    return dict(state)


async def playable(seen: Watched) -> dict[str, Any]:
    is_ready = "({src, readyState}) => src.startsWith('blob:') && readyState >= 2"
    await seen.holds(f"({is_ready})(document.querySelector('video'))")
    return await video(seen.page)


async def test_a_clip_plays_from_its_pre_roll_while_it_grows(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    building = rig.building()
    incident = await building.break_in()
    footage = corridor()
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.page.goto(f"{base}/incidents/{incident}")
        await seen.live()
        # The clip itself appears by itself: an open page needs no reload.
        clip = await building.clip(incident, footage, wall=rig.clock.wall() - 3 * SECOND, event=2.5, pre=2.2, post=3.0)
        player = seen.page.locator("[data-player]")
        await expect(player).to_contain_text("Waiting for the first pictures")
        await clip.add(0)
        state = await playable(seen)
        assert state["src"].startswith("blob:") and state["width"] == 320 and state["error"] is None
        # Its first frame is the key frame before; the clip starts 2.2 s before the event, at 0.3 s of the recording.
        assert state["at"] == pytest.approx(0.3, abs=0.06)
        await expect(player.locator("[data-place]")).to_have_text("event \N{MINUS SIGN}2.2 s")
        await expect(player).to_contain_text("Still recording")
        await player.get_by_role("button", name="Play").click()
        await seen.holds("document.querySelector('video').currentTime > 0.7")
        await clip.add(1, 2)
        await seen.holds("document.querySelector('video').currentTime > 1.6")
        await clip.announce(3)
        await expect(player).to_contain_text("Waiting for 1 of 4 segments")
        await clip.arrive(3)
        await clip.add(4, 5)
        await clip.seal(end=5.5)
        await expect(player).to_have_attribute("data-state", "whole")
        await seen.holds("document.querySelector('video').paused", 15)
        state = await video(seen.page)
        assert state["at"] == pytest.approx(5.5, abs=0.15), "the clip ends where it says, not where its bytes do"
        assert [[round(x, 1) for x in one] for one in state["ranges"]] == [[0.0, 6.0]]


async def test_the_players_own_controls(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    building = rig.building()
    incident = await building.break_in()
    wall = rig.clock.wall() - 30 * SECOND
    clip = await building.clip(incident, corridor(), wall=wall)
    await clip.add(*range(6))
    await clip.seal()
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.page.goto(f"{base}/incidents/{incident}")
        await playable(seen)
        player = seen.page.locator("[data-player]")

        async def at(expected: float) -> None:
            moved = f"Math.abs(document.querySelector('video').currentTime - {expected}) < 0.06"
            await seen.holds(moved)

        await at(0.3)
        await player.get_by_role("button", name="To the event").click()
        await at(2.5)
        await expect(player.locator("[data-place]")).to_have_text("the event")
        shown = await player.locator("[data-clock]").text_content()
        seconds = (wall + 2_500_000) / 1e6 % 86_400
        hours, minutes, rest = re.split(":", shown or "")
        assert int(hours) * 3600 + int(minutes) * 60 + float(rest) == pytest.approx(seconds, abs=0.1)
        await player.get_by_role("button", name="One picture on").click()
        await at(2.6)
        await player.get_by_role("button", name="Back 5 s").click()
        await at(0.3)
        slider = player.get_by_role("slider")
        await slider.focus()
        await seen.page.keyboard.press("End")
        await at(5.5)
        await seen.page.keyboard.press("m")
        await at(2.5)
        await seen.page.keyboard.press(",")
        await at(2.4)
        await slider.fill("1000")  # ms after the clip's start
        await at(1.3)
        assert "event" in (await slider.get_attribute("aria-valuetext") or "")
        await player.get_by_role("button", name="Speed").click()
        assert await seen.page.evaluate("document.querySelector('video').playbackRate") == 2
        await seen.page.keyboard.press("Escape")
        await expect(player.locator("path.mark")).to_have_count(1)
        async with seen.page.expect_download() as download:
            await player.get_by_role("link", name="Download the clip").click()
        saved = await (await download.value).path()
        assert saved.read_bytes().startswith(corridor().init)


async def test_parts_and_gaps(rig: Rig, browser: Browser) -> None:
    """The camera was lost for three seconds and came back with another picture size: a new part, and a gap between."""
    await rig.person("jonas", "guard")
    building = rig.building()
    incident = await building.break_in()
    clip = await building.clip(incident, corridor(), wall=rig.clock.wall() - 9 * SECOND, event=0.5, pre=0.5, post=7.0)
    await clip.add(0)
    clip.footage = corridor(height=90, segments=2, event=0.5, origin=7_204 * SECOND)
    for n in (0, 1):
        await clip.announce(n, part=1)
        await clip.arrive(n)
    await clip.seal("complete", end=6.0)
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.page.goto(f"{base}/incidents/{incident}")
        await playable(seen)
        state = await video(seen.page)
        assert state["width"] == 320
        await seen.holds("document.querySelector('video').buffered.length === 2")
        await expect(seen.page.locator("rect.gap")).to_have_count(1)
        await seen.page.keyboard.press("k")
        await seen.holds("document.querySelector('video').currentTime > 4", 15)
        state = await video(seen.page)
        assert state["width"] == 160 and state["error"] is None


async def test_a_segment_that_is_late_is_shown_as_late(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    building = rig.building()
    incident = await building.break_in()
    clip = await building.clip(incident, corridor(), wall=rig.clock.wall() - 9 * SECOND)
    await clip.add(0)
    await clip.announce(1)
    await clip.add(2)
    await clip.seal(end=3.0)
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.page.goto(f"{base}/incidents/{incident}")
        await playable(seen)
        await expect(seen.page.locator("[data-player]")).to_contain_text("Waiting for 1 of 3 segments")
        await expect(seen.page.locator("rect.wait")).to_have_count(1)
        await clip.arrive(1)
        await expect(seen.page.locator("[data-player]")).to_have_attribute("data-state", "whole")
        await seen.holds("document.querySelector('video').buffered.length === 1")


async def test_without_script_the_browsers_own_player_has_the_clip(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    building = rig.building()
    incident = await building.break_in()
    clip = await building.clip(incident, corridor(), wall=rig.clock.wall() - 9 * SECOND)
    await clip.add(0, 1, 2)
    async with served(rig) as base, page(browser, base, script=False) as seen:
        await seen.sign_in("jonas")
        await seen.page.goto(f"{base}/incidents/{incident}")
        element = seen.page.locator("video")
        assert await element.get_attribute("controls") is not None
        address = await element.get_attribute("src")
        answer = await seen.page.request.get(base + str(address), headers={"Range": "bytes=0-3"})
        assert answer.status == 206


async def test_acting_reaches_everybody_who_watches(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard", "Jonas Lindqvist")
    await rig.person("marta", "admin", "Marta Okafor")
    building = rig.building()
    incident = await building.break_in()
    async with served(rig) as base, page(browser, base) as acts, page(browser, base) as looks:
        await acts.sign_in("jonas")
        await looks.sign_in("marta")
        for seen in (acts, looks):
            await seen.page.goto(f"{base}/incidents/{incident}")
            await seen.live()
        await looks.page.locator("#note summary").click()
        await looks.page.get_by_label("Note", exact=True).fill("half a sentence")
        await acts.page.get_by_role("button", name="Acknowledge").click()
        await expect(acts.page.get_by_text("Acknowledged. Everybody who watches")).to_be_visible()
        await expect(looks.page.locator(".timeline")).to_contain_text("Jonas Lindqvist acknowledged")
        await expect(looks.page.get_by_role("button", name="Acknowledge")).to_have_count(0)
        kept = looks.page.get_by_label("Note", exact=True)
        await expect(kept).to_have_value("half a sentence")
        await expect(kept).to_be_focused()
        await expect(looks.page.locator("h1 + p .chip")).to_have_text("Acknowledged")
        await acts.page.get_by_role("button", name="Start work").click()
        await expect(looks.page.locator("h1 + p .chip")).to_have_text("In progress")
        await looks.page.get_by_role("button", name="Take it").click()
        await expect(acts.page.locator(".facts")).to_contain_text("Assigned toMarta Okafor")
        await acts.page.locator("#resolve summary").click()
        await acts.page.get_by_label("What was it?").select_option("user_error")
        await acts.page.get_by_label("What happened?").fill("The cleaner, late.")
        await acts.page.get_by_role("button", name="Resolve the incident").click()
        await expect(looks.page.locator(".timeline blockquote")).to_have_text("The cleaner, late.")
        await expect(looks.page.locator("h1 + p .chip")).to_have_text("Resolved")
        await expect(looks.page.locator(".facts")).to_contain_text("It wasMistake")
        await looks.page.get_by_role("button", name="Close").click()
        await expect(acts.page.locator("h1 + p .chip")).to_have_text("Closed")
        await acts.page.get_by_role("button", name="Reopen").click()
        await expect(looks.page.locator("h1 + p .chip")).to_have_text("Open")
        await acts.page.get_by_role("button", name="Silence Siren 1").click()
        await expect(looks.page.get_by_text("Silencing Siren 1, asked by Jonas Lindqvist")).to_be_visible()
        await building.silence_reported()
        await expect(looks.page.get_by_role("button", name="Silence")).to_have_count(0)


async def test_leaving_a_page_ends_its_stream(rig: Rig, browser: Browser) -> None:
    await rig.person("jonas", "guard")
    incident = await rig.building().break_in()
    async with served(rig) as base, page(browser, base) as seen:
        await seen.sign_in("jonas")
        await seen.live()
        await seen.page.goto(f"{base}/incidents/{incident}")
        await seen.live()
        await until(lambda: rig.context.changes.watchers == 1)
