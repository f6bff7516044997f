"""The agent's outlet and channel against the relay itself: both ends of the contract, over TLS and over the socket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from agent.channel.relay import RelayChannel
from agent.outlets.relay import RelayOutlet
from certs import profiles
from certs.identity import Identity
from relay.store.schema import command as command_table
from relay.store.schema import lane as lane_table
from relay.store.schema import record as record_table
from rules.events import CommandReceived, OutletRefused
from tests.integration.outlet_rig import Rig, noise, rig, running, until
from tests.integration.relay_rig import TRUST_DOMAIN, Place, Running, inside

GATEWAY = "gw-1"


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "agent", gateway=GATEWAY) as made:
        yield made


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.found(tmp_path)


@pytest.fixture(params=["tls", "socket"])
def way(request: pytest.FixtureRequest, place: Place) -> Any:
    """How to reach a running relay: the options of an outlet or a channel."""
    identity = Identity(trust_domain=TRUST_DOMAIN, tenant="acme", site="hq", gateway=GATEWAY)
    directory = place.issue("gateway-identity", profiles.gateway(identity))

    def reach(at: Running) -> dict[str, Any]:
        if request.param == "socket":
            return {"socket": Path(at._address("gateways", unix=True).host)}
        return {"url": f"https://127.0.0.1:{at._address('gateways').port}", "identity": directory}

    return reach


def outlet(building: Rig, **options: Any) -> RelayOutlet:
    return building.outlet_with(name="cloud", **options)


def channel(building: Rig, made: RelayOutlet, **options: Any) -> RelayChannel:
    return RelayChannel(
        **options,
        name="cloud",
        gateway=GATEWAY,
        epoch=lambda: building.store.epoch,
        software="test",
        database=building.store.database,
        cursors=building.store.cursors,
        intake=building.intake,
        clock=building.clock,
        states=lambda: {"cloud": made.state.wire()},
        questions={},
        heard=made.nudge,
        ceiling=0.2,
    )


async def held(at: Running, lane: str) -> list[bytes]:
    """What the relay has of a lane, in order."""
    assert at.relay is not None
    async with at.relay.db.read() as connection:
        rows = await connection.execute(
            select(record_table.c.data)
            .join(lane_table, lane_table.c.id == record_table.c.lane)
            .where(lane_table.c.lane == lane)
            .order_by(record_table.c.seq)
        )
        return [row.data for row in rows]


async def caught_up(building: Rig, made: RelayOutlet) -> None:
    await until(lambda: made.state.reachable and made.state.behind == 0)


async def test_records_and_media_arrive_as_they_are(building: Rig, place: Place, way: Any) -> None:
    large, small = noise(3_000_000), noise(40_000)
    async with inside(place) as at:
        made = outlet(building, **way(at))
        async with running(made):
            for _ in range(5):
                await building.incident()
                await building.door()
            names = [await building.segment(large), await building.still(small)]
            await caught_up(building, made)
            await building.media_done()
            for lane in ("P0", "P1", "P2"):
                assert await held(at, lane) == await building.held(lane)
            assert at.relay is not None
            for name, data in zip(names, (large, small), strict=True):
                path = at.relay.blobs.find("acme", name)
                assert path is not None
                assert (
                    hashlib.sha256(await asyncio.to_thread(path.read_bytes)).digest() == hashlib.sha256(data).digest()
                )


async def test_a_relay_that_was_away_gets_everything_once(building: Rig, place: Place) -> None:
    socket = place.folder / "cloud-1.sock"
    made = outlet(building, socket=socket)
    async with running(made):
        for _ in range(3):
            await asyncio.gather(*(building.incident() for _ in range(100)))
            async with inside(place) as at:
                await caught_up(building, made)
                assert await held(at, "P0") == await building.held("P0")
                await building.incident()
                await caught_up(building, made)
            await building.still(noise(5000))
        async with inside(place) as at:
            await caught_up(building, made)
            await building.media_done()
            assert await held(at, "P0") == await building.held("P0")
    assert building.told(OutletRefused) == []


async def test_another_store_of_the_same_gateway_is_refused(building: Rig, place: Place, tmp_path: Path) -> None:
    socket = place.folder / "cloud-1.sock"
    async with inside(place) as at:
        made = outlet(building, socket=socket)
        async with running(made):
            await building.incident()
            await caught_up(building, made)
        async with rig(tmp_path / "copy", gateway=GATEWAY) as copy, running(outlet(copy, socket=socket)):
            await copy.incident()
            await until(lambda: copy.told(OutletRefused))
            assert "epoch" in copy.told(OutletRefused)[0].reason
        assert await held(at, "P0") == await building.held("P0")


@asynccontextmanager
async def talking(building: Rig, at: Running, way: Any) -> AsyncIterator[RelayOutlet]:
    made = outlet(building, **way(at))
    spoken = channel(building, made, **way(at))
    async with running(made, spoken):
        await until(lambda: spoken.connected and made.state.reachable)
        yield made


async def test_a_command_goes_down_and_its_outcome_comes_back(building: Rig, place: Place, way: Any) -> None:
    async with inside(place) as at, talking(building, at, way):
        assert at.relay is not None
        await building.door()
        await until(lambda: at.relay is not None and at.relay.hub.connected(GATEWAY))
        identity = await at.relay.hub.command(
            gateway=GATEWAY, actor="guard", name="silence", args={"device": "s"}, expires=2**52
        )
        state = None
        while state not in ("done", "refused", "failed"):
            await asyncio.sleep(0.01)
            async with at.relay.db.read() as connection:
                state = await connection.scalar(select(command_table.c.state).where(command_table.c.id == identity))
        assert state == "done"
    assert [event.actor for event in building.told(CommandReceived)] == ["guard"]


async def test_what_a_person_does_there_reaches_our_log_and_is_not_doubled(
    building: Rig, place: Place, way: Any
) -> None:
    async with inside(place) as at, talking(building, at, way) as made:
        assert at.relay is not None
        incident = await building.incident()
        await caught_up(building, made)
        await at.relay.incidents.act(incident=incident, kind="acknowledged", by="Guard Ada", note="on my way")
        await until(lambda: building.store.log.head("P0").seq == 2)
        entries = await building.held("P0")
        assert b"incident.acknowledged" in entries[1]
        assert b"Guard Ada" in entries[1]
        await caught_up(building, made)  # it travels back as part of our log, under its own id
        assert await held(at, "P0") == entries
        assert building.store.log.head("P0").seq == 2
