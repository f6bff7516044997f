"""A gateway asks for its own records again: exact bytes, holes said to be holes, and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete

from relay.store.schema import record
from rules import wire
from tests.integration.relay_rig import Gateway, Place, contact, inside


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.found(tmp_path)


async def ask(gateway: Gateway, lane: str = "P1", **query: object) -> wire.KeptRecords:
    asked = {"epoch": gateway.epoch, "after": 0, "limit": 500} | query
    answer = await gateway.http.get(f"/v1/lanes/{lane}/records", params=asked)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return wire.read_kept(answer.content)


async def test_exact_bytes_in_pages_with_holes_named(place: Place) -> None:
    async with inside(place) as running, running.gateway() as gateway:
        account = await gateway.deliver("P1", *(contact(n % 2 == 0) for n in range(20)))
        whole = await ask(gateway)
        assert [data for _, data in whole.records] == account.records
        assert [seq for seq, _ in whole.records] == list(range(1, 21))
        assert whole.header.until == 20
        page = await ask(gateway, after=5, limit=3)
        assert page.records == tuple((n, account.records[n - 1]) for n in (6, 7, 8))
        assert running.relay is not None
        async with running.relay.db.write() as connection:
            await connection.execute(delete(record).where(record.c.seq.in_((1, 2, 9))))
        holes = await ask(gateway)
        assert [seq for seq, _ in holes.records] == [n for n in range(3, 21) if n != 9]
        assert all(data == account.records[seq - 1] for seq, data in holes.records)
        assert (await ask(gateway, after=20)).records == ()
        assert (await ask(gateway, epoch="never-heard-of")).header.until == 0


async def test_nobody_elses(place: Place) -> None:
    async with inside(place) as running, running.gateway() as gateway, running.gateway("gw-2") as other:
        await gateway.deliver("P1", contact(True))
        other.epoch = gateway.epoch
        found = await ask(other)
        assert (found.header.gateway, found.records, found.header.until) == ("gw-2", (), 0)
        assert running.relay is not None
        async with running.relay.db.write() as connection:
            from relay.store.schema import gateway as table

            await connection.execute(table.update().where(table.c.id == "gw-1").values(status="locked"))
        refused = await gateway.http.get("/v1/lanes/P1/records", params={"epoch": gateway.epoch})
        assert refused.status_code == 403


@pytest.mark.parametrize(
    ("lane", "query", "status"),
    [
        ("P7", {"epoch": "e"}, 404),
        ("P1", {}, 400),
        ("P1", {"epoch": "a/b"}, 400),
        ("P1", {"epoch": "e", "after": "-1"}, 400),
        ("P1", {"epoch": "e", "after": "1" * 30}, 400),
        ("P1", {"epoch": "e", "limit": "0"}, 400),
        ("P1", {"epoch": "e", "limit": "501"}, 400),
    ],
)
async def test_rubbish(place: Place, lane: str, query: dict[str, str], status: int) -> None:
    async with inside(place) as running, running.gateway() as gateway:
        answer = await gateway.http.get(f"/v1/lanes/{lane}/records", params=query)
        assert answer.status_code == status, answer.text
        assert answer.json()["detail"]
