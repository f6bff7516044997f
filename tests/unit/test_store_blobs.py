"""What leaves next, what is safe elsewhere, and what of an incident is outside: the store's side of lane P3."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.store import budgets, evidence
from agent.store.blobs import NOBODY_KEEPS, Blob, Blobs, synced
from agent.store.database import Database, migrations
from agent.store.doubts import doubt
from agent.store.evidence import Outside
from rules.events import ClipOpened, ClipSealed, KeyPictures, SegmentAdded, StillTaken
from rules.incidents import Entry

SECOND = 1_000_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(path=tmp_path / "log.db")
    await opened.open()
    yield opened
    await opened.close()


class Maker:
    """Facts about recordings, one second after the other."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.blobs = Blobs(database=database)
        self.gt = 1000 * SECOND

    def header(self) -> dict[str, Any]:
        self.gt += SECOND
        return {"id": f"id-{self.gt}", "gt": self.gt, "wall": self.gt}

    async def note(self, *facts: Any) -> None:
        async with self.database.transaction() as transaction:
            await evidence.note(transaction, self.blobs, facts)

    async def opened(self, incident: str, severity: str = "high") -> None:
        entry = Entry(
            **self.header(),
            kind="incident.opened",
            incident=incident,
            lamport=1,
            origin="gw",
            by="rule",
            body={"severity": severity},
        )
        await self.note(entry)

    async def clip(self, clip: str, incident: str, *, start: int = 0, mark: int = 10) -> None:
        await self.note(
            ClipOpened(
                **self.header(),
                clip=clip,
                incident=incident,
                camera="cam",
                trigger=1,
                pre=10 * SECOND,
                post=30 * SECOND,
                start=start * SECOND,
                mark=mark * SECOND,
                width=2,
                height=2,
            )
        )

    async def segment(self, clip: str, name: str, *, start: int, init: str = "init", bytes_: int = 9) -> None:
        await self.note(
            SegmentAdded(
                **self.header(),
                clip=clip,
                camera="cam",
                n=start,
                part=0,
                init=init,
                init_bytes=1,
                sha256=name,
                bytes=bytes_,
                start=start * SECOND,
                duration=4 * SECOND,
                wall_start=1,
                codec="avc1",
            )
        )

    async def sealed(self, clip: str) -> None:
        await self.note(ClipSealed(**self.header(), clip=clip, camera="cam", end=1, segments=1, reason="complete"))

    async def still(self, incident: str, name: str) -> None:
        await self.note(
            StillTaken(
                **self.header(),
                still=name,
                incident=incident,
                camera="cam",
                sha256=name,
                bytes=5,
                taken=1,
                width=2,
                height=2,
            )
        )

    async def pictures(self, incident: str, name: str) -> None:
        await self.note(
            KeyPictures(
                **self.header(),
                clip="c",
                incident=incident,
                camera="cam",
                sha256=name,
                bytes=7,
                taken=[1],
                width=2,
                height=2,
            )
        )

    async def waiting(self, outlet: str = "cloud", **how: Any) -> list[str]:
        return [blob.sha256 for blob in await self.blobs.waiting(outlet, limit=100, **how)]

    async def got(self, *names: str, outlet: str = "cloud") -> None:
        for name in names:
            await self.blobs.acknowledge(outlet, name, wall=5)


@pytest.fixture
async def maker(database: Database) -> Maker:
    made = Maker(database)
    await made.blobs.serve(["cloud"], gt=0)
    await made.blobs.fill("cloud")
    return made


async def burglary(maker: Maker, incident: str, *, severity: str = "high") -> None:
    """A clip told out of the order in which it should leave."""
    await maker.opened(incident, severity)
    await maker.clip(f"{incident}-c", incident, start=2, mark=10)
    await maker.segment(f"{incident}-c", f"{incident}-before-1", start=0, init=f"{incident}-init")
    await maker.segment(f"{incident}-c", f"{incident}-before-2", start=4, init=f"{incident}-init")
    await maker.segment(f"{incident}-c", f"{incident}-alarm", start=8, init=f"{incident}-init")
    await maker.segment(f"{incident}-c", f"{incident}-after-1", start=12, init=f"{incident}-init")
    await maker.pictures(incident, f"{incident}-pictures")
    await maker.still(incident, f"{incident}-still")
    await maker.segment(f"{incident}-c", f"{incident}-after-2", start=16, init=f"{incident}-init")


async def test_still_then_key_pictures_then_the_time_before_then_the_rest(maker: Maker) -> None:
    await burglary(maker, "a")
    assert await maker.waiting() == [
        "a-still", "a-pictures", "a-init", "a-before-1", "a-before-2", "a-alarm", "a-after-1", "a-after-2",
    ]  # fmt: skip


async def test_a_burglary_now_goes_before_the_rest_of_yesterdays_clip(maker: Maker) -> None:
    await burglary(maker, "a")
    await maker.got("a-still", "a-pictures", "a-init", "a-before-1")
    await burglary(maker, "b")
    assert await maker.waiting() == [
        "b-still", "b-pictures", "b-init", "b-before-1", "b-before-2", "b-alarm", "a-before-2", "a-alarm",
        "b-after-1", "b-after-2", "a-after-1", "a-after-2",
    ]  # fmt: skip


async def test_what_two_incidents_share_is_one_blob_as_urgent_as_the_more_urgent(maker: Maker) -> None:
    await maker.opened("a")
    await maker.clip("a-c", "a", mark=2)
    await maker.segment("a-c", "shared", start=8)
    await maker.segment("a-c", "rest", start=12)
    await maker.opened("b")
    await maker.clip("b-c", "b", mark=10)
    await maker.segment("b-c", "shared", start=8)
    assert await maker.waiting() == ["init", "shared", "rest"]
    assert sorted(await Outside(database=maker.database, outlet="cloud").incidents_of("shared")) == ["a", "b"]


async def test_only_the_pictures_of_grave_incidents_when_the_budget_is_spent(maker: Maker) -> None:
    await burglary(maker, "a", severity="low")
    await burglary(maker, "b", severity="critical")
    assert await maker.waiting(grave=True) == ["b-still", "b-pictures"]
    assert await maker.waiting(until=0) == ["b-still", "a-still"]


async def test_an_outlet_that_comes_later_gets_what_was_there(maker: Maker) -> None:
    await burglary(maker, "a")
    await maker.got("a-still")
    assert await maker.waiting("second") == []
    await maker.blobs.serve(["cloud", "second"], gt=maker.gt)
    await maker.pictures("a", "meanwhile")
    await maker.blobs.fill("second")
    assert len(await maker.waiting("second")) == 9
    assert len(await maker.waiting("cloud")) == 8


async def test_what_is_doubted_waits_again_and_what_is_deleted_does_not(maker: Maker) -> None:
    await burglary(maker, "a")
    await maker.got("a-still", "a-init")
    await doubt(maker.database, "cloud", ["a-still", "unknown"])
    assert (await maker.waiting())[0] == "a-still"
    async with maker.database.transaction() as transaction:
        await transaction.execute_fetchall("DELETE FROM blob WHERE sha256 = 'a-alarm'")
    assert "a-alarm" not in await maker.waiting()


async def test_synced_is_what_one_outlet_that_keeps_a_copy_has(maker: Maker) -> None:
    async def safe() -> set[str]:
        rows = await maker.database.read(f"SELECT sha256 FROM blob WHERE {synced()}")
        return {row[0] for row in rows}

    await burglary(maker, "a")
    await maker.blobs.serve(["cloud", "second"], gt=0)
    await maker.got("a-still", outlet="second")
    await maker.got("a-alarm", outlet="cloud")
    await maker.got("a-init", outlet="box")  # keeps no copy
    assert await safe() == {"a-still", "a-alarm"}
    await maker.blobs.retire("second")
    assert await safe() == {"a-alarm"}, "the copies of a retired outlet count no more"
    assert (await maker.database.read(f"SELECT {NOBODY_KEEPS}"))[0][0] == 0
    await maker.blobs.retire("cloud")
    assert (await maker.database.read(f"SELECT {NOBODY_KEEPS}"))[0][0] == 1
    assert await maker.waiting() == []
    assert list(await maker.database.read("SELECT 1 FROM outlet_blob WHERE outlet <> 'box'")) == []


async def test_an_outlet_that_keeps_no_copy_any_more_has_no_queue(maker: Maker) -> None:
    await burglary(maker, "a")
    await maker.blobs.serve(["second"], gt=0, leave=["cloud"])
    await maker.blobs.tidy()
    assert await maker.waiting() == []
    await maker.blobs.fill("second")
    assert len(await maker.waiting("second")) == 8


async def test_what_is_outside_of_an_incident(maker: Maker) -> None:
    held = Outside(database=maker.database, outlet="cloud").held
    await burglary(maker, "a")
    assert await held("a") == set()
    await maker.got("a-still")
    assert await held("a") == {"still"}
    await maker.got("a-pictures", "a-init", "a-before-1", "a-before-2")
    assert await held("a") == {"still", "pictures"}
    await maker.got("a-alarm")
    assert await held("a") == {"still", "pictures", "pre_roll"}
    await maker.got("a-after-1", "a-after-2")
    assert "clip" not in await held("a"), "it may still grow"
    await maker.sealed("a-c")
    assert await held("a") == {"still", "pictures", "pre_roll", "clip"}


async def test_the_time_before_is_not_outside_while_it_is_still_being_told(maker: Maker) -> None:
    await maker.opened("a")
    await maker.clip("c", "a", mark=10)
    await maker.segment("c", "one", start=0)
    await maker.got("init", "one")
    assert await Outside(database=maker.database, outlet="cloud").held("a") == set()
    await maker.segment("c", "two", start=4)
    await maker.segment("c", "three", start=8)
    await maker.got("two", "three")
    assert await Outside(database=maker.database, outlet="cloud").held("a") == {"pre_roll"}


async def test_an_outlet_is_asked_about_incidents_since_it_came(maker: Maker) -> None:
    await maker.opened("old")
    await maker.blobs.serve(["cloud", "late"], gt=maker.gt + 1)
    await maker.opened("new")
    late = Outside(database=maker.database, outlet="late")
    assert await late.opened("old") is None
    found = await late.opened("new")
    assert found is not None
    assert found.grave


async def test_a_budget_is_kept_with_an_acknowledgement(maker: Maker) -> None:
    async with maker.database.transaction() as transaction:
        await budgets.save(transaction, "cloud", budgets.Used(1, 2, 3, 4, "low"))
    await maker.blobs.acknowledge("cloud", "x", wall=9, used=400)
    assert await budgets.load(maker.database, "cloud") == budgets.Used(1, 2, 3, 400, "low")


async def test_what_an_older_program_left_waits_as_before(tmp_path: Path) -> None:
    """A store from before there were queues: what had not been acknowledged waits, stills first."""
    path = tmp_path / "log.db"
    (_, first), *_ = migrations()
    with contextlib.closing(sqlite3.connect(path)) as old:
        old.executescript(f"{first} PRAGMA user_version = 1;")
        rows = [("s", "segment", None, 1), ("t", "segment", None, 2), ("p", "still", "i", 3), ("q", "still", "i", 4)]
        old.executemany("INSERT INTO blob (sha256, bytes, kind, incident, added) VALUES (?, 9, ?, ?, ?)", rows)
        old.executemany("INSERT INTO outlet_blob VALUES (?, ?, 1)", [("cloud", "t"), ("cloud", "p"), ("box", "s")])
        old.commit()
    database = Database(path=path)
    await database.open()
    try:
        blobs = Blobs(database=database)
        await blobs.serve(["cloud"], gt=5)
        await blobs.fill("cloud")
        assert [blob.sha256 for blob in await blobs.waiting("cloud", limit=9)] == ["q", "s"]
        assert sorted(await Outside(database=database, outlet="cloud").incidents_of("q")) == ["i"]
    finally:
        await database.close()


steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "ack", "doubt", "delete", "serve", "retire", "fill"]),
        st.sampled_from(["one", "two"]),
        st.integers(0, 6),
        st.integers(0, 3),
    ),
    max_size=40,
)


@given(steps)
@settings(max_examples=40)
async def test_the_queue_is_always_what_was_not_acknowledged(tmp_path_factory: Any, plan: list[Any]) -> None:
    """Whatever is done in whatever order: the queue of a filled outlet is the blobs without its acknowledgement."""
    database = Database(path=tmp_path_factory.mktemp("queue") / "log.db")
    await database.open()
    blobs = Blobs(database=database)
    try:
        for what, outlet, number, rank in plan:
            name = f"blob-{number}"
            if what == "add":
                async with database.transaction() as transaction:
                    await blobs.add(transaction, [Blob(name, 1, "segment", rank, number)], pos=number, grave=rank == 1)
            elif what == "ack":
                await blobs.acknowledge(outlet, name, wall=1)
            elif what == "doubt":
                await doubt(database, outlet, [name])
            elif what == "delete":
                async with database.transaction() as transaction:
                    await transaction.execute_fetchall("DELETE FROM blob WHERE sha256 = ?", (name,))
            elif what == "serve":
                await blobs.serve([outlet], gt=0)
            elif what == "fill":
                await blobs.fill(outlet)
            else:
                await blobs.retire(outlet)
        serving = {str(row[0]) for row in await database.read("SELECT name FROM media_outlet")}
        for outlet in ("one", "two"):
            await blobs.fill(outlet)
            want = await database.read(
                "SELECT sha256, rank, newest, grave FROM blob WHERE sha256 NOT IN"
                " (SELECT sha256 FROM outlet_blob WHERE outlet = ?) ORDER BY sha256",
                (outlet,),
            )
            have = await database.read(
                "SELECT sha256, rank, newest, grave FROM blob_waiting WHERE outlet = ? ORDER BY sha256", (outlet,)
            )
            assert list(have) == (list(want) if outlet in serving else [])
    finally:
        await database.close()
