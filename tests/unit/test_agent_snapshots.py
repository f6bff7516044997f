"""Engine states in the log: the newest good one is used, and enough of them are kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from agent.store import snapshots
from agent.store.log import Row
from agent.store.opening import Store, open_store
from rules import ids

DAY = 86_400_000_000


async def save(store: Store, n: int, *, wall: int) -> None:
    row = Row(
        id=ids.derived(n), kind="boot", lane=None, gt=n, wall=wall, clock="synced", data=b"{}", is_input=n % 2 == 0
    )
    async with store.database.transaction() as transaction:
        await store.log.append(transaction, [row])
        await snapshots.save(transaction, data=b"state %d" % n, site_sha256="s", wall=wall)
    store.log.committed()


async def kept(store: Store) -> list[int]:
    return [row[0] for row in await store.database.read("SELECT pos FROM snapshot ORDER BY pos")]


async def test_the_newest_two_are_kept_and_the_last_of_each_day(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "log.db", gateway="gw-1")
    try:
        for n, wall in enumerate([DAY, DAY + 1, DAY + 2, 2 * DAY, 2 * DAY + 9, 3 * DAY, 3 * DAY + 1, 3 * DAY + 2], 1):
            await save(store, n, wall=wall)
        assert await kept(store) == [3, 5, 7, 8]
        await save(store, 9, wall=0)  # the wall clock fell back: the newest two are by position
        assert 8 in await kept(store)
        assert 9 in await kept(store)
        assert [row async for row in snapshots.inputs_after(store.database, 5)] == [b"{}"] * 2
    finally:
        await store.database.close()


async def test_a_damaged_one_or_one_of_another_engine_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.db"
    store = await open_store(path, gateway="gw-1")
    for n in range(1, 6):
        await save(store, n, wall=n * DAY)
    await store.database.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE snapshot SET data = ? WHERE pos = 5", (b"state 6",))
    connection.execute("UPDATE snapshot SET engine_version = 99 WHERE pos = 4")
    connection.commit()
    connection.close()
    store = await open_store(path, gateway="gw-1")
    found = [snapshot async for snapshot in snapshots.good(store.database)]
    assert [(snapshot.pos, snapshot.data) for snapshot in found] == [(3, b"state 3"), (2, b"state 2"), (1, b"state 1")]
    await store.database.close()
