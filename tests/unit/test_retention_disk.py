"""What goes, in which order, and what never does: the retention on a real store and a real directory."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from agent.store.database import migrations
from agent.video import disposal
from agent.video.link import WorkerGone
from agent.video.messages import ListFiles
from rules import ids
from rules.incidents import Entry
from rules.units import DAY, HOUR
from tests.unit.retention_rig import INIT, KEEPER, SEGMENT, disk


async def test_when_room_is_needed_the_oldest_that_is_synced_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        incidents = []
        for _ in range(7):  # 7 x 122 kB of 1 MB, the high water mark is 900 kB
            incidents.append(await it.record())
            it.later(HOUR)
        for incident in incidents[1:]:
            await it.sync(incident)
        await it.look()
        assert await it.gone() == [], "there is room"
        incidents.append(await it.record())
        await it.sync(incidents[-1])
        it.later(HOUR)
        await it.look()
        assert await it.gone() == incidents[1:3], "the first waits for a relay; 85 % is reached by two"
        assert [it.whole(incident) for incident in incidents] == [True, False, False, *[True] * 5]
        assert it.files() == await it.rows()
        assert it.clips == "taken"


async def test_a_hold_beats_everything_until_it_is_released(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        held = await it.record()
        await it.sync(held)
        await it.hold(held)
        later = await it.record(incident=held)
        assert later == held
        await it.sync(held)  # what came after the hold is held as well
        it.later(100 * DAY)
        await it.look()
        assert it.whole(held) and await it.gone() == []
        for _ in range(6):
            await it.sync(await it.record())
            it.later(HOUR)
        await it.look()
        assert it.whole(held) and len(await it.gone()) >= 1
        await it.release(held)
        await it.look()
        assert not it.whole(held) and (await it.gone())[-1] == held


async def test_what_is_too_old_goes_and_what_is_not_synced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        synced, waiting = await it.record(), await it.record()
        await it.sync(synced)
        it.later(89 * DAY)
        young = await it.record()
        await it.sync(young)
        await it.look()
        assert await it.gone() == []
        it.later(2 * DAY)
        await it.look()
        assert await it.gone() == [synced]
        assert it.whole(waiting) and it.whole(young)
        rows = await it.rig.store.database.read(
            "SELECT json_extract(CAST(bytes AS TEXT), '$.body') FROM log WHERE kind = 'media.evicted'"
        )
        assert '"reason":"age"' in rows[0][0] and '"held_by":["cloud"]' in rows[0][0] and '"blobs":4' in rows[0][0]


async def test_without_an_outlet_that_keeps_a_copy_age_and_bytes_decide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch, keeper=False) as it:
        incidents = []
        for _ in range(8):
            incidents.append(await it.record())
            it.later(HOUR)
        await it.look()
        assert await it.gone() == incidents[:2]
        assert it.files() == await it.rows()


async def test_a_blob_that_two_incidents_need_goes_with_the_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        first = await it.record()
        shared = it.blobs[first][1]
        it.later(DAY)
        second = await it.record(again=(shared,))
        await it.sync(first)
        await it.sync(second)
        it.later(89 * DAY + HOUR)
        await it.look()
        assert await it.gone() == [first]
        assert shared in it.files() and it.whole(second)
        it.later(2 * DAY)
        await it.look()
        assert await it.gone() == [first, second]
        assert it.files() == await it.rows() == set()
        assert await it.rig.store.database.read("SELECT 1 FROM blob UNION SELECT 1 FROM outlet_blob") == []


async def test_a_clip_that_was_moved_is_kept_by_the_hold_of_its_new_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        first = await it.record()
        clip = (await it.rig.store.database.read("SELECT clip FROM footage_clip"))[0][0]
        body = {"evidence": {"clip": clip, "camera": "cam"}, "moved_from": first}
        await it.rig.intake.decide(
            Entry(
                id=ids.derived("t", 1),
                kind="incident.evidence",
                incident="the-other",
                lamport=2,
                origin="cloud",
                wall=1,
                by="Ada",
                body=body,
            )
        )
        await it.hold("the-other")
        await it.sync(first)
        it.later(100 * DAY)
        await it.look()
        still = it.blobs[first].pop()
        assert it.whole(first), "the clip is on hold in the incident it was moved to"
        assert still not in it.files(), "the still stayed behind, and went"


async def test_with_nothing_left_to_delete_clips_are_refused_and_an_incident_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        waiting = [await it.record() for _ in range(7)]
        held = await it.record()
        await it.hold(held)
        it.later(HOUR)
        await it.look()
        await it.look()
        kinds = await it.rig.rows("kind")
        assert kinds.count("storage.full") == 1 and kinds.count("incident.opened") == 1
        assert all(it.whole(incident) for incident in [*waiting, held])
        assert it.clips == "refused"
        assert "wait for a relay" in it.told[-1].reason and "on hold" in it.told[-1].reason
        # A restart neither repeats it nor forgets it.
        again = it.successor()
        await again.look()
        assert it.clips == "refused"
        assert (await it.rig.rows("kind")).count("storage.full") == 1
        for incident in waiting:
            await it.sync(incident)
        await it.look()
        kinds = await it.rig.rows("kind")
        assert kinds[-2:] == ["storage.ample", "incident.noted"]
        assert it.clips == "taken" and it.whole(held)


async def test_while_no_worker_is_there_nothing_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with disk(tmp_path, monkeypatch, keeper=False) as it:
        for _ in range(8):
            await it.record()
        it.later(HOUR)
        it.worker = False
        it.retention.heard(WorkerGone(reason="killed"))
        await it.look()
        assert await it.rig.store.database.read("SELECT 1 FROM footage WHERE going IS NOT NULL") == []
        assert "storage.full" not in await it.rig.rows("kind"), "there is something that may go"


async def test_a_worker_lost_after_the_mark_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with disk(tmp_path, monkeypatch, keeper=False) as it:
        incidents = []
        for _ in range(8):
            incidents.append(await it.record())
            it.later(HOUR)
        it.worker = False  # it dies at the moment of the order
        await it.look()
        marked = await it.rig.store.database.read("SELECT incident FROM footage_going")
        assert [row[0] for row in marked] == incidents[:1]
        assert it.whole(incidents[0]) and await it.gone() == []
        it.worker = True
        await it.successor().look()
        assert (await it.gone())[0] == incidents[0]
        assert it.files() == await it.rows()


async def test_a_hold_that_comes_after_the_mark_still_keeps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with disk(tmp_path, monkeypatch, keeper=False) as it:
        incidents = []
        for _ in range(8):
            incidents.append(await it.record())
            it.later(HOUR)
        it.worker = False
        await it.look()
        await it.hold(incidents[0])
        it.worker = True
        await it.look()
        assert it.whole(incidents[0]) and incidents[0] not in await it.gone()
        assert len(await it.gone()) == 2


async def test_what_the_worker_has_just_kept_again_is_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        incident = await it.record()
        await it.sync(incident)
        it.later(100 * DAY)
        init = it.blobs[incident][0]
        it.needed = {init}  # a clip that begins this very moment names the same init
        await it.look()
        assert init in it.files() and it.files() == await it.rows() == {init}
        it.needed = set()
        it.later(HOUR)
        await it.look()
        assert it.files() == await it.rows() == set()


async def test_a_clip_that_grows_is_not_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with disk(tmp_path, monkeypatch, keeper=False) as it:
        growing = await it.record(seal=False)
        it.later(HOUR)
        for _ in range(7):
            await it.record()
        it.later(HOUR)
        await it.look()
        assert it.whole(growing) and len(await it.gone()) == 2
        it.later(DAY)  # its end was never told: after a day it is footage like any other
        await it.record()
        await it.record()
        it.later(HOUR)
        await it.look()
        assert (await it.gone())[2] == growing


async def test_an_outlet_that_is_retired_holds_no_copy_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        incident = await it.record()
        await it.sync(incident)
        await it.look()
        await it.rig.store.blobs.serve(["vault"], gt=1)
        await it.rig.store.blobs.retire("cloud")
        it.later(100 * DAY)
        await it.look()
        assert it.whole(incident), "only the retired outlet had it"


async def test_files_without_rows_and_rows_without_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        incident = await it.record()
        await it.sync(incident)
        stranger = it.store.put(b"nobody ever named this")
        it.store.path(it.blobs[incident][1]).unlink()
        it.later(HOUR)
        await it.compare()
        assert it.files() == await it.rows()
        assert stranger.sha256 in await it.rows(), "it is kept: the log may have lost what named it"
        lost = await it.rig.store.database.read("SELECT CAST(bytes AS TEXT) FROM log WHERE kind = 'blob.lost'")
        assert len(lost) == 1 and it.blobs[incident][1] in lost[0][0]
        it.later(91 * DAY)
        await it.look()
        assert it.files() == await it.rows() == set()


async def test_a_disk_on_which_nothing_is_found_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with disk(tmp_path, monkeypatch) as it:
        await it.record()
        it.later(HOUR)
        before = await it.rows()
        (tmp_path / "media" / "blobs").rename(tmp_path / "elsewhere")
        (tmp_path / "media" / "blobs").mkdir()
        await it.compare()
        assert await it.rows() == before and "blob.lost" not in await it.rig.rows("kind")


async def test_a_list_of_the_disk_comes_in_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disposal, "PAGE", 5)
    async with disk(tmp_path, monkeypatch, limit=10_000_000) as it:
        incidents = [await it.record(segments=6) for _ in range(4)]
        gone = it.blobs[incidents[2]][3]
        it.store.path(gone).unlink()
        strangers = {it.store.put(bytes([n])).sha256 for n in range(7)}
        it.later(HOUR)
        await it.compare()
        assert it.files() == await it.rows() and strangers < await it.rows()
        assert len([order for order in it.orders if isinstance(order, ListFiles)]) >= 5
        assert (await it.rig.rows("kind")).count("blob.lost") == 1


async def test_days_of_video_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with disk(tmp_path, monkeypatch, limit=1_000_000) as it:
        await it.look()
        assert it.figures.days is None and it.figures.free == 900_000
        for _ in range(4):  # a lively first hour says nothing about the days to come
            await it.record()
        await it.look()
        assert it.figures.days is None
        assert "storage.low" not in await it.rig.rows("kind")
        it.later(2 * DAY)
        await it.look()
        figures = it.figures
        assert figures.waiting == figures.used == 4 * (3 * SEGMENT + 2_000) + len(INIT)
        assert figures.days == 1, "488 kB in two days, and room for 412 kB"
        assert (await it.rig.rows("kind")).count("storage.low") == 1
        storage = it.retention.storage()
        assert storage is not None and (storage.days, storage.free, storage.waiting) == (1, figures.free, figures.used)
        for incident in it.blobs:
            await it.sync(incident)
        await it.look()  # what a relay holds may be deleted, so there is room for all of it
        synced = it.figures
        assert (synced.waiting, synced.days) == (0, 3)
        assert (await it.rig.rows("kind")).count("storage.ample") == 0, "half as many again ends it"
        it.later(6 * DAY)
        await it.look()
        assert (await it.rig.rows("kind"))[-1] == "storage.ample"
        it.later(8 * DAY)
        await it.look()
        assert it.figures.days is None, "a week without any footage"


async def test_what_an_older_store_knows_is_found_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The migration makes the same rows of the log as the facts made when they came."""
    async with disk(tmp_path, monkeypatch) as it:
        await it.record(), await it.record(seal=False)
        database = it.rig.store.database
        tables = ("footage", "footage_use", "footage_clip", "footage_incident", "footage_total")

        async def all_rows() -> dict[str, list[tuple[object, ...]]]:
            found = {}
            for table in tables:
                columns = "incident, newest" if table == "footage_incident" else "*"
                rows = await database.read(
                    f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3"
                    if "use" in table
                    else f"SELECT {columns} FROM {table} ORDER BY 1, 2"
                )
                found[table] = [tuple(row) for row in rows]
            return found

        before = await all_rows()
        sql = dict(migrations())[5]
        drops = "".join(f"DROP TABLE {table};" for table in (*tables, "footage_hold", "footage_going", "footage_hour"))
        with contextlib.closing(sqlite3.connect(database.path)) as connection:
            connection.executescript(f"BEGIN IMMEDIATE;{drops}{sql}COMMIT;")
        after = await all_rows()
        assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
        assert after["footage_use"] == before["footage_use"]
        assert after["footage_total"] == before["footage_total"]
        assert [row[:2] for row in after["footage_clip"]] == [row[:2] for row in before["footage_clip"]]
        assert sum(row[2] is None for row in after["footage_clip"]) == 1


async def test_nothing_goes_before_every_configured_outlet_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the very first start the outlets have not said yet that they keep copies."""
    async with disk(tmp_path, monkeypatch, keeper=False) as it:
        it.configured = (KEEPER,)
        for _ in range(8):
            await it.record()
        it.later(HOUR)
        await it.look()
        assert await it.gone() == [] and "storage.full" not in await it.rig.rows("kind")
        await it.rig.store.blobs.serve([KEEPER], gt=1)
        await it.look()
        assert await it.gone() == [] and it.clips == "refused"
        await it.rig.store.blobs.fill(KEEPER)
        for incident in it.blobs:
            await it.sync(incident)
        await it.look()
        assert len(await it.gone()) == 2
