"""The media worker as a real process, a lab camera over real RTSP, and every way in which a recording can go."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import stat
from functools import partial
from itertools import pairwise
from pathlib import Path

import av
import pytest

from agent.video.link import (
    CameraState,
    ClipSealed,
    Gap,
    Hello,
    Refused,
    SegmentAdded,
    StillTaken,
)
from agent.video.messages import Evict, Evicted, Files, ListFiles, NewClips, PicturesTaken
from hwlab.cameras import CameraSpec
from tests.integration.media_rig import SECOND, Rig, rig

FPS = 15
SPECS = (CameraSpec(name="hall", title="Hall", fps=FPS, gop=1.0),)


def shown(data: bytes) -> list[int]:
    """The presentation time (µs) of every picture; each one is decoded."""
    with av.open(io.BytesIO(data), "r") as container:
        video = container.streams.video[0]
        video.codec_context.thread_count = 1
        assert video.time_base is not None
        return [round((frame.pts or 0) * video.time_base * SECOND) for frame in container.decode(video)]


def _of(clip: str, sealed: ClipSealed) -> bool:
    return sealed.clip == clip


async def held(it: Rig, seconds: float) -> None:
    """Let that much footage come in."""
    await it.live()
    await asyncio.sleep(seconds)


async def test_a_clip_with_pre_roll_is_a_playable_file_of_the_length_asked_for(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 6)
        it.confirm = False
        asked = it.save(pre=4, post=3)
        still = it.still()
        same = it.save(pre=2, post=2)
        began = asyncio.get_running_loop().time()
        taken = await it.wait(StillTaken, lambda each: each.still == still.still)
        await it.wait(SegmentAdded, lambda each: each.clip == asked.clip)
        assert asyncio.get_running_loop().time() - began < 1.0, "still and first segment should come at once"
        await it.wait(ClipSealed, lambda each: each.clip == asked.clip)
        await it.wait(ClipSealed, lambda each: each.clip == same.clip)

        opened, segments, sealed = it.manifest(asked.clip)
        assert (opened.width, opened.height) == (1280, 720)
        assert sealed.reason == "complete" and sealed.segments == len(segments)
        assert opened.mark - opened.start == 4 * SECOND
        assert sealed.end - opened.mark == 3 * SECOND
        assert abs(opened.trigger - asked.trigger_wall) == 0
        for each in segments:
            assert hashlib.sha256(it.blob(each.sha256)).hexdigest() == each.sha256
            assert len(it.blob(each.sha256)) == each.bytes
            assert len(it.blob(each.init)) == each.init_bytes
            assert (each.part, each.codec[:5]) == (0, "avc1.")
        assert all(before.start + before.duration == after.start for before, after in pairwise(segments))

        times = shown(it.file(segments))
        assert times[0] == segments[0].start <= opened.start
        assert opened.start - times[0] < 2.1 * SECOND
        last = segments[-1]
        assert last.start <= times[-1] < last.start + last.duration
        assert times[-1] >= sealed.end - SECOND // FPS - 1000
        assert all(50_000 <= after - before <= 85_000 for before, after in pairwise(times)), "an even beat"
        assert len(times) == round(sum(each.duration for each in segments) / SECOND * FPS)

        # The wall time of a frame is near that of the trigger at the mark.
        at_mark = segments[0].wall_start + opened.mark - segments[0].start
        assert abs(at_mark - opened.trigger) < 300_000

        other = {each.start: each.sha256 for each in it.manifest(same.clip)[1]}
        mine = {each.start: each.sha256 for each in segments}
        assert other.keys() & mine.keys() and all(other[start] == mine[start] for start in other.keys() & mine.keys())

        with av.open(io.BytesIO(it.blob(taken.sha256)), "r", format="mjpeg") as picture:
            frame = next(picture.decode(video=0))
            assert (frame.width, frame.height) == (taken.width, taken.height) == (1280, 720)
        assert abs(taken.taken - still.trigger_wall) < 1.3 * SECOND

        blob = it.media_dir / "blobs" / taken.sha256[:2] / taken.sha256[2:4] / taken.sha256
        assert stat.S_IMODE(blob.stat().st_mode) == 0o440
        assert stat.S_IMODE(blob.parent.stat().st_mode) == 0o2750

        # Asked again, it is told again, word for word.
        before = len(it.heard)
        it.server.ask(asked)
        await it.wait(ClipSealed, lambda each: each.clip == asked.clip, after=before)
        assert len(it.of(ClipSealed, lambda each: each.clip == asked.clip)) == 2
        assert it.manifest(asked.clip) == (opened, segments, sealed)
        there = {path.name for path in it.media_dir.iterdir()}
        assert there == {"blobs", "tmp", "manifests", "timeline.json", "reserve"}
        assert list((it.media_dir / "tmp").iterdir()) == []


async def test_a_camera_that_stalls_and_comes_back(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 4)
        clip = it.save(pre=2, post=7)
        camera = it.cameras["hall"]
        await asyncio.sleep(1)
        await camera.mode("stalled")
        lost = await it.wait(CameraState, lambda each: each.state == "lost")
        assert lost.reason == "the camera stopped sending"
        sealed = await it.wait(ClipSealed, lambda each: each.clip == clip.clip)
        opened, segments, _ = it.manifest(clip.clip)
        assert sealed.reason == "camera_lost" and segments
        assert sealed.end == segments[-1].start + segments[-1].duration < opened.mark + 7 * SECOND
        gap = it.of(Gap)[0]
        assert gap.reason == "the camera stopped sending"
        assert abs(gap.since - (segments[-1].wall_start + segments[-1].duration)) < 400_000

        before = len(it.heard)
        await camera.mode("ok")
        await it.wait(CameraState, lambda each: each.state == "live", after=before, seconds=45)
        await asyncio.sleep(3)
        again = it.save(pre=1, post=1)
        await it.wait(ClipSealed, lambda each: each.clip == again.clip and each.reason == "complete")
        later = it.manifest(again.clip)[1]
        assert later[0].start > segments[-1].start + segments[-1].duration, "the timeline goes on"
        assert later[0].init == segments[0].init, "same camera settings, same init"
        gaps = it.of(Gap)
        assert gaps[1].since == gaps[0].until, "no second without a cause"
        assert shown(it.file(later))[0] == later[0].start


async def test_a_camera_that_goes_away_is_told_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 1)
        await it.cameras["hall"].mode("down")
        await it.wait(CameraState, lambda each: each.state == "lost", seconds=3)
        unreachable = await it.wait(CameraState, lambda each: "cannot be reached" in each.reason, seconds=10)
        assert "check its power" in unreachable.reason
        empty = it.save(pre=0, post=0)
        still = it.still()
        sealed = await it.wait(ClipSealed, lambda each: each.clip == empty.clip)
        assert (sealed.reason, sealed.segments) == ("no_footage", 0)
        # A picture of a moment ago is still in memory.
        await it.wait(StillTaken, lambda each: each.still == still.still)


@pytest.mark.parametrize(
    ("password", "path", "reason"),
    [("wr0ng-canary", "", "refused the user name or password (401)"), (None, "-nowhere", "no such stream (404)")],
)
async def test_a_camera_that_refuses_is_explained_and_not_pestered(
    tmp_path: Path, password: str | None, path: str, reason: str
) -> None:
    async with rig(tmp_path, specs=SPECS, password=password, path=path) as it:
        state = await it.wait(CameraState)
        assert state.state == "lost" and reason in state.reason
        still = it.still()
        refused = await it.wait(Refused, lambda each: each.subject == still.still)
        assert reason in refused.reason
        assert len(it.of(CameraState)) == 1, "said once"
        assert await it.stop_worker() == 0
        output = it.output.decode()
        assert output.count("camera.retry") == 1
        assert "canary" not in output and "c@nary" not in output and "c%40nary" not in output


async def test_no_secret_is_in_the_process_list_or_the_log(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 1)
        assert it.process is not None
        for name in ("cmdline", "environ"):
            content = await asyncio.to_thread(Path(f"/proc/{it.process.pid}/{name}").read_bytes)
            assert b"nary" not in content
        await it.cameras["hall"].mode("unauthorised")
        await it.wait(CameraState, lambda each: "401" in each.reason, seconds=20)
        await it.stop_worker()
        assert "nary" not in it.output.decode()
        assert not [path for path in it.media_dir.rglob("*") if path.is_file() and b"nary:/" in path.read_bytes()]


async def test_a_killed_worker_leaves_a_sealed_short_clip_and_a_gap(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 5)
        clip = it.save(pre=3, post=30)
        await it.wait(SegmentAdded, lambda each: each.clip == clip.clip and each.n == 2)
        await it.stop_worker(kill=True)
        heard = len(it.heard)
        told = it.of(SegmentAdded, lambda each: each.clip == clip.clip)
        assert it.of(ClipSealed) == []
        await it.start_worker()
        sealed = await it.wait(ClipSealed, lambda each: each.clip == clip.clip, after=heard)
        gap = await it.wait(Gap, after=heard)
        opened, segments, _ = it.manifest(clip.clip)
        assert sealed.reason == "worker_lost"
        assert sealed.segments == len(segments) >= len(told)
        assert sealed.end == segments[-1].start + segments[-1].duration
        assert gap.since == segments[-1].wall_start + segments[-1].duration
        assert "media worker" in gap.reason
        times = shown(it.file(segments))
        assert times[0] <= opened.start and len(times) >= 4 * FPS
        assert list((it.media_dir / "tmp").iterdir()) == []

        # The request counts as answered: the next worker does not begin it anew. And the timeline goes on.
        await it.wait(CameraState, lambda each: each.state == "live", after=heard)
        await asyncio.sleep(3)
        again = it.save(pre=1, post=0)
        await it.wait(ClipSealed, lambda each: each.clip == again.clip)
        assert it.manifest(again.clip)[1][0].start > sealed.end
        assert len(it.of(ClipSealed, lambda each: each.clip == clip.clip)) == 1

        # All confirmed: nothing is kept, nothing told a third time.
        await it.stop_worker()
        assert list((it.media_dir / "manifests").iterdir()) == []
        heard = len(it.heard)
        await it.start_worker()
        await it.wait(CameraState, after=heard)
        kinds = {type(message) for _, message in it.heard[heard:]} - {CameraState, Hello}
        assert {kind.__name__ for kind in kinds} == {"WorkerGone"} or kinds == set()


async def test_killed_at_any_moment_every_segment_told_is_whole(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=(CameraSpec(name="hall", title="Hall", fps=FPS, gop=0.5),)) as it:
        for instant in (0.0, 0.01, 0.03):
            heard = len(it.heard)
            await it.wait(CameraState, lambda each: each.state == "live", after=heard - 3 if heard else 0)
            await asyncio.sleep(2.5)
            clip = it.save(pre=2, post=20)
            await asyncio.sleep(instant)
            await it.stop_worker(kill=True)
            heard = len(it.heard)
            await it.start_worker()
            await it.wait(CameraState, lambda each: each.state == "live", after=heard)
            mine = partial(_of, clip.clip)
            if not it.of(ClipSealed, mine):
                # Killed before it was opened: asked of the next worker, which is making it now.
                await it.stop_worker()
                heard = len(it.heard)
                await it.start_worker()
            await it.wait(ClipSealed, mine)
            _, segments, sealed = it.manifest(clip.clip)
            assert sealed.segments == len(segments)
            for each in segments:
                assert hashlib.sha256(it.blob(each.sha256)).hexdigest() == each.sha256
            if segments:
                assert shown(it.file(segments))[0] == segments[0].start


async def test_a_worker_told_to_stop_keeps_what_it_has(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 3)
        clip = it.save(pre=2, post=60)
        await it.wait(SegmentAdded)
        await asyncio.sleep(0.7)
        assert await it.stop_worker() == 0, it.output.decode()
        sealed = await it.wait(ClipSealed, lambda each: each.clip == clip.clip)
        assert sealed.reason == "worker_lost"
        _, segments, _ = it.manifest(clip.clip)
        assert len(shown(it.file(segments))) >= 2.5 * FPS
        assert "Traceback" not in it.output.decode()


@pytest.mark.skipif(os.getuid() != 0, reason="mounting a small file system needs root")
async def test_a_full_disk_is_said_and_tried_again(tmp_path: Path) -> None:
    media = tmp_path / "media"
    media.mkdir()
    mount = await asyncio.create_subprocess_exec("mount", "-t", "tmpfs", "-o", "size=400k", "lab", str(media))
    if await mount.wait() != 0:
        pytest.skip("this machine does not let us mount a file system")
    try:
        async with rig(tmp_path, specs=SPECS) as it:
            await held(it, 4)
            full = it.save(pre=3, post=30)
            sealed = await it.wait(ClipSealed, lambda each: each.clip == full.clip, seconds=30)
            assert sealed.reason == "disk_full"
            gap = await it.wait(Gap)
            assert "no room left on the media disk" in gap.reason
            second = it.save(pre=3, post=0)
            assert (await it.wait(ClipSealed, lambda each: each.clip == second.clip)).reason == "disk_full"
            roomier = await asyncio.create_subprocess_exec("mount", "-o", "remount,size=50m", str(media))
            assert await roomier.wait() == 0
            third = it.save(pre=3, post=0)
            assert (await it.wait(ClipSealed, lambda each: each.clip == third.clip)).reason == "complete"
            assert len(it.of(Hello)) == 1, "the worker went on"
    finally:
        gone = await asyncio.create_subprocess_exec("umount", str(media))
        await gone.wait()


async def test_key_pictures_come_after_the_still_and_before_the_clip_is_over(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 5)
        still = it.still()
        asked = it.save(pre=4, post=4)
        strip = await it.wait(PicturesTaken, lambda each: each.clip == asked.clip)
        kinds = [type(message) for _, message in it.heard]
        assert kinds.index(StillTaken) < kinds.index(PicturesTaken), "the still comes first"
        assert not it.of(ClipSealed), "they are not kept waiting for the clip"
        assert (strip.incident, strip.camera, strip.bytes) == (asked.incident, "hall", len(it.blob(strip.sha256)))
        assert strip.bytes < 60_000 and (strip.width, strip.height) == (320 * len(strip.taken), 180)
        assert 3 <= len(strip.taken) <= 5 and list(strip.taken) == sorted(strip.taken)
        assert asked.trigger_wall - 4.5 * SECOND < strip.taken[0] and strip.taken[-1] <= asked.trigger_wall + SECOND
        assert still.incident != asked.incident
        await it.wait(ClipSealed)


async def test_what_is_ordered_is_deleted_but_not_what_was_just_kept(tmp_path: Path) -> None:
    async with rig(tmp_path, specs=SPECS) as it:
        await held(it, 4)
        asked = it.save(pre=2, post=1)
        await it.wait(ClipSealed)
        _, segments, _ = it.manifest(asked.clip)
        mine = segments[0].sha256
        assert it.server.order(ListFiles(after=""))
        page = await it.wait(Files)
        assert page.until == "" and {mine, segments[0].init} <= {file.sha256 for file in page.files}
        assert it.server.order(Evict(batch="1", blobs=(mine, "0" * 64)))
        answer = await it.wait(Evicted)
        assert (answer.gone, answer.kept) == (("0" * 64,), (mine,)), "a clip may just be about to name it"
        await it.stop_worker()  # the next worker has no ring, and so no such clip
        before = len(it.heard)
        await it.start_worker()
        await it.wait(Hello, after=before)
        it.server.order(Evict(batch="2", blobs=(mine,)))
        answer = await it.wait(Evicted, lambda each: each.batch == "2")
        assert answer.gone == (mine,)
        with pytest.raises(FileNotFoundError):
            it.blob(mine)
        it.server.new_clips(NewClips(state="refused", reason="the media disk is full"))
        await it.live()
        refused = it.save(pre=1, post=1)
        assert (await it.wait(Refused, lambda each: each.subject == refused.clip)).reason == "the media disk is full"
        picture = it.still()
        await it.wait(StillTaken, lambda each: each.still == picture.still)
