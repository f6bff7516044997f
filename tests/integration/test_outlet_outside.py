"""First seconds out, a rate that is kept, and outlets that go: the parts of an outlet together, over a real socket."""

from __future__ import annotations

import asyncio
import hashlib
import statistics
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.config.outlets import PacedHours
from agent.outlets.allowance import Allowance
from agent.outlets.blob_file import BlobFile
from agent.outlets.budget import Budget
from agent.outlets.client import RelayClient
from agent.outlets.http import HttpConnection
from agent.outlets.peer import Peer
from agent.outlets.schedule import Schedule
from agent.outlets.upload import Uploads
from agent.store import evidence
from hwlab.faults import FaultProxy, Profile
from relay.store import outside
from rules.events import ClipOpened, ClipSealed, EvidenceOutside, KeyPictures, SegmentAdded, StillTaken
from tests.integration.fake_relay import FakeRelay
from tests.integration.outlet_rig import GATEWAY, Rig, noise, rig, running, until
from tests.integration.relay_rig import Place, inside

SECOND = 1_000_000
UTC = ZoneInfo("UTC")


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "agent") as made:
        yield made


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay(gateway=GATEWAY)


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "relay.sock"


class Recorder:
    """A media worker's facts about one incident, made when a test says so."""

    def __init__(self, building: Rig, incident: str) -> None:
        self.building = building
        self.incident = incident
        self.clip = f"clip-{incident}"
        self.init = noise(700)

    async def tell(self, kind: type[Any], **values: Any) -> None:
        await self.building.intake.decide(kind(**self.building.clock.header(), camera="cam", **values))

    async def opened(self) -> None:
        await self.tell(
            ClipOpened,
            clip=self.clip,
            incident=self.incident,
            trigger=1,
            pre=10 * SECOND,
            post=20 * SECOND,
            start=0,
            mark=5 * SECOND,
            width=640,
            height=360,
        )

    async def still(self, data: bytes) -> str:
        return await self.building.still(data, incident=self.incident)

    async def pictures(self, data: bytes) -> str:
        sha256 = self.building.blob(data)
        await self.tell(
            KeyPictures,
            clip=self.clip,
            incident=self.incident,
            sha256=sha256,
            bytes=len(data),
            taken=[1, 2],
            width=640,
            height=90,
        )
        return sha256

    async def segment(self, n: int, data: bytes) -> str:
        sha256, init = self.building.blob(data), self.building.blob(self.init)
        await self.tell(
            SegmentAdded,
            clip=self.clip,
            n=n,
            part=0,
            init=init,
            init_bytes=len(self.init),
            sha256=sha256,
            bytes=len(data),
            start=n * 4 * SECOND,
            duration=4 * SECOND,
            wall_start=1,
            codec="avc1.64001f",
        )
        return sha256

    async def sealed(self) -> None:
        await self.tell(ClipSealed, clip=self.clip, end=20 * SECOND, segments=5, reason="complete")


def whats(building: Rig, incident: str, outlet: str = "cloud") -> list[str]:
    told = building.told(EvidenceOutside)
    return [fact.what for fact in told if (fact.incident, fact.outlet) == (incident, outlet)]


async def test_record_still_pictures_the_time_before_and_the_rest(building: Rig, relay: FakeRelay, at: Path) -> None:
    """All of it waits when the relay comes back: it leaves in that order, and each step is told once."""
    incident = await building.incident()
    recorder = Recorder(building, incident)
    async with running(building.outlet("cloud", at)):
        await until(lambda: building.store.log.head("P0").seq)
        await building.store.blobs.serve(["cloud"], gt=0)
        await recorder.opened()
        segments = [await recorder.segment(n, noise(40_000)) for n in range(4)]
        pictures = await recorder.pictures(noise(20_000))
        still = await recorder.still(noise(9_000))
        await recorder.sealed()
        async with relay.listening(at):
            await until(lambda: len(whats(building, incident)) == 5)
            await asyncio.sleep(0.1)
    blobs = [name for lane, name in relay.arrivals if lane == "blob"]
    assert blobs[:2] == [still, pictures]
    assert blobs[3:] == segments, "after the init"
    assert whats(building, incident) == ["record", "still", "pictures", "pre_roll", "clip"]
    after = [fact.after for fact in building.told(EvidenceOutside)]
    assert after == sorted(after)
    assert 0 < after[0] < 60 * SECOND


async def test_as_it_happens_every_step_is_told_when_it_is_done(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(building.outlet("cloud", at)):
        await building.media_done()
        incident = await building.incident()
        recorder = Recorder(building, incident)
        await until(lambda: whats(building, incident) == ["record"])
        await recorder.still(noise(9_000))
        await until(lambda: whats(building, incident) == ["record", "still"])
        await recorder.opened()
        await recorder.segment(0, noise(40_000))
        await recorder.pictures(noise(20_000))
        await until(lambda: whats(building, incident) == ["record", "still", "pictures"])
        await recorder.segment(1, noise(40_000))
        await until(lambda: whats(building, incident)[3:] == ["pre_roll"])
        await recorder.segment(2, noise(40_000))
        await building.media_done()
        await recorder.sealed()  # after its last blob was acknowledged
        await until(lambda: whats(building, incident)[4:] == ["clip"])


async def test_a_crash_between_acknowledgement_and_telling_loses_nothing_and_doubles_nothing(
    tmp_path: Path, relay: FakeRelay, at: Path
) -> None:
    async with rig(tmp_path / "agent") as building:
        outlet = building.outlet("cloud", at)
        outlet._witness.got = lambda sha256: None  # type: ignore[method-assign]
        outlet._witness.moved = lambda: None  # type: ignore[method-assign]
        async with relay.listening(at), running(outlet):
            await building.media_done()
            incident = await building.incident()
            await building.still(noise(9_000), incident=incident)
            await building.media_done()
            await asyncio.sleep(0.4)  # the cursor is saved
        first = whats(building, incident)
    told = list(first)
    for _ in range(2):
        async with rig(tmp_path / "agent") as building, relay.listening(at), running(building.outlet("cloud", at)):
            await until(lambda: relay.connections)
            await asyncio.sleep(0.5)
            told += whats(building, incident)
    assert sorted(told) == ["record", "still"]


async def test_the_relay_itself_learns_what_is_outside(tmp_path: Path) -> None:
    """Both real ends: the gateway measures, and the relay keeps what its page shows."""
    place = Place.found(tmp_path)
    async with rig(tmp_path / "agent", gateway="gw-1") as building, inside(place) as at:
        assert at.relay is not None
        outlet = building.outlet("cloud", place.folder / "cloud-1.sock")
        async with running(outlet):
            await building.media_done()
            incident = await building.incident()
            await building.still(noise(9_000), incident=incident)
            await until(lambda: whats(building, incident) == ["record", "still"])
            await until(lambda: outlet.state.reachable and outlet.state.behind == 0)
        async with at.relay.db.read() as connection:
            known = await outside.of_incident(connection, "gw-1", incident)
    told = {fact.what: fact.after for fact in building.told(EvidenceOutside)}
    assert known == told


async def test_an_outlet_that_keeps_no_copy_is_no_witness(building: Rig, relay: FakeRelay, at: Path) -> None:
    async with relay.listening(at), running(building.outlet("box", at, keeps_copy=False)):
        await building.incident()
        await until(lambda: relay.taken("P0"))
        await asyncio.sleep(0.1)
    assert building.told(EvidenceOutside) == []


# --- a rate ----------------------------------------------------------------------------------------------------------


def paced(building: Rig, rate: str, **values: Any) -> Allowance:
    plan = Schedule([PacedHours.model_validate({"rate": rate})], zone=UTC)
    return Allowance(
        outlet="cloud",
        schedule=plan,
        database=building.store.database,
        intake=building.intake,
        clock=building.clock,
        **values,
    )


async def test_recordings_keep_a_rate_and_a_still_does_not_wait_for_it(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    """Five seconds at 4 Mbit/s over a real socket; the minute is in the unit tests."""
    loop = asyncio.get_running_loop()
    arrived: list[tuple[float, int]] = []
    append = relay._append

    async def noted(name: str, request: Any) -> Any:
        answer = await append(name, request)
        arrived.append((loop.time(), int(request.headers.get("content-length", 0))))
        return answer

    relay._append = noted  # type: ignore[method-assign]
    outlet = building.outlet("cloud", at, allowance=paced(building, "4Mbit"))
    async with relay.listening(at), running(outlet):
        await building.media_done()
        for n in range(6):
            await building.segment(noise(1_000_000), n=n)
        await until(lambda: len(arrived) > 2)
        began = loop.time()
        asked = loop.time()
        still = await building.still(noise(60_000))
        await until(lambda: still in relay.blobs)
        assert loop.time() - asked < 1.0
        await asyncio.sleep(5.0)
        took = loop.time() - began
    sent = sum(count for when, count in arrived if when >= began)
    assert sent / took == pytest.approx(500_000, rel=0.2)


async def test_a_spent_budget_keeps_clips_here_and_lets_grave_stills_go(
    building: Rig, relay: FakeRelay, at: Path
) -> None:
    allowance = Allowance(
        outlet="cloud",
        budget=Budget(monthly=10_000_000, resets_on=1, zone=UTC),
        database=building.store.database,
        intake=building.intake,
        clock=building.clock,
    )
    outlet = building.outlet("cloud", at, allowance=allowance)
    async with relay.listening(at), running(outlet):
        await until(lambda: not allowance.spent)
        allowance.count(10_000_000)
        incident = await building.incident()  # high
        await building.segment(noise(40_000))
        still = await building.still(noise(5_000), incident=incident)
        await until(lambda: still in relay.blobs)
        await asyncio.sleep(0.2)
        assert list(relay.blobs) == [still]
        await building.incident()
        await until(lambda: len(relay.taken("P0")) == 2)


def test_every_step_of_the_evidence_has_a_name() -> None:
    assert set(evidence.WHATS) == {"record", "still", "pictures", "pre_roll", "clip"}
    assert StillTaken.kind in evidence.KINDS


async def test_pieces_are_about_a_second_of_a_slow_line(tmp_path: Path, relay: FakeRelay) -> None:
    """64 kB a second: after a few pieces each takes about a second, and an alarm would wait no longer than that."""
    data = noise(700_000)
    path = tmp_path / "recording"
    path.write_bytes(data)
    pieces: list[int] = []

    async def turn(want: int) -> int:
        pieces.append(want)
        return want

    async with (
        relay.listening(0) as port,
        FaultProxy(to=("127.0.0.1", port), profile=Profile(rate=64_000)) as proxy,
    ):
        # The contract's requests without TLS: the proxy only sees bytes.
        peer = Peer(name="cloud", url=f"https://127.0.0.1:{proxy.port}", identity=tmp_path)
        client = RelayClient(peer=peer, http=HttpConnection(peer=peer, context=None))
        await Uploads().send(client, BlobFile(path, hashlib.sha256(data).hexdigest(), len(data)), turn=turn)
        client._http.abort()
    assert relay.blobs[hashlib.sha256(data).hexdigest()] == data
    assert 30_000 < statistics.median(pieces[3:-1]) < 130_000, pieces
