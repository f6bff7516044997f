"""A damaged log is rescued row by row, under a new epoch, and nothing of it is thrown away."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import ConfigError, StoreDamaged, StoreError
from agent.store import sites
from agent.store.log import Row
from agent.store.opening import Store, open_store
from agent.store.rescue import open_or_rescue
from agent.store.salvage import salvage
from agent.store.sites import SiteVersion
from agent.store.witness import keep_site
from rules import ids, wire
from rules.events import ContactOpened

PAGE = 4096
SITE = SiteVersion(1, sites.digest("site: {}"), "site: {}", "installer", "first")


def row(n: int, lane: str | None = "P1") -> Row:
    fact = ContactOpened(id=ids.derived("row", n), gt=n, wall=n * 1000, clock="synced", device=f"door-{n}", n=n)
    return Row(
        id=fact.id,
        kind=fact.kind,
        lane=lane,
        gt=n,
        wall=n * 1000,
        clock="synced",
        data=wire.encode(fact),
        is_input=True,
    )


async def append(store: Store, *rows: Row) -> None:
    async with store.database.transaction() as transaction:
        await store.log.append(transaction, rows)
    store.log.committed()


async def made(folder: Path, count: int = 600) -> Path:
    """A store that was killed: the first half is in the file, the rest in the WAL."""
    folder.mkdir(exist_ok=True)
    path = folder / "log.db"
    store = await open_store(path, gateway="gw-1")
    async with store.database.transaction() as transaction:
        await sites.add(transaction, SITE, wall=1)
    for n in range(0, count, 10):
        await append(store, *(row(k, ("P0", "P1", None)[k % 3]) for k in range(n, n + 10)))
        if n == count // 20 * 10:
            await store.database.reopen()
    await store.cursors.acknowledge("cloud", "P1", 100)
    killed = folder / "killed"
    killed.mkdir()
    for file in folder.iterdir():
        if file.is_file() and not file.name.endswith("-shm"):
            shutil.copy(file, killed / file.name)
    await store.database.close()
    return killed / "log.db"


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asyncio.run(made(tmp_path_factory.mktemp("golden") / "data")).parent


@pytest.fixture
def path(golden: Path, tmp_path: Path) -> Path:
    shutil.copytree(golden, tmp_path / "data")
    return tmp_path / "data" / "log.db"


def wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def contents(path: Path) -> dict[str, bytes]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    found = dict(connection.execute("SELECT id, bytes FROM log WHERE kind <> 'log.gap'").fetchall())
    connection.close()
    return found


def everything() -> dict[str, bytes]:
    return {each.id: each.data for each in map(row, range(600))}


async def rescued(path: Path) -> Store:
    return await open_or_rescue(path, gateway="gw-1", outlets=["cloud"])


async def facts(store: Store) -> tuple[str, int, int | None, str]:
    found = await store.database.read("SELECT reason, rows, missing, kept FROM salvage")
    assert len(found) == 1, "it was rescued once"
    return tuple(found[0])


def zero_page(n: int) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        with path.open("r+b") as file:
            file.seek((n - 1) * PAGE)
            file.write(bytes(PAGE))

    return damage


def lose_wal(path: Path) -> None:
    wal(path).unlink()


def cut_wal(path: Path) -> None:
    os.truncate(wal(path), wal(path).stat().st_size // 2)


def flip_in_wal(path: Path) -> None:
    with wal(path).open("r+b") as file:
        file.seek(wal(path).stat().st_size // 3)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 4]))


def lose_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\0" * 100)


async def test_a_sound_store_is_just_opened(path: Path) -> None:
    store = await rescued(path)
    try:
        assert await store.database.read("SELECT * FROM salvage") == []
        assert contents(path) == everything()
    finally:
        await store.database.close()


@pytest.mark.parametrize("damage", [zero_page(1), lose_header])
async def test_without_its_first_page_every_row_is_found(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    before = path.read_bytes()
    store = await rescued(path)
    try:
        reason, rows, missing, kept = await facts(store)
        assert "header" in reason
        assert (rows, missing) == (600, 0)
        assert contents(path) == everything()
        assert path.with_name(kept).read_bytes() == before, "the damaged file is kept as it was"
        assert wal(path.with_name(kept)).exists()
        found = await sites.newest(store.database)
        assert found == SITE
        await store.log.verify(0)
    finally:
        await store.database.close()


async def test_a_lost_page_costs_its_own_rows_and_no_others(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'log'").fetchone()
    connection.close()  # and with it the WAL goes into the file
    zero_page(root)(path)
    store = await rescued(path)
    try:
        assert contents(path) == everything(), "only the page above the rows was lost"
    finally:
        await store.database.close()


@pytest.mark.parametrize("damage", [lose_wal, cut_wal, flip_in_wal])
async def test_what_only_the_wal_had_is_missed_and_counted(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    store = await rescued(path)
    try:
        _, rows, missing, _ = await facts(store)
        found = contents(path)
        assert len(found) == rows
        assert found.items() <= everything().items()
        lost = [name for name in everything() if name not in found]
        in_lanes = [name for name in lost if name not in {row(n).id for n in range(2, 600, 3)}]
        assert missing == len(in_lanes)
        assert (missing > 0) is (damage is not flip_in_wal) or missing < 30
        await append(store, row(1000))
        await store.log.verify(0)
        ranges = await store.database.read("SELECT lane, since, until FROM missing WHERE until IS NULL ORDER BY lane")
        assert [each[0] for each in ranges] == ["P0", "P1", "P2", "P4"]
    finally:
        await store.database.close()


def change_a_record(path: Path) -> None:
    """Another digit in what one row says, as a flipped bit may leave it: still JSON, still its id and kind."""
    with sqlite3.connect(path) as connection:
        data = connection.execute("SELECT bytes FROM log WHERE gt = 100").fetchone()[0]
        connection.execute("UPDATE log SET bytes = ? WHERE gt = 100", (data.replace(b'"n":100', b'"n":101'),))
    connection.close()


async def test_a_flipped_bit_in_a_record_is_found_by_its_chain(path: Path) -> None:
    change_a_record(path)
    careful = salvage(path, gateway="gw-1", outlets=[], reason="r")
    assert (careful.rows, careful.missing) == (599, 1)
    assert everything().keys() - contents(path).keys() == {ids.derived("row", 100)}
    assert contents(path).items() <= everything().items()
    store = await rescued(path)
    try:
        ranges = await store.database.read("SELECT lane, since, until FROM missing WHERE until IS NOT NULL")
        assert [tuple(each) for each in ranges] == [("P1", 34, 34)]
    finally:
        await store.database.close()


@pytest.mark.parametrize(
    "other", ["lane = 'P2'", "epoch = substr(epoch, 1, 35) || CASE substr(epoch, -1) WHEN '0' THEN '1' ELSE '0' END"]
)
async def test_a_changed_record_does_not_found_a_lane_of_its_own(path: Path, other: str) -> None:
    """A second flipped bit, in its epoch or its lane, leaves it nothing to be compared with."""
    change_a_record(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA ignore_check_constraints=ON")
        connection.execute(f"UPDATE log SET {other} WHERE gt = 100")
    careful = salvage(path, gateway="gw-1", outlets=[], reason="r")
    assert (careful.rows, careful.missing) == (599, 1)
    assert contents(path).items() <= everything().items()


@pytest.mark.parametrize("other", ["seq = seq + 1", "lane = 'P0', seq = seq + 1"])
async def test_a_flipped_number_takes_nobodys_place(path: Path, other: str) -> None:
    """Row 100 is number 34 of lane P1, and row 102 number 35 of lane P0."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP INDEX log_transport")
        connection.execute(f"UPDATE log SET {other} WHERE gt = 100")
    assert salvage(path, gateway="gw-1", outlets=[], reason="r").rows == 599
    assert everything().keys() - contents(path).keys() == {ids.derived("row", 100)}


@pytest.mark.parametrize(
    ("said", "damaged"),
    [
        (b"value TEXT", b"valwe TEXT"),
        (b"    text    TEXT", b"    teyt    TEXT"),
        (b"CREATE TABLE meta", b"CRGATE TABLE meta"),
    ],
)
async def test_a_flipped_bit_in_the_schema_costs_no_table(path: Path, said: bytes, damaged: bytes) -> None:
    for file in (path, wal(path)):
        file.write_bytes(file.read_bytes().replace(said, damaged))
    lose_header(path)
    with pytest.raises(ConfigError, match="belongs to gateway gw-1"):
        salvage(path, gateway="gw-2", outlets=[], reason="r")
    assert salvage(path, gateway="gw-1", outlets=[], reason="r").rows == 600
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT text FROM site_document").fetchall() == [(SITE.text,)]
        assert connection.execute("SELECT seq FROM outlet_cursor WHERE lane = 'P1'").fetchall() == [(100,)]


async def test_without_its_check_the_changed_record_would_stay(path: Path) -> None:
    """The test of the test."""
    change_a_record(path)
    careless = salvage(path, gateway="gw-1", outlets=[], reason="r", check=False)
    assert (careless.rows, careless.missing) == (600, 0)
    assert contents(path) != everything()


@pytest.mark.parametrize("left", ["wal", "damaged", "nothing"])
async def test_a_log_that_is_gone_is_rescued_from_what_lies_beside_it(path: Path, left: str) -> None:
    keep_site(path, SITE)
    if left == "damaged":
        path.rename(path.with_name("log.db.damaged-20260101T000000Z"))
        wal(path).rename(path.with_name("log.db.damaged-20260101T000000Z-wal"))
    elif left == "wal":
        path.unlink()
    else:
        path.unlink()
        wal(path).unlink()
    store = await rescued(path)
    try:
        _, rows, missing, _ = await facts(store)
        if left == "damaged":
            assert (rows, missing) == (600, 0)
        elif left == "wal":
            assert rows > 200
        else:
            assert rows == 0
            assert missing == 400
        assert await sites.newest(store.database) == SITE
    finally:
        await store.database.close()


async def test_garbage_is_recovered_with_no_rows_and_kept(path: Path) -> None:
    keep_site(path, SITE)
    path.write_bytes(os.urandom(100_000))
    wal(path).unlink()
    store = await rescued(path)
    try:
        _, rows, missing, kept = await facts(store)
        assert (rows, missing) == (0, 400)
        assert path.with_name(kept).stat().st_size == 100_000
        assert await sites.newest(store.database) == SITE
    finally:
        await store.database.close()


async def test_an_older_copy_put_back_by_hand_begins_a_new_epoch(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(path.parent, copy)
    store = await open_store(path, gateway="gw-1")
    await append(store, *(row(n) for n in range(700, 720)))
    await store.database.close()
    shutil.copy(copy / "log.db", path)
    shutil.copy(wal(copy / "log.db"), wal(path))
    again = await rescued(path)
    try:
        reason, rows, missing, _ = await facts(again)
        assert "had been written" in reason
        assert (rows, missing) == (600, 20)
        assert again.epoch != store.epoch
    finally:
        await again.database.close()


async def test_what_may_be_somebody_elses_is_left_alone(path: Path) -> None:
    with pytest.raises(ConfigError, match="belongs to gateway gw-1"):
        await open_or_rescue(path, gateway="gw-2")
    zero_page(3)(path)
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="belongs to gateway gw-1"):
        await open_or_rescue(path, gateway="gw-2")
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*damaged*"))
    path.unlink()
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE songs (title)")
    other.commit()
    other.close()
    with pytest.raises(StoreDamaged, match="no log of Nightporter"):
        await open_or_rescue(path, gateway="gw-1")
    assert not list(path.parent.glob("*damaged*"))


async def test_without_room_nothing_is_touched(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_header(path)
    before = path.read_bytes()

    class Full:
        f_bavail, f_frsize = 1, 4096

    monkeypatch.setattr("os.statvfs", lambda _: Full)
    with pytest.raises(StoreError, match="no room to rescue"):
        await rescued(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("step", range(5))
async def test_a_crash_in_the_exchange_is_gone_on_with(path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    lose_header(path)
    real = Path.replace
    left = step

    def replace(self: Path, target: Path) -> Path:
        nonlocal left
        if left == 0:
            raise KeyboardInterrupt
        left -= 1
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    try:
        await asyncio.to_thread(salvage, path, gateway="gw-1", outlets=[], reason="r")
        assert step == 4
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    store = await rescued(path)
    try:
        _, rows, missing, _ = await facts(store)
        assert (rows, missing) == (600, 0)
        assert contents(path) == everything()
    finally:
        await store.database.close()
