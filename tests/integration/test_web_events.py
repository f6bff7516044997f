"""The stream that says something changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from relay.web.pages import events
from tests.integration.web_rig import PASSPHRASE, SECOND, Rig, press, rigged, served, until


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path) as made:
        yield made


@asynccontextmanager
async def guard(rig: Rig, base: str) -> AsyncIterator[httpx.AsyncClient]:
    await rig.person("jonas", "guard")
    async with httpx.AsyncClient(base_url=base, headers={"Origin": base}, timeout=10) as client:
        answer = await client.post("/sign-in", data={"name": "jonas", "passphrase": PASSPHRASE})
        assert answer.status_code == 303
        yield client


class Listener:
    """Reads a stream event by event: (name, data)."""

    def __init__(self, answer: httpx.Response) -> None:
        self._lines = answer.aiter_lines()

    async def next(self) -> tuple[str, dict[str, list[str]]]:
        name = ""
        async with asyncio.timeout(10):
            async for line in self._lines:
                if line.startswith("event: "):
                    name = line[7:]
                elif line.startswith("data: "):
                    return name, json.loads(line[6:])
        return "end", {}


async def test_a_change_is_told_within_milliseconds(rig: Rig) -> None:
    async with served(rig) as base, guard(rig, base) as client, client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = Listener(answer)
        assert (await stream.next())[0] == "resync", "a page that connects looks again"
        spent = []
        for n in range(9):
            began = time.perf_counter()
            rig.context.changes.publish(incidents=[f"i{n}"], clips=["c"])
            name, change = await stream.next()
            spent.append(time.perf_counter() - began)
            assert name == "change" and change == {"incidents": [f"i{n}"], "clips": ["c"], "gateways": []}
        assert sorted(spent)[4] < 0.05


async def test_a_burst_is_one_notice(rig: Rig) -> None:
    async with served(rig) as base, guard(rig, base) as client, client.stream("GET", "/events") as answer:
        stream = Listener(answer)
        await stream.next()
        for n in range(300):
            rig.context.changes.publish(incidents=[f"i{n}"])
        _, change = await stream.next()
        assert len(change["incidents"]) == 300
        rig.context.changes.publish(incidents=[f"i{n}" for n in range(501)])
        rig.context.changes.publish(clips=["c"])
        names = {(await stream.next())[0]}
        assert names == {"resync"}, "too much to name"


async def test_the_stream_beats(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK", 0.05)
    async with served(rig) as base, guard(rig, base) as client, client.stream("GET", "/events") as answer:
        stream = Listener(answer)
        await stream.next()
        rig.clock.ahead += 16 * SECOND
        assert (await stream.next())[0] == "beat"


async def test_the_stream_ends_with_its_session(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK", 0.05)
    async with served(rig) as base, guard(rig, base) as client, client.stream("GET", "/events") as answer:
        stream = Listener(answer)
        await stream.next()
        assert (await press(client, "/account/sign-out-everywhere")).status_code == 303
        assert (await stream.next())[0] == "signed-out"
        assert (await stream.next())[0] == "end"


async def test_an_open_stream_counts_as_use(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LOOK", 0.02)
    async with served(rig) as base, guard(rig, base) as client, client.stream("GET", "/events") as answer:
        stream = Listener(answer)
        await stream.next()
        for _ in range(3):
            rig.clock.ahead += 20 * 60 * SECOND
            assert (await stream.next())[0] == "beat"
        assert (await client.get("/")).status_code == 200


async def test_streams_end_when_the_relay_stops(rig: Rig) -> None:
    async with served(rig) as base, guard(rig, base) as client, client.stream("GET", "/events") as answer:
        stream = Listener(answer)
        await stream.next()
        rig.context.changes.close()
        assert (await stream.next())[0] == "bye"
        assert (await stream.next())[0] == "end"


async def test_one_person_has_a_bounded_number_of_streams(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST", 1)
    async with served(rig) as base, guard(rig, base) as client:
        async with client.stream("GET", "/events") as answer:
            stream = Listener(answer)
            await stream.next()
            assert (await client.get("/events")).status_code == 429
        await until(lambda: not rig.context.changes.watchers)  # the server learns of the hang-up in its own time
        async with client.stream("GET", "/events") as answer:
            assert answer.status_code == 200
            assert (await Listener(answer).next())[0] == "resync"
