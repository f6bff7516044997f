"""A new epoch: what every outlet has stays, what one may lack travels again with the same bytes, and a crash anywhere
in between is gone on with."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from agent.errors import StoreError
from agent.store import epochs
from agent.store.log import Row
from agent.store.opening import Store, open_store
from rules import ids, wire


def row(n: int, lane: str | None = "P1") -> Row:
    return Row(
        id=ids.derived("row", n),
        kind="boot",
        lane=lane,
        gt=n,
        wall=n,
        clock="synced",
        data=b'{"n":%d}' % n,
        is_input=True,
    )


async def append(store: Store, *rows: Row) -> None:
    async with store.database.transaction() as transaction:
        await store.log.append(transaction, rows)
    store.log.committed()


async def opened(path: Path) -> Store:
    return await open_store(path / "log.db", gateway="gw-1")


async def begin(store: Store, *outlets: str, reason: str = "a test") -> epochs.Epoch:
    return await epochs.begin(
        database=store.database, log=store.log, outlets=outlets, cause="conflict", reason=reason, wall=7
    )


async def numbered(store: Store, lane: str) -> list[tuple[int, bytes]]:
    return [(each.seq, each.data) for each in await store.log.after(lane, 0, limit=10_000, max_bytes=1 << 30)]


async def sound(store: Store) -> None:
    """Every record of the current epoch follows from the one before, and the file says the same as memory."""
    for lane in ("P0", "P1", "P2", "P4"):
        chain = hashlib.sha256(f"nightporter/1|gw-1|{store.log.epoch}|{lane}".encode()).digest()
        seq = 0
        for kept in await store.log.after(lane, 0, limit=10_000, max_bytes=1 << 30):
            seq, chain = seq + 1, hashlib.sha256(chain + kept.data).digest()
            assert (kept.seq, kept.chain) == (seq, chain)
        assert (store.log.head(lane).seq, store.log.head(lane).chain) == (seq, chain)
    await store.log.load()
    await store.log.verify(0)


async def test_what_an_outlet_lacks_moves_and_the_rest_stays(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    old = store.epoch
    try:
        await append(store, *(row(n, ("P0", "P1", None)[n % 3]) for n in range(30)))
        before = await store.database.read("SELECT pos, id, bytes, input FROM log ORDER BY pos")
        await store.cursors.acknowledge("cloud", "P0", 10)
        await store.cursors.acknowledge("cloud", "P1", 7)
        await store.cursors.acknowledge("box", "P1", 4)
        await store.cursors.acknowledge("box", "P0", 10)
        waiter = store.log.follow()
        epoch = await begin(store, "cloud", "box")
        assert (epoch.supersedes, store.log.epoch) == (old, epoch.epoch)
        assert waiter.is_set(), "followers are woken"
        assert await numbered(store, "P0") == []
        assert await numbered(store, "P1") == [(n, b'{"n":%d}' % (3 * (n + 3) + 1)) for n in range(1, 7)]
        assert await store.database.read("SELECT pos, id, bytes, input FROM log ORDER BY pos") == before
        assert await store.cursors.acknowledged("cloud", "P1") == 0
        kept = await store.database.read("SELECT lane, max(seq) FROM log WHERE epoch = ? GROUP BY lane", (old,))
        assert sorted(tuple(each) for each in kept if each[0]) == [("P0", 10), ("P1", 4)]
        await append(store, row(100), row(101, "P0"))
        assert (await numbered(store, "P1"))[-1] == (7, b'{"n":100}')
        await sound(store)
    finally:
        await store.database.close()
    again = await opened(tmp_path)
    assert again.epoch == epoch.epoch
    await sound(again)
    await again.database.close()


@pytest.mark.parametrize(("outlets", "moves"), [((), 0), (("new",), 20)])
async def test_an_outlet_that_has_nothing_gets_all_and_without_outlets_nothing_moves(
    tmp_path: Path, outlets: tuple[str, ...], moves: int
) -> None:
    store = await opened(tmp_path)
    try:
        await append(store, *(row(n) for n in range(20)))
        await begin(store, *outlets)
        assert store.log.head("P1").seq == moves
        await sound(store)
    finally:
        await store.database.close()


async def test_a_gap_goes_with_the_records_around_it(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    old = store.epoch
    try:
        await append(store, *(row(n) for n in range(10)))
        async with store.database.transaction() as transaction:
            at_six = await store.log.chain_at("P1", 6)
            await transaction.execute_fetchall("DELETE FROM log WHERE seq BETWEEN 4 AND 6")
            await transaction.execute_fetchall(
                "INSERT INTO log_gap (epoch, lane, since, until, count, reason, chain)"
                " VALUES (?, 'P1', 4, 6, 3, 'r', ?)",
                (old, at_six),
            )
        await store.cursors.acknowledge("cloud", "P1", 2)
        await begin(store, "cloud")
        gaps = await store.database.read("SELECT epoch, since, until, count, reason FROM log_gap")
        assert [tuple(gap) for gap in gaps] == [(store.log.epoch, 2, 4, 3, "r")]
        rows = await store.database.read("SELECT seq FROM log WHERE epoch = ? ORDER BY seq", (store.log.epoch,))
        assert [each[0] for each in rows] == [1, 5, 6, 7, 8]
        gap_chain = (await store.database.read("SELECT chain FROM log_gap"))[0][0]
        five = (await store.database.read("SELECT bytes, chain FROM log WHERE seq = 5 AND epoch <> ?", (old,)))[0]
        assert wire.chain_next(gap_chain, five[0]) == five[1]
        await store.log.load()
        await store.log.verify(0)
    finally:
        await store.database.close()


@pytest.mark.parametrize("dies_after", range(6))
async def test_a_crash_between_two_slices_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_after: int
) -> None:
    monkeypatch.setattr(epochs, "SLICE", 10)
    store = await opened(tmp_path)
    old = store.epoch
    await append(store, *(row(n, ("P0", "P1")[n % 2]) for n in range(45)))
    begun = store.database.transaction
    left = dies_after

    def transaction() -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise StoreError("the power is gone")
        return begun()

    monkeypatch.setattr(store.database, "transaction", transaction)
    with pytest.raises(StoreError, match="the power"):
        await begin(store, "cloud")
    if dies_after:
        with pytest.raises(StoreError, match="moving to a new epoch"):
            await store.log.after("P1", 0, limit=1, max_bytes=1)
        with pytest.raises(StoreError, match="has to be read anew"):
            await store.log.append(None, [row(99)])  # type: ignore[arg-type]
    await store.database.close()
    monkeypatch.undo()
    again = await opened(tmp_path)
    try:
        assert (again.epoch == old) is (dies_after == 0)
        assert len(await numbered(again, "P0")) + len(await numbered(again, "P1")) == 45
        assert [each.supersedes for each in await epochs.lineage(again.database)] == ([old] if dies_after else [])
        await append(again, row(99))
        await sound(again)
    finally:
        await again.database.close()


async def test_the_pipeline_appends_between_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(epochs, "SLICE", 7)
    store = await opened(tmp_path)
    try:
        await append(store, *(row(n) for n in range(60)))
        n = 60
        begins = asyncio.create_task(begin(store, "cloud"))
        while not begins.done():
            await append(store, row(n))
            n += 1
            await asyncio.sleep(0)
        assert n > 62
        await append(store, row(n))
        assert [data for _, data in await numbered(store, "P1")] == [b'{"n":%d}' % each for each in range(n + 1)]
        await sound(store)
    finally:
        await store.database.close()


@pytest.mark.parametrize("turns", range(14))
async def test_cancelled_anywhere_memory_and_file_agree(tmp_path: Path, turns: int) -> None:
    store = await opened(tmp_path)
    try:
        await append(store, *(row(n) for n in range(5)))
        task = asyncio.create_task(begin(store, "cloud"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        in_file = (await store.database.read("SELECT value FROM meta WHERE name = 'epoch'"))[0][0]
        assert store.log.epoch == in_file
        await append(store, row(9))
        await sound(store)
    finally:
        await store.database.close()


async def test_the_lineage_is_the_newest_first_and_only_what_led_here(tmp_path: Path) -> None:
    store = await opened(tmp_path)
    try:
        first = store.epoch
        second = await begin(store, reason="one")
        third = await begin(store, reason="two")
        async with store.database.transaction() as transaction:
            await transaction.execute_fetchall("INSERT INTO epoch VALUES ('x', 'y', 'conflict', 'z', 1, 0)")
        found = await epochs.lineage(store.database)
        assert [(each.epoch, each.supersedes, each.reason) for each in found] == [
            (third.epoch, second.epoch, "two"),
            (second.epoch, first, "one"),
        ]
    finally:
        await store.database.close()
