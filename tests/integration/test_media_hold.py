"""A hold from a relay's page to the gateway's disk and back, through the real kernel, store, outlet and channel."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import select

from agent.channel.relay import RelayChannel
from agent.outlets.relay import RelayOutlet
from relay.store import holds
from relay.store.schema import command, gateway
from rules import wire
from rules.units import DAY
from tests.integration.outlet_rig import running, until
from tests.integration.relay_rig import Place, Running, inside
from tests.unit.retention_rig import Disk, disk

GATEWAY = "gw-1"


def services(it: Disk, folder: Path, socket: Path) -> tuple[RelayOutlet, RelayChannel]:
    store = it.rig.store
    common = {"name": "cloud", "socket": socket, "database": store.database, "cursors": store.cursors}
    outlet = RelayOutlet(
        **common,  # type: ignore[arg-type]
        keeps_copy=False,
        media=it.path,
        log=store.log,
        blobs=store.blobs,
        intake=it.rig.intake,
        clock=it.rig.clock,
    )
    channel = RelayChannel(
        **common,  # type: ignore[arg-type]
        gateway=GATEWAY,
        epoch=lambda: store.log.epoch,
        software="test",
        intake=it.rig.intake,
        clock=it.rig.clock,
        states=dict,
        questions={},
        heard=outlet.nudge,
        storage=it.retention.storage,
        heartbeat=0.1,
    )
    return outlet, channel


async def asked(at: Running, name: str, **args: str) -> str:
    """Ask as the page does; what became of it."""
    assert at.relay is not None
    identity = await at.relay.hub.command(gateway=GATEWAY, actor="Ada", name=name, args=args, expires=2**52)
    async with asyncio.timeout(10):
        while True:
            async with at.relay.db.read() as connection:
                row = (await connection.execute(select(command).where(command.c.id == identity))).one()
            if row.state in ("done", "refused", "failed"):
                return f"{row.state}: {row.reason}"
            await asyncio.sleep(0.01)


async def shown(at: Running, incident: str) -> str | None:
    assert at.relay is not None
    async with at.relay.db.read() as connection:
        row = await holds.of_incident(connection, GATEWAY, incident)
    return f"{row.by}: {row.reason}" if row else None


async def test_a_hold_reaches_the_disk_and_shows_at_the_relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place.found(tmp_path)
    async with disk(tmp_path, monkeypatch, keeper=False) as it, inside(place) as at:
        incident = await it.record()
        outlet, channel = services(it, tmp_path, place.folder / "cloud-1.sock")
        await it.look()
        async with running(outlet, channel):
            await until(lambda: channel.connected and outlet.state.reachable)
            assert (await asked(at, "media.hold", incident=incident, reason="")).startswith("refused: a hold needs")
            said = await asked(at, "media.hold", incident=incident, reason="police")
            assert said == "done: the footage of this incident is kept until it is released"
            async with asyncio.timeout(10):
                while await shown(at, incident) != "Ada: police":
                    await asyncio.sleep(0.01)
            it.later(100 * DAY)
            await it.successor().look()  # a core that was started anew holds it, too
            assert it.whole(incident) and await it.gone() == []

            assert (await asked(at, "media.release", incident=incident)).startswith("done:")
            async with asyncio.timeout(10):
                while await shown(at, incident) is not None:
                    await asyncio.sleep(0.01)
            await it.look()
            assert not it.whole(incident)

            # The heartbeat carries how the disk is.
            assert at.relay is not None
            async with asyncio.timeout(10), at.relay.db.read() as connection:
                while not (told := await connection.scalar(select(gateway.c.storage))):
                    await asyncio.sleep(0.05)
            assert wire.Storage.parse(told).free > 0
