"""What the log lets go of: old, acknowledged, not needed by a restart; a gap line in its place, a chain that holds."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.clock import Clock
from agent.config.store import StoreConfig
from agent.errors import StoreError
from agent.intake import Intake
from agent.store import pruning, snapshots
from agent.store.ballast import Ballast
from agent.store.log import Row
from agent.store.opening import Store, open_store
from agent.upkeep import Upkeep
from rules import ids, wire
from rules.events import LogPruned
from rules.state import ENGINE_VERSION
from rules.units import DAY
from tests.unit.agent_rig import rig

OLD, YOUNG = 10 * DAY, 99 * DAY
NOW = 100 * DAY
BOUNDS = {"keep": 30 * DAY, "keep_readings": 7 * DAY}


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "log.db", gateway="gw-1")
    yield opened
    await opened.database.close()


_made = 0


async def write(store: Store, lane: str | None, times: Sequence[int], *, kind: str = "boot") -> None:
    """One row for each gateway time."""
    global _made
    rows = []
    for gt in times:
        _made += 1
        rows.append(
            Row(
                id=ids.derived("row", _made),
                kind=kind,
                lane=lane,
                gt=gt,
                wall=gt,
                clock="synced",
                data=b'{"n":%d}' % _made,
                is_input=True,
            )
        )
    async with store.database.transaction() as transaction:
        await store.log.append(transaction, rows)
    store.log.committed()


async def state(store: Store, wall: int = 0) -> None:
    async with store.database.transaction() as transaction:
        await snapshots.save(transaction, data=b"state", site_sha256="s", wall=wall)


async def prune(store: Store, *outlets: str, now: int = NOW) -> list[pruning.Pruned]:
    """All that may go."""
    bounds = await pruning.bounds(store.database, now=now, **BOUNDS)
    gone = []
    for epoch, lane in await pruning.lanes(store.database):
        while pruned := await pruning.prune_lane(
            store.database, store.log, epoch=epoch, lane=lane, bounds=bounds, outlets=outlets
        ):
            gone.append(pruned)
    after = 0
    while True:
        _, until = await pruning.prune_local(store.database, after=after, bounds=bounds)
        if until == after:
            return gone
        after = until


async def left(store: Store, lane: str | None) -> list[int]:
    """Which records of a lane are there (seq); of no lane, which rows (pos)."""
    query = "SELECT pos FROM log WHERE lane IS NULL ORDER BY pos"
    if lane is not None:
        query = f"SELECT seq FROM log WHERE lane = '{lane}' ORDER BY seq"
    return [row[0] for row in await store.database.read(query)]


async def gaps(store: Store, lane: str) -> list[tuple[int, int]]:
    rows = await store.database.read("SELECT since, until FROM log_gap WHERE lane = ? ORDER BY since", (lane,))
    return [(row[0], row[1]) for row in rows]


async def test_old_records_that_every_outlet_has_leave_a_gap_and_the_chain_holds(store: Store) -> None:
    await write(store, "P1", [OLD] * 450)
    await write(store, None, [OLD] * 3)
    await write(store, "P1", [YOUNG] * 5)
    await state(store)
    await state_after(store, YOUNG)
    await store.cursors.acknowledge("cloud", "P1", 452)
    await store.cursors.acknowledge("box", "P1", 456)
    at_450, head = await store.log.chain_at("P1", 450), store.log.head("P1")
    await prune(store, "cloud", "box")
    assert await left(store, "P1") == [451, 452, 453, 454, 455, 456]
    assert await left(store, None) == []
    assert await gaps(store, "P1") == [(1, 450)], "three transactions, one line"
    assert await store.log.chain_at("P1", 450) == at_450
    assert await store.log.chain_at("P1", 449) is None
    assert await store.log.gone("P1", 449)
    assert not await store.log.gone("P1", 451)
    await store.log.verify(0)
    await store.log.load()
    assert store.log.head("P1") == head
    first, *records = await store.log.after("P1", 0, limit=100, max_bytes=10_000)
    assert first.gone
    line = wire.GapLine.parse(first.data).gap
    assert (line.since, line.to, line.count, line.reason) == (1, 450, 450, "older than records are kept")
    assert at_450 is not None
    assert line.chain == at_450.hex()
    chain = at_450
    for record in records:
        assert not record.gone
        chain = hashlib.sha256(chain + record.data).digest()
    assert chain == head.chain
    (within, *_) = await store.log.after("P1", 200, limit=100, max_bytes=10_000)
    clipped = wire.GapLine.parse(within.data).gap
    assert (clipped.since, clipped.to, clipped.count) == (201, 450, 250)
    assert (within.since, within.seq) == (201, 450)


async def state_after(store: Store, gt: int) -> None:
    """One more row, and a state after it: then what came before the last state but one may go."""
    await write(store, "P1", [gt])
    await state(store)


async def test_what_an_outlet_lacks_stays_except_readings(store: Store) -> None:
    for lane in ("P0", "P1", "P2", "P4"):
        await write(store, lane, [OLD] * 10)
    await state(store)
    await state_after(store, YOUNG)
    for lane in ("P0", "P1", "P2", "P4"):
        await store.cursors.acknowledge("cloud", lane, 10)
        await store.cursors.acknowledge("box", lane, 4)
    gone = await prune(store, "cloud", "box")
    for lane in ("P0", "P1", "P2"):
        assert (await left(store, lane))[:6] == [5, 6, 7, 8, 9, 10]
        assert await gaps(store, lane) == [(1, 4)]
    assert await left(store, "P4") == []
    assert await gaps(store, "P4") == [(1, 4), (5, 10)], "a gap ends where an outlet stands: its hash is known"
    assert await store.log.chain_at("P4", 4) is not None
    assert [(each.since, each.until, each.unsent) for each in gone if each.unsent] == [(5, 10, 6)]
    await store.log.load()  # a lane may have nothing left but its gap
    assert store.log.head("P4").seq == 10
    await write(store, "P4", [YOUNG])
    await store.log.verify(0)


async def test_an_outlet_that_never_was_there_keeps_everything_but_readings(store: Store) -> None:
    await write(store, "P1", [OLD] * 5)
    await write(store, "P4", [OLD] * 5)
    await state(store)
    await state_after(store, YOUNG)
    await store.cursors.acknowledge("cloud", "P1", 5)
    await prune(store, "cloud", "new")
    assert len(await left(store, "P1")) == 6
    assert await left(store, "P4") == []


async def test_nothing_goes_that_a_restart_may_need(store: Store) -> None:
    await write(store, "P1", [OLD] * 5)
    assert await prune(store) == [], "no state at all"
    await state(store)
    assert await prune(store) == [], "only one"
    await write(store, "P1", [OLD] * 5)
    await state(store)
    await write(store, "P1", [OLD] * 5)
    await prune(store)
    assert await left(store, "P1") == list(range(6, 16)), "up to the older of the two"


async def test_records_go_by_their_age_and_readings_by_theirs(store: Store) -> None:
    for days in (40, 20, 8, 6):
        for lane in ("P1", "P4", None):
            await write(store, lane, [NOW - days * DAY])
    await state(store)
    await state_after(store, YOUNG)
    await prune(store)
    assert await left(store, "P1") == [2, 3, 4, 5]
    assert await left(store, "P4") == [4]
    assert len(await left(store, None)) == 3


async def test_an_entry_with_its_makers_time_does_not_make_others_old_or_young(store: Store) -> None:
    await write(store, "P0", [YOUNG] * 3, kind="incident.noted")
    await write(store, "P1", [OLD] * 3)
    await write(store, "P0", [OLD] * 3, kind="incident.noted")
    await write(store, "P1", [YOUNG] * 3)
    await state(store)
    await state_after(store, YOUNG)
    await prune(store)
    assert await left(store, "P1") == [4, 5, 6, 7]
    assert await left(store, "P0") in ([4, 5, 6], []), "what stands between old and young may be either"


async def test_a_replaced_epoch_goes_by_age_alone(store: Store) -> None:
    await write(store, "P1", [OLD] * 5)
    await state(store)
    await state_after(store, YOUNG)
    async with store.database.transaction() as transaction:
        await transaction.execute_fetchall("UPDATE log SET epoch = 'before' WHERE seq <= 3 AND lane = 'P1'")
        await transaction.execute_fetchall(
            "INSERT INTO lane SELECT 'before', lane, seq, chain FROM log WHERE seq = 3 AND lane = 'P1'"
        )
    await prune(store, "cloud")
    assert await left(store, "P1") == [4, 5, 6], "the outlet has none of the new epoch's"


async def test_nothing_goes_while_records_move_to_a_new_epoch(store: Store) -> None:
    await write(store, "P1", [OLD] * 5)
    await state(store)
    await state_after(store, YOUNG)
    with store.log.being_renumbered(), pytest.raises(StoreError, match="move to a new epoch"):
        await prune(store)
    assert len(await left(store, "P1")) == 6


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.tuples(st.sampled_from(["P0", "P1", "P4", None]), st.integers(0, 9)), max_size=60),
    cursors=st.lists(st.integers(0, 30), max_size=3),
    times=st.lists(st.integers(0, 130), min_size=1, max_size=4),
)
async def test_whatever_goes_what_follows_reads_on(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[tuple[str | None, int]],
    cursors: list[int],
    times: list[int],
) -> None:
    """Any log, any cursors, pruned again and again: nothing unacknowledged but readings goes, every cursor can go on,
    and whoever reads from the beginning gets each number once, as a record or as gone, with the hash of its end."""
    store = await open_store(tmp_path_factory.mktemp("log") / "log.db", gateway="gw-1")
    try:
        gt = 0
        for lane, more in records:
            gt += more * DAY
            await write(store, lane, [gt])
            if more == 9:
                await state(store)
        await state(store)
        outlets = [f"o{n}" for n in range(len(cursors))]
        for name, seq in zip(outlets, cursors, strict=True):
            for lane in ("P0", "P1", "P4"):
                await store.cursors.acknowledge(name, lane, min(seq, store.log.head(lane).seq))
        heads = {lane: store.log.head(lane) for lane in ("P0", "P1", "P4")}
        before = {lane: set(await left(store, lane)) for lane in heads}
        chains = {(lane, seq): await store.log.chain_at(lane, seq) for lane, seqs in before.items() for seq in seqs}
        for days in sorted(times):
            await prune(store, *outlets, now=days * DAY)
        for lane, head in heads.items():
            reached = min((min(seq, head.seq) for seq in cursors), default=head.seq)
            if lane != "P4":
                assert {seq for seq in before[lane] if seq > reached} <= set(await left(store, lane))
            for seq in {0, *(min(each, head.seq) for each in cursors)}:
                chain, at = await store.log.chain_at(lane, seq), seq
                assert chain is not None, "every outlet can go on from where it stands"
                while page := await store.log.after(lane, at, limit=7, max_bytes=300):
                    for line in page:
                        assert line.since == at + 1
                        chain = line.chain if line.gone else wire.chain_next(chain, line.data)
                        assert chain == line.chain == chains[lane, line.seq]
                        at = line.seq
                assert at == head.seq
        await store.log.verify(0)
        await store.log.load()
        assert {lane: store.log.head(lane) for lane in heads} == heads
    finally:
        await store.database.close()


async def test_a_state_stays_as_long_as_a_row_after_it(store: Store) -> None:
    for day, lane in ((1, "P1"), (2, "P1"), (40, "P0"), (41, "P1"), (98, "P1"), (99, "P1"), (99, "P1")):
        await write(store, lane, [day * DAY])
        await state(store, wall=day * DAY)
    await store.cursors.acknowledge("cloud", "P1", 7)
    await prune(store, "cloud")
    while await pruning.prune_snapshots(store.database):
        pass
    kept = [row[0] for row in await store.database.read("SELECT pos FROM snapshot ORDER BY pos")]
    assert await left(store, "P0") == [1], "the outlet lacks it"
    assert kept == [2, 4, 5, 6, 7], "the night of that record has a state to begin from, and what came after it"


async def test_the_service_tells_what_had_not_reached_every_outlet(store: Store, tmp_path: Path) -> None:
    await write(store, "P4", [OLD] * 500)
    await write(store, "P1", [OLD] * 500)
    await state(store)
    await state_after(store, YOUNG)
    await store.cursors.acknowledge("cloud", "P4", 100)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    intake = Intake()
    upkeep = Upkeep(
        store=store, config=StoreConfig(), outlets=lambda: ["cloud"], intake=intake, pause=pause,
        clock=Clock.start(last_gt=NOW, off_time=0), ballast=Ballast(path=tmp_path / "log.ballast", size=0),
    )  # fmt: skip
    await upkeep.prune()
    (told,) = await intake.take(9)
    assert isinstance(told.fact, LogPruned)
    fact = told.fact
    assert (fact.of, fact.since, fact.until, fact.count, fact.unsent) == ("P4", 101, 500, 400, 400)
    assert len(await left(store, "P1")) == 501
    assert len(pauses) > 3, "each piece is followed by a pause"
    await upkeep.prune()
    assert not len(intake), "there was nothing more to tell"


async def test_after_an_upgrade_an_older_state_stands_for_what_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The siren was set on by a fact that has left the log; the only states are of the engine before this one."""
    async with rig(tmp_path, monkeypatch) as agent:
        async with agent.running():
            await agent.send(agent.contact(opened=True))
        await agent.pipeline.finish()
        assert agent.engine.state.levels, "the siren is on"
        opened = agent.store
        (newest,) = [row[0] for row in await opened.database.read("SELECT max(pos) FROM log")]
        bounds = pruning.Bounds(records=newest, readings=newest)
        for epoch, lane in await pruning.lanes(opened.database):
            await pruning.prune_lane(opened.database, opened.log, epoch=epoch, lane=lane, bounds=bounds, outlets=[])
        async with opened.database.transaction() as transaction:
            for pos, data in list(await transaction.execute_fetchall("SELECT pos, data FROM snapshot")):
                old = data.replace(b'"engine":%d' % ENGINE_VERSION, b'"engine":%d' % (ENGINE_VERSION - 1))
                assert old != data
                await transaction.execute_fetchall(
                    "UPDATE snapshot SET engine_version = ?, data = ?, sha256 = ? WHERE pos = ?",
                    (ENGINE_VERSION - 1, old, hashlib.sha256(old).digest(), pos),
                )
    async with rig(tmp_path, monkeypatch) as agent:
        assert agent.engine.state.levels, "it is on still"
        async with agent.store.database.transaction() as transaction:
            await transaction.execute_fetchall("DELETE FROM snapshot")
    async with rig(tmp_path, monkeypatch) as agent:
        assert not agent.engine.state.levels, "the test of the test: without a state it is forgotten"
