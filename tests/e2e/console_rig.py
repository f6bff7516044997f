"""A browser in front of a relay's pages. Every console message, page error and refused load is an error of the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request, async_playwright

from tests.integration.web_rig import PASSPHRASE

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
)


@dataclass(kw_only=True)
class Watched:
    """A page, and everything it complained about."""

    page: Page
    base: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.base, "blob:" + self.base, "data:")):
            self.complaints.append(f"left the relay: {request.url}")

    async def sign_in(self, name: str) -> None:
        await self.page.goto(f"{self.base}/sign-in")
        await self.page.fill("#name", name)
        await self.page.fill("#passphrase", PASSPHRASE)
        await self.page.click("button[type=submit]")
        await self.page.wait_for_url(f"{self.base}/")

    async def holds(self, expression: str, seconds: float = 10.0) -> None:
        """Wait until an expression of the page is true. Not Playwright's own: that evaluates text in the page, which
        the content policy forbids, as it should."""
        async with asyncio.timeout(seconds):
            while not await self.page.evaluate(expression):
                await asyncio.sleep(0.03)

    async def live(self) -> None:
        """Wait until the page's stream is open."""
        await self.page.wait_for_selector('[data-lamp][data-state="live"]')


@asynccontextmanager
async def chromium(executable: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def page(
    browser: Browser, base: str, *, script: bool = True, width: int = 1440, height: int = 900
) -> AsyncIterator[Watched]:
    """A fresh browser profile; at the end nothing may have been complained about."""
    context: BrowserContext = await browser.new_context(
        viewport={"width": width, "height": height}, java_script_enabled=script, locale="en-GB"
    )
    context.set_default_timeout(10_000)
    watched = Watched(page=await context.new_page(), base=base)
    watched.watch()
    try:
        yield watched
    finally:
        await context.close()
    assert watched.complaints == []
