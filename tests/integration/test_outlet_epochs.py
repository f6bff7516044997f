"""A gateway or a relay that was put back to an older state, against the relay itself: nothing is lost, nothing is there
twice, nothing is overwritten, and it is told."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from agent.outlets.former import Former
from agent.outlets.relay import RelayOutlet
from agent.outlets.succession import Succession
from relay.store.schema import entry as entry_table
from relay.store.schema import incident as incident_table
from relay.store.schema import notice, record
from rules import wire
from rules.events import EpochBegan, OutletRefused
from tests.integration.outlet_rig import Rig, rig, running, until
from tests.integration.relay_rig import Place, Running, inside

GATEWAY = "gw-1"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.found(tmp_path)


def outlets(building: Rig, place: Place, *names: str) -> list[RelayOutlet]:
    """Followers of these relays that may begin a new epoch together."""
    store = building.store
    succession = Succession(
        database=store.database, log=store.log, outlets=names, intake=building.intake, clock=building.clock
    )
    return [
        building.outlet_with(name=name, socket=place.folder / f"{name}.sock", succession=succession) for name in names
    ]


@asynccontextmanager
async def life(folder: Path, place: Place, *names: str) -> AsyncIterator[tuple[Rig, list[RelayOutlet]]]:
    """One life of the gateway, with its outlets running."""
    async with rig(folder, gateway=GATEWAY) as building:
        made = outlets(building, place, *names)
        async with running(*made):
            yield building, made


async def done(*made: RelayOutlet) -> None:
    await until(lambda: all(each.state.reachable and each.state.behind == 0 for each in made))


async def entries(at: Running) -> dict[str, bytes]:
    """The incident entries of a relay, by id."""
    assert at.relay is not None
    async with at.relay.db.read() as connection:
        rows = await connection.execute(select(entry_table.c.id, entry_table.c.data))
        return {row.id: row.data for row in rows}


async def count(at: Running, what: object) -> int:
    assert at.relay is not None
    async with at.relay.db.read() as connection:
        return int(await connection.scalar(select(func.count()).select_from(what)) or 0)  # type: ignore[arg-type]


def sent(*lives: list[bytes]) -> dict[str, bytes]:
    return {wire.read(data).id: data for each in lives for data in each}


async def test_a_gateway_restored_from_an_older_copy_goes_on_under_a_new_epoch(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    async with inside(place) as at:
        async with life(folder, place, "cloud-1") as (building, made):
            for _ in range(5):
                await building.incident()
            await done(*made)
            old = building.store.log.epoch
        shutil.copytree(folder, tmp_path / "copy")
        async with life(folder, place, "cloud-1") as (building, made):
            for _ in range(5):
                await building.incident()
            await done(*made)
            before = await building.held("P0")
        async with life(tmp_path / "copy", place, "cloud-1") as (building, made):
            await building.incident()
            await until(lambda: building.told(EpochBegan))
            await done(*made)
            [began] = building.told(EpochBegan)
            assert (began.epoch, began.supersedes) == (building.store.log.epoch, old)
            assert "restored from an older copy" in began.reason
            assert building.told(OutletRefused) == []
            await building.incident()
            await done(*made)
            held = sent(before, await building.held("P0"))
        assert len(held) == 12
        assert await entries(at) == held
        assert await count(at, incident_table) == 12


async def test_a_relay_restored_from_yesterdays_backup_is_sent_what_it_lost(place: Place, tmp_path: Path) -> None:
    folder, data = tmp_path / "agent", place.folder / "cloud-1-data"
    async with rig(folder, gateway=GATEWAY) as building:
        [made] = outlets(building, place, "cloud-1")
        async with running(made):
            async with inside(place):
                await asyncio.gather(*(building.incident() for _ in range(300)))
                for _ in range(20):
                    await building.door()
                await done(made)
            shutil.copytree(data, tmp_path / "backup")
            async with inside(place) as at:
                await asyncio.gather(*(building.incident() for _ in range(1500)))
                await building.still(b"picture")
                await building.door()
                await done(made)
                whole, notices = await entries(at), await count(at, notice)
            shutil.rmtree(data)
            shutil.copytree(tmp_path / "backup", data)
            await building.incident()
            async with inside(place) as at:
                await done(made)
                after = await entries(at)
                assert {name: after[name] for name in whole} == whole
                assert len(after) == 1801 == len(sent(await building.held("P0")))
                assert await count(at, incident_table) == 1801
                await done(made)
                here = -1
                async with asyncio.timeout(20):
                    while here != sum(building.store.log.head(lane).seq for lane in wire.LANES):
                        here = await count(at, record)  # what is outside the building is told a moment later
                assert await count(at, notice) == notices
            assert building.told(OutletRefused) == building.told(EpochBegan) == []


@pytest.mark.parametrize("guarded", [True, False], ids=["as it is", "without the safeguard"])
async def test_a_backup_from_before_an_epoch_is_filled_up_under_the_old_name(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, guarded: bool
) -> None:
    """The relay acknowledged records that stayed in the old epoch, and lost them: they are no part of ours any more."""
    if not guarded:

        async def forget(self: Former, client: object, before: object) -> None:
            pass

        monkeypatch.setattr(Former, "complete", forget)
    folder, data = tmp_path / "agent", place.folder / "cloud-1-data"
    async with rig(folder, gateway=GATEWAY) as building:
        [made] = outlets(building, place, "cloud-1")
        store = building.store
        succession = Succession(
            database=store.database, log=store.log, outlets=["cloud-1"], intake=building.intake, clock=building.clock
        )
        async with running(made):
            async with inside(place):
                for _ in range(4):
                    await building.incident()
                await done(made)
            shutil.copytree(data, tmp_path / "backup")
            async with inside(place) as at:
                for _ in range(5):
                    await building.incident()
                    await building.door()
                await done(made)
                while await store.cursors.acknowledged("cloud-1", "P0") < store.log.head("P0").seq:
                    await asyncio.sleep(0.01)  # what is not known to be there would move to the new epoch
                before = await building.held("P0")
                assert await succession.begin(differs=store.log.epoch, reason="a test")
                await building.incident()
                await done(made)
                whole = await entries(at)
            shutil.rmtree(data)
            shutil.copytree(tmp_path / "backup", data)
            async with inside(place) as at:
                await building.incident()
                await done(made)
                after = await entries(at)
            assert len(whole) == 10
            if not guarded:
                assert len(whole.keys() - after.keys()) == 5  # what this test can see
                return
            assert {name: after[name] for name in whole} == whole
            assert after == sent(before, await building.held("P0"))
            assert building.told(OutletRefused) == []


async def test_two_relays_at_once_make_one_new_epoch(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "agent"
    second = place.configure(relay="cloud-2")
    async with inside(place) as one, inside(place, second) as two:
        async with life(folder, place, "cloud-1", "cloud-2") as (building, made):
            await building.incident()
            await done(*made)
        shutil.copytree(folder, tmp_path / "copy")
        async with life(folder, place, "cloud-1", "cloud-2") as (building, made):
            for _ in range(3):
                await building.incident()
            await done(*made)
            before = await building.held("P0")
        async with life(tmp_path / "copy", place, "cloud-1", "cloud-2") as (building, made):
            for _ in range(2):
                await building.incident()
            await until(lambda: building.told(EpochBegan))
            await done(*made)
            assert len(building.told(EpochBegan)) == 1
            held = sent(before, await building.held("P0"))
        assert await entries(one) == await entries(two) == held
        assert len(held) == 6


async def test_a_second_conflict_within_the_hour_is_refused_and_told(place: Place, tmp_path: Path) -> None:
    """As when two machines have one identity: neither wins by being louder."""
    folder = tmp_path / "agent"
    async with inside(place) as at:
        async with life(folder, place, "cloud-1") as (building, made):
            await building.incident()
            await done(*made)
        shutil.copytree(folder, tmp_path / "clone")
        async with life(folder, place, "cloud-1") as (building, made):
            await building.incident()
            await done(*made)
            async with life(tmp_path / "clone", place, "cloud-1") as (clone, cloned):
                await clone.incident()
                await until(lambda: clone.told(EpochBegan))
                await done(*cloned)
                await building.incident()
                await until(lambda: building.told(EpochBegan))
                await done(*made)
                await clone.incident()
                await until(lambda: clone.told(OutletRefused))
                assert "once an hour" in clone.told(OutletRefused)[0].reason
                assert len(clone.told(EpochBegan)) == 1
                held = sent(await building.held("P0"))
        have = await entries(at)
        assert {name: have[name] for name in held} == held


async def test_a_store_without_a_common_past_is_refused(place: Place, tmp_path: Path) -> None:
    async with inside(place) as at:
        async with life(tmp_path / "agent", place, "cloud-1") as (building, made):
            await building.incident()
            await done(*made)
            held = sent(await building.held("P0"))
        async with life(tmp_path / "other", place, "cloud-1") as (stranger, _):
            await stranger.incident()
            await until(lambda: stranger.told(OutletRefused))
            assert "another log" in stranger.told(OutletRefused)[0].reason
            assert stranger.told(EpochBegan) == []
        assert await entries(at) == held
