"""A damaged log gets back from a real relay what it lost: the same bytes, in their places, checked by its own chain."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from agent.outlets.peer import Peer
from agent.outlets.refill import Refill
from agent.store.opening import Store
from agent.store.rescue import open_or_rescue
from relay.store.schema import record as record_table
from rules.events import StoreRefilled
from tests.integration.outlet_rig import Rig, rig, running, until
from tests.integration.relay_rig import Place, Running, inside

GATEWAY = "gw-1"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.found(tmp_path)


def socket_of(at: Running) -> Path:
    return Path(at._address("gateways", unix=True).host)


async def deliver(folder: Path, at: Running) -> tuple[str, list[tuple[Any, ...]]]:
    """A log with everything at the relay; its epoch and its rows."""
    async with rig(folder, gateway=GATEWAY) as building:
        outlet = building.outlet("cloud", socket_of(at))
        async with running(outlet):
            for n in range(120):
                await building.door(device=f"door-{n}")
                if n % 10 == 0:
                    await building.incident()
            await until(lambda: building.store.log.head("P1").seq >= 120 and outlet.state.behind == 0)
        rows = await building.store.database.read(
            "SELECT pos, epoch, lane, seq, id, kind, gt, wall, clock, chain, bytes FROM log ORDER BY pos"
        )
        return building.store.epoch, [tuple(row) for row in rows]


def lose_rows(path: Path, where: str) -> int:
    """Rows that a lost page took with it, so that the log has to be rescued."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        lost = connection.execute(f"DELETE FROM log WHERE {where}").rowcount
    with path.open("r+b") as file:
        file.write(bytes(16))
    return lost


@contextlib.asynccontextmanager
async def rescued(folder: Path) -> AsyncIterator[Store]:
    store = await open_or_rescue(folder / "log.db", gateway=GATEWAY, outlets=["cloud"])
    await store.database.close()
    yield store


def refill(building: Rig, *sockets: Path) -> Refill:
    return Refill(
        peers=[Peer.of(name=f"cloud-{n}", url=None, identity=None, socket=at) for n, at in enumerate(sockets)],
        database=building.store.database,
        log=building.store.log,
        intake=building.intake,
        clock=building.clock,
        look=0.05,
        pause=0.0,
    )


async def old_rows(building: Rig, epoch: str) -> list[tuple[Any, ...]]:
    rows = await building.store.database.read(
        "SELECT pos, epoch, lane, seq, id, kind, gt, wall, clock, chain, bytes FROM log WHERE epoch = ? ORDER BY pos",
        (epoch,),
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize(
    "where",
    ["pos BETWEEN 40 AND 70", "pos > 100", "pos < 30", "pos BETWEEN 20 AND 25 OR pos BETWEEN 90 AND 95", "1"],
    ids=["middle", "end", "beginning", "two holes", "everything"],
)
async def test_what_was_lost_comes_back(tmp_path: Path, place: Place, where: str) -> None:
    folder = tmp_path / "agent"
    async with inside(place) as relay:
        epoch, before = await deliver(folder, relay)
        lost = lose_rows(folder / "log.db", where)
        assert lost
        async with rescued(folder), rig(folder, gateway=GATEWAY) as building:
            assert len(await old_rows(building, epoch)) == len(before) - lost
            async with running(refill(building, socket_of(relay))):
                await until(lambda: building.told(StoreRefilled))
            (told,) = building.told(StoreRefilled)
            assert (told.outlet, told.rows, told.missing) == ("cloud-0", lost, 0)
            back = await old_rows(building, epoch)
            assert [row[1:] for row in sorted(back, key=lambda row: (row[2], row[3]))] == [
                row[1:] for row in sorted(before, key=lambda row: (row[2], row[3]))
            ], "the same bytes with the same hashes"
            if where != "1":
                assert back == before, "and each in the place it had"
            assert await building.store.database.read("SELECT 1 FROM log WHERE epoch = ? AND input = 1", (epoch,)) or (
                where == "1"
            )
            again = await building.store.database.read("SELECT * FROM missing WHERE until IS NOT NULL")
            assert again == []
            await building.store.log.verify(0)


async def test_a_changed_record_behind_the_hole_is_mended(tmp_path: Path, place: Place) -> None:
    """With nothing before it its chain says nothing; what comes back does."""
    folder = tmp_path / "agent"
    async with inside(place) as relay:
        epoch, before = await deliver(folder, relay)
        behind = next(row for row in before if row[0] > 70 and row[2] == "P1")
        with contextlib.closing(sqlite3.connect(folder / "log.db")) as connection, connection:
            spoilt = behind[10].replace(b"door-", b"d00r-")
            assert spoilt != behind[10]
            connection.execute("UPDATE log SET bytes = ? WHERE pos = ?", (spoilt, behind[0]))
        lost = lose_rows(folder / "log.db", "pos BETWEEN 40 AND 70")
        async with rescued(folder), rig(folder, gateway=GATEWAY) as building:
            assert spoilt in {row[10] for row in await old_rows(building, epoch)}
            async with running(refill(building, socket_of(relay))):
                await until(lambda: building.told(StoreRefilled))
            assert building.told(StoreRefilled)[0].rows == lost
            assert await old_rows(building, epoch) == before


async def test_what_a_relay_changed_is_not_taken(tmp_path: Path, place: Place) -> None:
    folder = tmp_path / "agent"
    async with inside(place) as relay:
        epoch, before = await deliver(folder, relay)
        lost = lose_rows(folder / "log.db", "pos BETWEEN 40 AND 70")
        assert relay.relay is not None
        async with relay.relay.db.write() as connection:
            rows = (await connection.execute(record_table.select())).all()
            for row in rows:
                await connection.execute(
                    record_table.update()
                    .where(record_table.c.lane == row.lane, record_table.c.seq == row.seq)
                    .values(data=row.data.replace(b"door-5", b"door-6"))
                )
        async with rescued(folder), rig(folder, gateway=GATEWAY) as building:
            async with running(refill(building, socket_of(relay))):
                await until_gap(building)
            now = {row[4]: row[10] for row in await old_rows(building, epoch)}
            assert now.items() <= {row[4]: row[10] for row in before}.items(), "no other bytes than there were"
            assert len(now) < len(before)
            gaps = await building.store.database.read("SELECT sum(count), min(reason) FROM log_gap")
            assert 0 < gaps[0][0] <= lost
            assert gaps[0][1] == "lost with a damaged file, and no relay has it"


async def until_gap(building: Rig) -> None:
    import asyncio

    async with asyncio.timeout(10):
        while not await building.store.database.read("SELECT 1 FROM log_gap"):
            await asyncio.sleep(0.01)
