"""A data directory with a flipped bit, a lost page, a cut or missing file: two hundred times. The damage is noticed, at
the start or by the check that reads everything; whatever it did not touch is kept, byte for byte; nothing is ever
silently empty; and the building is guarded again.

What is judged: the records of the lanes, the site document, the snapshots. A flipped bit in a cursor or in a row that
stays home is not noticed by anybody; it costs a repetition, never a record."""

from __future__ import annotations

import asyncio
import json
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.errors import StoreBroken
from agent.recovery import restore
from agent.store import salvage as salvaging
from agent.store import sites
from agent.store.check import check
from agent.store.opening import Store
from agent.store.pages import Pages
from agent.store.rescue import open_or_rescue
from agent.store.salvage_rows import Stretch, judge, log_row
from agent.store.sites import SiteVersion
from agent.store.witness import keep_site
from hwlab.ports import free_port
from rules.document.site import load_site
from tests.integration.agent_process import SITE as REAL_SITE
from tests.integration.agent_process import Agent
from tests.unit.agent_rig import GATEWAY, SITE, rig

PAGE, FRAME = 4096, 4096 + 24


@dataclass
class Golden:
    """A store that was killed in the middle of its work, and what its pages hold."""

    folder: Path
    rows: dict[str, bytes]
    before: dict[str, str | None] = field(default_factory=dict)
    on_page: dict[int, set[str]] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        return self.folder / "log.db"

    @property
    def wal(self) -> Path:
        return self.folder / "log.db-wal"


async def _make(folder: Path) -> Golden:
    patch = pytest.MonkeyPatch()
    work, killed = folder / "work", folder / "killed"
    work.mkdir()
    killed.mkdir()
    document = SiteVersion(1, sites.digest(SITE), SITE, "installer", "first")
    async with rig(work, patch, sha256=document.sha256) as agent:
        async with agent.store.database.transaction() as transaction:
            await sites.add(transaction, document, wall=1)
        keep_site(agent.store.database.path, document)
        async with agent.running():
            for n in range(400):
                await agent.send(agent.contact(opened=n % 2 == 0, n=n))
                if n == 300:
                    await agent.store.database.reopen()
            await agent.store.cursors.acknowledge("cloud", "P1", 250)
        for file in work.iterdir():
            if file.name.startswith("log.") and not file.name.endswith("-shm"):
                shutil.copy(file, killed / file.name)
    patch.undo()
    golden = Golden(killed, lanes_of(killed / "log.db"))
    with closing(sqlite3.connect(f"file:{killed / 'log.db'}?mode=ro", uri=True)) as connection:
        query = "SELECT id, lag(id) OVER (PARTITION BY lane ORDER BY seq) FROM log WHERE lane IS NOT NULL"
        golden.before = dict(connection.execute(query).fetchall())
    pages = Pages(path=golden.log, wal=golden.wal).open()
    for number in range(1, pages.count + 1):
        seen = set(range(1, pages.count + 1)) - {number}
        for cell in pages.strays(seen):
            row = log_row(cell.key, cell.values or ())
            if row is not None and row[2] is not None:
                golden.on_page.setdefault(number, set()).add(str(row[4]))
    pages.close()
    for name in ("log.db", "log.db-wal"):  # reading through SQLite moved nothing: the copy is as it was
        assert (killed / name).stat().st_size > 40_000
    return golden


def lanes_of(path: Path) -> dict[str, bytes]:
    """Every record of a lane by its id; read from a copy, so that the files stay as they are."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return dict(connection.execute("SELECT id, bytes FROM log WHERE lane IS NOT NULL").fetchall())


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Golden:
    return asyncio.run(_make(tmp_path_factory.mktemp("golden")))


# --- what can happen to files ----------------------------------------------------------------------------------------

Damage = Callable[[Golden, Path, random.Random], set[int]]


def _flip(path: Path, at: int, chance: random.Random) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1 << chance.randrange(8)]))


def flip_in_file(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    at = chance.randrange((folder / "log.db").stat().st_size)
    _flip(folder / "log.db", at, chance)
    return {at // PAGE + 1}


def flips_in_file(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    return set().union(*(flip_in_file(golden, folder, chance) for _ in range(12)))


def flip_in_wal(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    at = chance.randrange((folder / "log.db-wal").stat().st_size)
    _flip(folder / "log.db-wal", at, chance)
    frame = max(0, at - 32) // FRAME
    return {page for n, page in enumerate(_frames(golden)) if n in (frame, frame + 1)}


def zero_page(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    return _overwrite(folder, chance, bytes(PAGE))


def garbage_page(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    return _overwrite(folder, chance, chance.randbytes(PAGE))


def _overwrite(folder: Path, chance: random.Random, data: bytes) -> set[int]:
    page = chance.randrange((folder / "log.db").stat().st_size // PAGE)
    with (folder / "log.db").open("r+b") as file:
        file.seek(page * PAGE)
        file.write(data)
    return {page + 1}


def swap_pages(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    path = folder / "log.db"
    whole = bytearray(path.read_bytes())
    one, two = (n * PAGE for n in chance.sample(range(1, len(whole) // PAGE), 2))
    whole[one : one + PAGE], whole[two : two + PAGE] = whole[two : two + PAGE], whole[one : one + PAGE]
    path.write_bytes(whole)
    return {one // PAGE + 1, two // PAGE + 1}


def cut_file(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    path = folder / "log.db"
    before, after = path.stat().st_size, chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.truncate(after)
    return set(range(after // PAGE + 1, before // PAGE + 1))


def cut_wal(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    path = folder / "log.db-wal"
    after = chance.randrange(path.stat().st_size)
    with path.open("r+b") as file:
        file.truncate(after)
    return set(_frames(golden)[max(0, after - 32) // FRAME :])


def lose_wal(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    (folder / "log.db-wal").unlink()
    return set(_frames(golden))


def lose_file(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    (folder / "log.db").unlink()
    return set(golden.on_page) - set(_frames(golden))


def lose_header(golden: Golden, folder: Path, chance: random.Random) -> set[int]:
    with (folder / "log.db").open("r+b") as file:
        file.write(chance.randbytes(chance.randrange(1, 100)))
    return {1}


def _frames(golden: Golden) -> list[int]:
    data = golden.wal.read_bytes()
    return [int.from_bytes(data[at : at + 4], "big") for at in range(32, len(data) - FRAME + 1, FRAME)]


DAMAGES: tuple[Damage, ...] = (
    flip_in_file,
    flips_in_file,
    flip_in_wal,
    zero_page,
    garbage_page,
    swap_pages,
    cut_file,
    cut_wal,
    lose_wal,
    lose_file,
    lose_header,
)


# --- the drill -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    rows: dict[str, bytes]
    noticed: bool
    told: int


async def _live(folder: Path) -> Outcome:
    """Start, have everything checked as an hour later, and start again if that found something."""
    noticed = False
    said: str | None = None
    broken: str | None = None
    told = 0
    for _ in range(3):
        store = await open_or_rescue(folder / "log.db", gateway=GATEWAY, outlets=["cloud"], broken=broken)
        broken = None
        try:
            told = len(await store.database.read("SELECT 1 FROM salvage"))
            await _ready(store)
            said = await check(folder / "log.db")
            noticed = noticed or bool(told) or said != "ok"
            async with store.database.transaction() as transaction:
                await transaction.execute_fetchall("INSERT OR REPLACE INTO meta VALUES ('checked_said', ?)", (said,))
        except StoreBroken as error:  # met by a reader: the agent has it rescued
            noticed, broken = True, str(error)
            continue
        finally:
            await store.database.close()
        if said == "ok":
            break
    assert said == "ok", f"what was rescued is not sound: {said}"
    return Outcome(lanes_of(folder / "log.db"), noticed, told)


async def _ready(store: Store) -> None:
    """Everything a start needs: the document, the engine, a place to write."""
    document = await sites.newest(store.database)
    assert document is not None, "the gateway does not know its doors"
    assert document.text == SITE
    await restore(store, site=load_site(SITE, "site"), site_sha256=document.sha256, gateway=GATEWAY)


def wrong(golden: Golden, found: Outcome, touched: set[int]) -> list[str]:
    """What is not as it must be."""
    complaints = []
    invented = {name for name, data in found.rows.items() if golden.rows.get(name) != data}
    # A record right behind a hole has nothing to be compared with until what is missing comes back.
    invented = {name for name in invented if not _behind_a_hole(golden, found, name)}
    if invented:
        complaints.append(f"{len(invented)} records are not what was written")
    untouched = set().union(*(names for page, names in golden.on_page.items() if page not in touched))
    lost = untouched - found.rows.keys()
    # One that contradicts such a record cannot be told from it: it is dropped, and asked of the relays.
    lost = {name for name in lost if not _behind_a_hole(golden, found, golden.before.get(name))}
    if lost:
        complaints.append(f"{len(lost)} records of pages that nothing happened to are gone")
    if found.rows.keys() != golden.rows.keys() and not found.noticed:
        complaints.append("records are gone and nobody noticed")
    return complaints


def _behind_a_hole(golden: Golden, found: Outcome, name: str | None) -> bool:
    before = golden.before.get(name or "")
    return name in found.rows and before is not None and before not in found.rows


def plan(count: int, chance: random.Random) -> Iterator[Damage]:
    for n in range(count):
        yield DAMAGES[n % len(DAMAGES)] if n < 3 * len(DAMAGES) else chance.choice(DAMAGES[:6])


@pytest.mark.timeout(600)
async def test_two_hundred_damages(golden: Golden, tmp_path: Path, pick: Callable[..., int]) -> None:
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    count = pick(quick=40, ci=200, long=2000)
    rescued = lost = 0
    for n, damage in enumerate(plan(count, chance)):
        folder = tmp_path / "data"
        shutil.copytree(golden.folder, folder)
        touched = damage(golden, folder, chance)
        where = f"seed {seed}, damage {n}: {damage.__name__} of pages {sorted(touched)[:8]}"
        try:
            found = await _live(folder)
        except Exception as error:
            raise AssertionError(where) from error
        assert not wrong(golden, found, touched), f"{where}: {wrong(golden, found, touched)}"
        rescued += found.told
        lost += len(golden.rows) - len(found.rows)
        shutil.rmtree(folder)
    print(f"{count} damages, {rescued} rescued at the start, {lost} records lost with their pages")
    assert rescued > count // 4


async def test_without_its_check_a_changed_record_would_pass(
    golden: Golden, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The test of the test: nobody compares with the chain, and the same judge sees it."""

    def careless(
        connection: sqlite3.Connection, *, gateway: str, known: Callable[[str, str], bool], check: bool
    ) -> list[Stretch]:
        return judge(connection, gateway=gateway, known=known, check=False)

    monkeypatch.setattr(salvaging, "judge", careless)
    monkeypatch.setattr("agent.store.soundness.complaint", lambda connection: None)
    chance = random.Random(7)
    seen = 0
    for _ in range(12):
        folder = tmp_path / "data"
        shutil.copytree(golden.folder, folder)
        whole = (folder / "log.db").read_bytes()
        places = list(_all(whole, b'"n":'))[:200]
        at = chance.choice(places) + 4
        with (folder / "log.db").open("r+b") as file:
            file.seek(at)
            file.write(b"9" if whole[at : at + 1] != b"9" else b"8")
        lose_header(golden, folder, chance)
        found = await _live(folder)
        seen += any("not what was written" in each for each in wrong(golden, found, {at // PAGE + 1, 1}))
        shutil.rmtree(folder)
    assert seen > 3


def _all(whole: bytes, part: bytes) -> Iterator[int]:
    at = whole.find(part)
    while at >= 0:
        yield at
        at = whole.find(part, at + 1)


@pytest.mark.timeout(300)
async def test_the_real_agent_is_ready_again(tmp_path: Path, pick: Callable[..., int]) -> None:
    """Killed, damaged, started: READY, the document in force, the incident told."""
    chance = random.Random(random.randrange(10**6))
    agent = Agent(folder=tmp_path / "agent", port=free_port())
    data = agent.folder / "data"
    await agent.start()
    await agent.kill()
    epochs = set()
    for damage in chance.sample((zero_first, lose_log, lose_log_wal, garbage), pick(quick=2, ci=4)):
        damage(data)
        await agent.start()
        await agent.until(lambda: agent.records("epoch.began"))
        assert agent.query("SELECT text FROM site_document ORDER BY version DESC LIMIT 1") == [REAL_SITE]
        epochs.add(agent.query("SELECT value FROM meta WHERE name = 'epoch'")[0])
        await agent.kill()
    # A page that the write-ahead log holds as well is whole again by itself; all others need a new epoch.
    assert len(epochs) >= pick(quick=1, ci=3), "each time under a new epoch"
    assert json.loads((data / "log.site").read_text())["text"] == REAL_SITE


def zero_first(data: Path) -> None:
    with (data / "log.db").open("r+b") as file:
        file.write(bytes(PAGE))


def lose_log(data: Path) -> None:
    (data / "log.db").unlink()


def lose_log_wal(data: Path) -> None:
    (data / "log.db-wal").unlink()


def garbage(data: Path) -> None:
    (data / "log.db").write_bytes(random.randbytes(50_000))
    (data / "log.db-wal").unlink(missing_ok=True)
