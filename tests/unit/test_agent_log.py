"""The log: seq without holes, a chain per lane, and heads that move only with a commit."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.errors import StoreDamaged, StoreError
from agent.store.log import Row
from agent.store.opening import Store, open_store
from rules import ids

LANES = ("P0", "P1", "P2", "P4")


def row(n: int, lane: str | None = "P1", *, data: bytes | None = None) -> Row:
    body = b'{"n":%d}' % n if data is None else data
    return Row(
        id=ids.derived("row", n), kind="boot", lane=lane, gt=n, wall=n, clock="synced", data=body, is_input=True
    )


async def append(store: Store, *rows: Row) -> None:
    async with store.database.transaction() as transaction:
        await store.log.append(transaction, rows)
    store.log.committed()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    groups=st.lists(st.lists(st.sampled_from([*LANES, None]), max_size=6), max_size=6),
    spoilt=st.sets(st.integers(0, 5)),
)
async def test_any_groups_some_rolled_back_give_gapless_chained_lanes(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[str | None]], spoilt: set[int]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    store = await open_store(folder / "log.db", gateway="gw-1")
    n = 0
    expected: dict[str, list[bytes]] = {lane: [] for lane in LANES}
    try:
        for number, lanes in enumerate(groups):
            rows = []
            for lane in lanes:
                n += 1
                rows.append(row(n, lane))
            if number in spoilt:
                before = {lane: store.log.head(lane) for lane in LANES}
                with pytest.raises(KeyError):  # noqa: PT012 - it is about the block
                    async with store.database.transaction() as transaction:
                        await store.log.append(transaction, rows)
                        raise KeyError
                assert {lane: store.log.head(lane) for lane in LANES} == before
                continue
            await append(store, *rows)
            for each in rows:
                if each.lane is not None:
                    expected[each.lane].append(each.data)
        for lane, bodies in expected.items():
            kept = await store.log.after(lane, 0, limit=1000, max_bytes=1 << 30)
            assert [each.data for each in kept] == bodies
            assert [each.seq for each in kept] == list(range(1, len(bodies) + 1))
            chain = hashlib.sha256(f"nightporter/1|gw-1|{store.epoch}|{lane}".encode()).digest()
            for record in kept:
                chain = hashlib.sha256(chain + record.data).digest()
                assert record.chain == chain
            assert store.log.head(lane).chain == chain
            assert await store.log.chain_at(lane, len(bodies)) == chain
            assert await store.log.chain_at(lane, len(bodies) + 1) is None
        await store.log.verify(0)
    finally:
        await store.database.close()
    again = await open_store(folder / "log.db", gateway="gw-1")
    assert {lane: again.log.head(lane).seq for lane in LANES} == {lane: len(rows) for lane, rows in expected.items()}
    await again.database.close()


async def test_a_fact_can_be_in_the_log_only_once(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "log.db", gateway="gw-1")
    try:
        await append(store, row(1))
        with pytest.raises(StoreError, match="UNIQUE"):
            await append(store, row(2), row(1))
        assert store.log.head("P1").seq == 1
        await append(store, row(2))
        many = [ids.derived("row", n) for n in range(1200)]
        assert await store.log.known(many) == {ids.derived("row", 1), ids.derived("row", 2)}
    finally:
        await store.database.close()


async def test_followers_are_woken_and_read_in_portions(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "log.db", gateway="gw-1")
    try:
        waiter = store.log.follow()
        await append(store, *(row(n, data=b'"%s"' % (b"x" * 100)) for n in range(5)))
        assert waiter.is_set()
        assert [each.seq for each in await store.log.after("P1", 0, limit=2, max_bytes=10_000)] == [1, 2]
        assert [each.seq for each in await store.log.after("P1", 2, limit=9, max_bytes=205)] == [3, 4]
        assert [each.seq for each in await store.log.after("P1", 2, limit=9, max_bytes=1)] == [3], "always one"
        store.log.unfollow(waiter)
        waiter.clear()
        await append(store, row(9))
        assert not waiter.is_set()
    finally:
        await store.database.close()


async def test_a_changed_byte_and_a_missing_end_are_found(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    store = await open_store(path, gateway="gw-1")
    await append(store, *(row(n) for n in range(5)))
    await store.database.close()
    connection = sqlite3.connect(path)
    connection.execute("UPDATE log SET bytes = ? WHERE seq = 3", (b'{"n":99}',))
    connection.commit()
    store = await open_store(path, gateway="gw-1")
    with pytest.raises(StoreDamaged, match=r"record 3 of lane P1 .* was changed after it was written"):
        await store.log.verify(0)
    await store.log.verify(3)
    await store.database.close()
    connection.execute("DELETE FROM log WHERE seq = 5")
    connection.commit()
    connection.close()
    with pytest.raises(StoreDamaged, match=r"lane P1 .* should end at record 5 and does not"):
        await open_store(path, gateway="gw-1")
