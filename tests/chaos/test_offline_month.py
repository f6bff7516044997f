"""A month without a relay, on a simulated clock: the real pipeline fills the real store, then the real outlet drains it
into the real relay. Every incident arrives before the first byte of a picture, everything once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent import clock as clocks
from agent.intake import Input
from agent.outlets.client import RelayClient
from agent.outlets.link import Link
from certs import profiles
from certs.identity import Identity
from hwlab.check import check
from rules.events import ClipOpened, ContactClosed, ContactOpened, Event, SegmentAdded, StillTaken
from tests.chaos.ledger import Ledger
from tests.chaos.line_rig import RelayProcess, memory
from tests.integration.outlet_rig import Rig as OutletRig
from tests.integration.outlet_rig import running
from tests.integration.relay_rig import TRUST_DOMAIN, Place
from tests.unit.agent_rig import GATEWAY, Rig, rig

MONTH = 30 * 86_400_000_000  # µs
STILL = 20_000
WAL = 64 << 20
SITE = """
site: {id: house, name: The House}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true}}
  - {id: hatch, type: contact, mqtt: {topic: b/hatch, field: contact, open: false, closed: true}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://127.0.0.1:8554/cam"}}
rules:
  - id: alarm
    name: Door opened
    when: {event: contact.opened, device: door}
    then:
      - open_incident: {severity: high, title: "{{ device.name }} opened", group: 0s}
"""


@dataclass
class Month:
    """Wall and boot-time clock run on from now, and jump when told."""

    jumped: int = 0

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        wall, boot = clocks.wall_now, clocks.boot_now
        patch.setattr(clocks, "wall_now", lambda: wall() - MONTH + self.jumped)
        patch.setattr(clocks, "boot_now", lambda: boot() + self.jumped)


@dataclass
class Wire:
    """Requests as they leave: what, how many bytes, when."""

    sent: list[tuple[str, str, int, float]] = field(default_factory=list)

    def patch(self, patch: pytest.MonkeyPatch) -> None:
        request = RelayClient.request

        async def noted(client: RelayClient, method: str, target: str, **more: Any) -> Any:
            self.sent.append((method, target, len(more.get("content", b"")), time.monotonic()))
            return await request(client, method, target, **more)

        patch.setattr(RelayClient, "request", noted)

    def media_before_last_alarm(self) -> int:
        """Requests with media bytes that left before the last batch of incidents."""
        last = max(number for number, one in enumerate(self.sent) if one[1] == "/v1/lanes/P0")
        return sum(
            1 for method, target, size, _ in self.sent[:last]
            if size and (target.startswith("/v1/uploads") or (method, target) == ("POST", "/v1/blobs"))
        )  # fmt: skip


async def offline(made: Rig, month: Month, *, bursts: int, events: int, media: int, folder: Path) -> None:
    """A month of bursts, each with one incident, a picture of it and `media` bytes of recording."""
    init = _blob(folder, b"init")
    for number in range(bursts):
        month.jumped += MONTH // bursts
        facts: list[Event] = [ContactOpened(**made.clock.header(), device="door", n=number)]
        for n in range(events - 2):
            kind = ContactClosed if n % 2 else ContactOpened
            facts.append(kind(**made.clock.header(), device="hatch", n=number * events + n))
        facts.append(ContactClosed(**made.clock.header(), device="door", n=number))
        await _told(made, facts)
        await _told(made, _footage(made, folder, init, await _newest(made), media))


async def _newest(made: Rig) -> str:
    rows = await made.store.database.read(
        "SELECT bytes FROM log WHERE kind = 'incident.opened' ORDER BY pos DESC LIMIT 1"
    )
    return str(json.loads(rows[0][0])["body"]["incident"])


def _footage(made: Rig, folder: Path, init: tuple[str, int], incident: str, media: int) -> list[Event]:
    still, segment = _blob(folder, os.urandom(STILL)), _blob(folder, os.urandom(media))
    head = made.clock.header()
    return [
        StillTaken(
            **head, still=head["id"], incident=incident, camera="cam", sha256=still[0], bytes=still[1],
            taken=head["wall"], width=640, height=360,
        ),
        ClipOpened(
            **made.clock.header(), clip=f"clip-{incident}", incident=incident, camera="cam", trigger=head["wall"],
            pre=0, post=2_000_000, start=0, mark=0, width=640, height=360,
        ),
        SegmentAdded(
            **made.clock.header(), clip=f"clip-{incident}", camera="cam", n=0, part=0, init=init[0],
            init_bytes=init[1], sha256=segment[0], bytes=segment[1], start=0, duration=2_000_000,
            wall_start=head["wall"], codec="avc1.64001f",
        ),
    ]  # fmt: skip


def _blob(folder: Path, data: bytes) -> tuple[str, int]:
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / "media" / "blobs" / sha256[:2] / sha256[2:4] / sha256
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return sha256, len(data)


async def _told(made: Rig, facts: list[Event]) -> None:
    """Offer them, and wait until the last is durable."""
    done = asyncio.Event()
    for fact in facts[:-1]:
        await made.intake.offer(Input(fact=fact))
    await made.intake.offer(Input(fact=facts[-1], acknowledge=done.set))
    await done.wait()


@contextlib.asynccontextmanager
async def drained(made: Rig, folder: Path) -> AsyncIterator[RelayProcess]:
    """The relay after the outlet has handed over everything, the outlet still there."""
    place = Place.found(folder)
    identity = Identity(trust_domain=TRUST_DOMAIN, tenant="demo", site="house", gateway=GATEWAY)
    directory = place.issue("gateway-identity", profiles.gateway(identity))
    relay = RelayProcess(place=place)
    await relay.start()
    outlets = OutletRig(folder, made.store, made.intake, made.clock)
    outlet = outlets.outlet_with(name="cloud", url=f"https://127.0.0.1:{relay.port}", identity=directory)
    try:
        async with running(outlet):
            end = time.monotonic() + 1200
            while not outlet.state.reachable or outlet.state.behind or await made.store.blobs.waiting("cloud", limit=1):
                assert time.monotonic() < end, outlet.state
                await asyncio.sleep(0.2)
            yield relay
    finally:
        await relay.kill()


def held(relay: RelayProcess) -> int:
    return len([path for path in (relay.database.parent / "blobs").rglob("*") if len(path.name) == 64])


@pytest.mark.timeout(1800)
async def test_everything_arrives_incidents_first(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch, pick: Callable[..., int]
) -> None:
    bursts, media = pick(quick=40, ci=200, long=2000), pick(quick=50_000, ci=230_000, long=1_000_000)
    events = 50
    month, wire = Month(), Wire()
    month.patch(monkeypatch)
    wire.patch(monkeypatch)
    async with rig(tmp_path, monkeypatch, document=SITE) as made, made.running():
        began = time.monotonic()
        await offline(made, month, bursts=bursts, events=events, media=media, folder=tmp_path)
        filled = time.monotonic() - began
        store = tmp_path / "log.db"
        size = sum(path.stat().st_size for path in tmp_path.glob("log.db*"))
        queued = made.store.log.head("P0").seq
        assert queued >= bursts
        began = time.monotonic()
        async with drained(made, tmp_path) as relay:
            took = time.monotonic() - began
            ledger.harm("behind media", wire.media_before_last_alarm())
            assert wire.media_before_last_alarm() == 0, "a picture left before an incident"
            report = ledger.judged(check(gateway=GATEWAY, agent=store, relay=relay.database))
            assert report.ok, str(report)
            heads = {lane: made.store.log.head(lane).seq for lane in ("P0", "P1", "P2")}
            marks = dict(relay.query("SELECT lane, seq FROM lane WHERE lane IN ('P0', 'P1', 'P2')"))
            assert marks == heads
            named = relay.query("SELECT count(DISTINCT sha256) FROM (SELECT sha256 FROM segment UNION ALL"
                                " SELECT sha256 FROM still UNION ALL SELECT init FROM segment)")[0]  # fmt: skip
            assert held(relay) == named == 2 * bursts + 1
            assert memory(relay.pid or 0) < 400_000_000
        (wall,) = _rows(store, "SELECT min(wall), max(wall) FROM log")
        assert wall[1] - wall[0] > 0.95 * MONTH, "it was no month"
        ledger.count("events", bursts * events)
        ledger.count("incidents", bursts)
        ledger.count("media bytes", bursts * (media + STILL))
        ledger.note(
            fill_seconds=round(filled, 1), drain_seconds=round(took, 1), store_bytes=size,
            store_bytes_an_event=round(size / (bursts * events)),
        )  # fmt: skip
        print(ledger.facts)
        assert size < 2_000 * bursts * (events + 10) + WAL, "the store grows beyond what it keeps"
        wal = store.with_name("log.db-wal")
        assert not wal.exists() or wal.stat().st_size <= WAL


async def test_without_waiting_media_overtakes(tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: media that does not ask whether an incident waits leaves before the last of them."""
    ledger.fails_without("media waits for the lane of incidents")
    month, wire = Month(), Wire()
    month.patch(monkeypatch)
    wire.patch(monkeypatch)
    monkeypatch.setattr(Link, "clear", property(lambda link: True))
    post = RelayClient.post_batch

    async def slowly(client: RelayClient, *batch: Any, **more: Any) -> Any:
        await asyncio.sleep(0.3)  # a batch takes its time, as over a narrow line
        return await post(client, *batch, **more)

    monkeypatch.setattr(RelayClient, "post_batch", slowly)
    async with rig(tmp_path, monkeypatch, document=SITE) as made, made.running():
        await offline(made, month, bursts=20, events=50, media=20_000, folder=tmp_path)
        async with drained(made, tmp_path):
            ledger.harm("behind media", wire.media_before_last_alarm())
            assert wire.media_before_last_alarm() > 0


def _rows(path: Path, sql: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()
