"""A person at the cloud relay, without the browser: makes the first account with the printed code, keeps the feed open
as its page does, and fetches clips as its player does."""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path
from typing import Any

import httpx

from hwlab.errors import LabError
from hwlab.instant import boot_now

CODE = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{4}(?:-[0-9A-HJKMNP-TV-Z]{4}){4}\b")
_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
_CARD = re.compile(r"/incidents/([0-9a-f-]{36})")


def printed_code(log_file: Path) -> str | None:
    """The one-time code in what a relay printed."""
    found = CODE.search(log_file.read_text(errors="replace")) if log_file.exists() else None
    return found[0] if found else None


class Visitor:
    """`shown` has, for each incident, the boot-time clock (µs) at which the open feed had it."""

    def __init__(self, *, base: str) -> None:
        self._client = httpx.AsyncClient(base_url=base, headers={"Origin": base}, timeout=10.0)
        self.shown: dict[str, int] = {}
        self._watching = asyncio.Event()

    async def close(self) -> None:
        """Leave."""
        await self._client.aclose()

    async def sign_in(self, code: str) -> None:
        """Make the first account. LabError says what the relay answered instead."""
        form = {
            "code": code,
            "display": "Demo witness",
            "name": "witness",
            "passphrase": secrets.token_urlsafe(24),
        }
        answer = await self._client.post("/setup", data=form)
        if answer.status_code != 303:
            raise LabError(f"the cloud relay did not take the one-time code: HTTP {answer.status_code}")
        opened = await self._client.get("/")
        if opened.status_code != 200:
            raise LabError(f"the feed cannot be opened after signing in: HTTP {opened.status_code}")

    async def watch(self) -> None:
        """Keep the feed open: at each notice fetch it anew, as its page does. Runs until cancelled."""
        async with self._client.stream("GET", "/events", timeout=httpx.Timeout(10.0, read=60.0)) as stream:
            async for line in stream.aiter_lines():
                if line.startswith("event:") and line[6:].strip() in ("change", "resync"):
                    page = await self._client.get("/")
                    now = boot_now()
                    for incident in _CARD.findall(page.text):
                        self.shown.setdefault(incident, now)
                    self._watching.set()

    async def watching(self) -> None:
        """Wait until the stream has said its first word."""
        await asyncio.wait_for(self._watching.wait(), 15.0)

    async def act(self, incident: str, what: str, **fields: str) -> None:
        """Press a button of the incident's page: acknowledge, resolve, reopen."""
        page = await self._client.get(f"/incidents/{incident}")
        token = _TOKEN.search(page.text)
        if token is None:
            raise LabError(f"the page of incident {incident} has no form (HTTP {page.status_code})")
        answer = await self._client.post(f"/incidents/{incident}/{what}", data={"form_token": token[1], **fields})
        if answer.status_code != 303:
            raise LabError(f"{what} was answered with HTTP {answer.status_code}")

    async def manifest(self, clip: str) -> dict[str, Any]:
        """What the player reads."""
        answer = await self._client.get(f"/clips/{clip}/manifest.json")
        answer.raise_for_status()
        return dict(answer.json())

    async def fetch(self, path: str) -> bytes:
        """The bytes behind a path. LabError when they are not there."""
        answer = await self._client.get(path)
        if answer.status_code != 200:
            raise LabError(f"{path} was answered with HTTP {answer.status_code}")
        return answer.content
