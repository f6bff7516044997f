"""A clip's manifest in every way it can go, on footage that was fed in beforehand."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from agent.video.messages import (
    Camera,
    CameraState,
    ClipOpened,
    ClipSealed,
    FromWorker,
    Gap,
    PicturesTaken,
    Refused,
    SaveClip,
    SegmentAdded,
    StillTaken,
    TakeStill,
)
from agent.video.recorder import Recorder
from tests.unit.footage import SECOND, FixedClock, encoded, feed

CAMERA = Camera(id="hall", name="Hall", url="rtsp://127.0.0.1:9/x")
T = TypeVar("T")
REQUEST = SaveClip(
    clip="clip-1",
    incident="incident-1",
    camera="hall",
    trigger_boot=0,
    trigger_wall=0,
    pre=4 * SECOND,
    post=0,
    deadline_boot=1 << 60,
)


class Bench:
    """A recorder whose camera never connects: footage comes from the test."""

    def __init__(self, root: Path, tasks: asyncio.TaskGroup, clock: FixedClock) -> None:
        self.told: list[FromWorker] = []
        self.clock = clock
        self.recorder = Recorder(root=root, clock=clock, send=self.told.append, tasks=tasks)
        self.recorder.prepare()
        self.recorder.configure([CAMERA])
        self.feed = self.recorder._feeds["hall"]

    def footage(self, seconds: float = 10, **how: int) -> None:
        feed(self.feed.intake, encoded(seconds=seconds, **how), clock=self.clock)

    def live(self) -> None:
        self.feed._seen()

    def lost(self, reason: str = "the camera stopped sending") -> None:
        self.feed.intake.ended()
        self.feed._lose(reason)

    async def done(self) -> None:
        while self.recorder._busy:
            await asyncio.wait(list(self.recorder._busy.values()))

    def of(self, kind: type[T]) -> list[T]:
        return [message for message in self.told if isinstance(message, kind)]


@pytest.fixture
async def tasks() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
async def bench(tmp_path: Path, tasks: asyncio.TaskGroup, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr("agent.video.camera.Session.start", lambda self: None)
    return Bench(tmp_path / "media", tasks, clock)


def at(clock: FixedClock, *, clip: str = "clip-1", ago: float = 0, pre: float = 4, post: float = 0) -> SaveClip:
    return replace(
        REQUEST,
        clip=clip,
        trigger_boot=clock.now - int(ago * SECOND),
        trigger_wall=clock.wall() - int(ago * SECOND),
        pre=int(pre * SECOND),
        post=int(post * SECOND),
    )


async def test_pre_roll_is_told_in_order_with_exact_bounds(bench: Bench, clock: FixedClock) -> None:
    bench.footage(10)
    bench.live()
    request = at(clock, ago=2.5, pre=4)
    bench.recorder.save_clip(request)
    await bench.done()
    opened, *segments, sealed = [m for m in bench.told if not isinstance(m, CameraState)]
    assert isinstance(opened, ClipOpened) and isinstance(sealed, ClipSealed)
    assert (opened.width, opened.height, opened.trigger) == (320, 180, request.trigger_wall)
    assert opened.mark - opened.start == 4 * SECOND
    added = [each for each in segments if isinstance(each, SegmentAdded)]
    assert [each.n for each in added] == list(range(len(added)))
    assert added[0].start <= opened.start < added[0].start + added[0].duration
    assert all(before.start + before.duration == after.start for before, after in pairwise(added))
    assert added[-1].start + added[-1].duration >= sealed.end == opened.mark + 1
    assert sealed.segments == len(added) and sealed.reason == "complete"
    assert added[0].wall_start == added[0].start + clock.ahead


async def test_overlapping_clips_share_their_segments(bench: Bench, clock: FixedClock) -> None:
    bench.footage(10)
    bench.live()
    bench.recorder.save_clip(at(clock, clip="a", ago=2.5, pre=5))
    bench.recorder.save_clip(at(clock, clip="b", ago=2.1, pre=3))
    await bench.done()
    added = bench.of(SegmentAdded)
    a = {m.start: m.sha256 for m in added if m.clip == "a"}
    b = {m.start: m.sha256 for m in added if m.clip == "b"}
    assert set(b) <= set(a) and all(a[start] == b[start] for start in b)


async def test_the_same_clip_again_is_told_again_not_made_again(bench: Bench, clock: FixedClock) -> None:
    bench.footage(10)
    bench.live()
    request = at(clock, ago=2.5)
    bench.recorder.save_clip(request)
    bench.recorder.save_clip(request)
    await bench.done()
    first = [m for m in bench.told if not isinstance(m, CameraState | PicturesTaken)]
    bench.told.clear()
    bench.recorder.save_clip(request)
    assert bench.told == first
    assert bench.recorder._busy == {}
    bench.recorder.stored("clip-1")
    assert [m for m in bench.recorder.report() if isinstance(m, ClipSealed)] == []


async def test_a_camera_without_footage_gives_an_empty_clip_and_a_gap(bench: Bench, clock: FixedClock) -> None:
    clock.now += 5 * SECOND
    bench.lost("the camera cannot be reached; check its power, its cable and the address")
    bench.recorder.save_clip(at(clock))
    await bench.done()
    opened, gap, sealed = [m for m in bench.told if not isinstance(m, CameraState)]
    assert isinstance(opened, ClipOpened) and (opened.width, opened.mark - opened.start) == (0, 4 * SECOND)
    assert isinstance(gap, Gap) and gap.until - gap.since == 5 * SECOND and "cannot be reached" in gap.reason
    assert isinstance(sealed, ClipSealed) and (sealed.segments, sealed.reason) == (0, "no_footage")


async def test_a_camera_lost_in_the_middle_gives_a_short_clip_and_a_gap(bench: Bench, clock: FixedClock) -> None:
    bench.footage(7.5)
    bench.live()
    trigger = at(clock, ago=1, post=3)
    clock.now += 4 * SECOND
    bench.lost()
    bench.recorder.save_clip(trigger)
    await bench.done()
    sealed = bench.of(ClipSealed)[0]
    gap = bench.of(Gap)[0]
    assert sealed.reason == "camera_lost"
    last = bench.of(SegmentAdded)[-1]
    assert sealed.end == last.start + last.duration
    assert gap.reason == "the camera stopped sending"
    assert abs(gap.since - (last.wall_start + last.duration)) <= 200_000
    assert gap.until == clock.wall()


async def test_another_picture_size_begins_a_new_part(bench: Bench, clock: FixedClock) -> None:
    bench.footage(4)
    clock.now += 100_000
    bench.footage(6.5, width=640, height=360)
    bench.live()
    bench.recorder.save_clip(at(clock, ago=2.5, pre=6))
    await bench.done()
    added = bench.of(SegmentAdded)
    assert [m.part for m in added] == sorted(m.part for m in added)
    assert {m.part for m in added} == {0, 1}
    assert len({m.init for m in added if m.part == 0}) == len({m.init for m in added if m.part == 1}) == 1


@pytest.mark.parametrize(("code", "reason"), [(errno.ENOSPC, "disk_full"), (errno.EIO, "worker_lost")])
async def test_a_disk_that_refuses_seals_the_clip_with_its_reason(
    bench: Bench, clock: FixedClock, monkeypatch: pytest.MonkeyPatch, code: int, reason: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    bench.footage(10)
    bench.live()
    monkeypatch.setattr("agent.video.files.os.fsync", fail)
    bench.recorder.save_clip(at(clock, ago=2.5))
    await bench.done()
    opened, gap, sealed = [m for m in bench.told if not isinstance(m, CameraState)]
    assert isinstance(opened, ClipOpened)
    assert isinstance(gap, Gap) and "media disk" in gap.reason
    assert isinstance(sealed, ClipSealed) and (sealed.segments, sealed.reason) == (0, reason)
    monkeypatch.undo()
    bench.told.clear()
    bench.recorder.save_clip(at(clock, clip="clip-2", ago=2.5))
    await bench.done()
    assert bench.of(ClipSealed)[0].reason == "complete"


async def test_requests_that_cannot_be_met_are_refused_in_words(bench: Bench, clock: FixedClock) -> None:
    bench.recorder.save_clip(replace(at(clock), camera="cellar"))
    bench.recorder.save_clip(replace(at(clock), clip="late", deadline_boot=clock.now - 1))
    bench.recorder.take_still(
        TakeStill(still="s", incident="i", camera="cellar", trigger_boot=clock.now, trigger_wall=clock.wall())
    )
    refused = [(m.what, m.subject, m.reason) for m in bench.told if isinstance(m, Refused)]
    assert [(what, subject) for what, subject, _ in refused] == [("clip", "clip-1"), ("clip", "late"), ("still", "s")]
    assert "no such camera" in refused[0][2] and "too late" in refused[1][2]


async def test_a_still_is_the_picture_before_the_moment(bench: Bench, clock: FixedClock) -> None:
    bench.footage(5.5)
    bench.live()
    moment = clock.now - 2 * SECOND - 300_000
    bench.recorder.take_still(
        TakeStill(still="s", incident="i", camera="hall", trigger_boot=moment, trigger_wall=moment + clock.ahead)
    )
    await bench.done()
    taken = bench.of(StillTaken)[0]
    assert 0 <= moment + clock.ahead - taken.taken < SECOND
    assert (taken.width, taken.height) == (320, 180)
    stored = bench.recorder._store.path(taken.sha256).read_bytes()
    assert len(stored) == taken.bytes and stored.startswith(b"\xff\xd8")


async def test_no_still_is_better_than_one_of_another_hour(bench: Bench, clock: FixedClock) -> None:
    bench.footage(3)
    bench.lost()
    clock.now += 600 * SECOND
    asked = clock.now
    bench.recorder.take_still(
        TakeStill(still="s", incident="i", camera="hall", trigger_boot=asked, trigger_wall=clock.wall())
    )
    await asyncio.sleep(0)  # the request begins to wait
    clock.now += 6 * SECOND
    await bench.done()
    refused = bench.of(Refused)[0]
    assert refused.reason == "the camera stopped sending"


async def test_a_predecessors_open_clip_is_sealed_and_its_gap_told(
    bench: Bench, clock: FixedClock, tmp_path: Path, tasks: asyncio.TaskGroup
) -> None:
    bench.footage(7)
    bench.live()
    trigger = at(clock, ago=1, pre=3, post=30)
    bench.recorder.save_clip(trigger)
    async with asyncio.timeout(5):
        while len(bench.of(SegmentAdded)) < 2:
            await asyncio.sleep(0)
    for task in bench.recorder._busy.values():
        task.cancel()
    await bench.done()
    assert bench.of(ClipSealed) == []
    clock.now += 20 * SECOND
    heir = Recorder(root=tmp_path / "media", clock=clock, send=bench.told.append, tasks=tasks)
    heir.prepare()
    told = list(heir.report())
    sealed = next(m for m in told if isinstance(m, ClipSealed))
    gap = next(m for m in told if isinstance(m, Gap))
    segments = [m for m in told if isinstance(m, SegmentAdded)]
    # Key pictures are a subject of their own: they may have been told before the clip was opened.
    assert isinstance(next(m for m in told if isinstance(m, ClipOpened | SegmentAdded | ClipSealed)), ClipOpened)
    assert (sealed.reason, sealed.segments, sealed.clip) == ("worker_lost", len(segments), "clip-1")
    assert gap.since == segments[-1].wall_start + segments[-1].duration
    assert gap.until == clock.wall()
    third = Recorder(root=tmp_path / "media", clock=clock, send=bench.told.append, tasks=tasks)
    third.prepare()
    assert set(third.report()) == set(told), "sealed once, whoever restarts how often"


async def test_a_worker_that_is_told_to_stop_seals_what_it_has(bench: Bench, clock: FixedClock) -> None:
    bench.footage(7.5)
    bench.live()
    bench.recorder.save_clip(at(clock, ago=1, pre=3, post=60))
    await bench.recorder.close(within=5)
    sealed = bench.of(ClipSealed)[0]
    added = bench.of(SegmentAdded)[-1]
    assert (sealed.reason, sealed.segments) == ("worker_lost", added.n + 1)
    # The pictures of the segment that was still open are kept as well.
    assert clock.now - (added.start + added.duration) <= 200_000


async def test_a_silent_camera_is_noticed_by_the_loop(bench: Bench, clock: FixedClock) -> None:
    bench.footage(3)
    bench.live()
    bench.feed._session = None
    clock.now += 3 * SECOND
    bench.feed.watch()
    assert bench.feed.live
    clock.now += 2 * SECOND
    bench.feed.watch()
    assert [(m.state, m.reason) for m in bench.told if isinstance(m, CameraState)] == [
        ("live", ""),
        ("lost", "the camera stopped sending"),
    ]
    bench.live()
    await bench.done()
    gap = bench.of(Gap)[0]
    assert gap.until - gap.since == 5 * SECOND


def test_the_disk_pool_is_small(tmp_path: Path) -> None:
    recorder = Recorder(root=tmp_path, clock=FixedClock(), send=lambda _: None, tasks=asyncio.TaskGroup())
    assert recorder._disk._max_workers == 2
