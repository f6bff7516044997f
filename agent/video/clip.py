"""A clip: written from the ring while it grows, told segment by segment, sealed for a stated reason."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Executor

import structlog

from agent.video.blobs import Blob, BlobStore
from agent.video.camera import CameraFeed
from agent.video.clock import Clock
from agent.video.errors import StorageError
from agent.video.messages import ClipOpened, ClipSealed, Gap, SaveClip, SealReason, SegmentAdded
from agent.video.segment import LONGEST, Segment
from agent.video.teller import Teller

log = structlog.get_logger()

GRACE = LONGEST + 6_000_000
"""How long (µs) after its end a clip waits for the segment that covers it, while the camera delivers."""
LOOK = 0.5
"""Seconds between looks at the clock while nothing is heard of the camera."""


class Clip:
    """One `save_clip`, from `run()` to its seal. `stopping` set means that the worker ends: what is there is kept."""

    def __init__(
        self,
        *,
        request: SaveClip,
        feed: CameraFeed,
        store: BlobStore,
        teller: Teller,
        disk: Executor,
        clock: Clock,
        stopping: asyncio.Event,
    ) -> None:
        self._request = request
        self._feed = feed
        self._store = store
        self._teller = teller
        self._disk = disk
        self._clock = clock
        self._stopping = stopping
        self._next = 0
        self._segments = 0
        self._part = -1
        self._init: Blob | None = None
        self._start = 0
        self._out = 0
        self._end = 0
        self._end_wall = 0

    async def run(self) -> None:
        """Open, grow, seal."""
        await self._open()
        try:
            reason = await self._grow()
        except StorageError as error:
            log.error("clip.storage_failed", clip=self._request.clip, reason=str(error))
            await self._seal("disk_full" if error.full else "worker_lost", trouble=str(error))
            return
        await self._seal(reason)

    async def _open(self) -> None:
        request, intake = self._request, self._feed.intake
        mark = intake.timeline.at(request.trigger_boot)
        wanted = mark - request.pre
        beginning = intake.ring.covering(wanted)
        self._next = beginning.number
        self._start = self._end = max(wanted, beginning.start) if beginning.start is not None else wanted
        self._out = mark + max(request.post, 1)
        self._end_wall = intake.wall_of(self._start)
        parameters = intake.ring.parameters
        await self._teller.tell(
            ClipOpened(
                clip=request.clip,
                incident=request.incident,
                camera=request.camera,
                trigger=request.trigger_wall,
                pre=request.pre,
                post=request.post,
                start=self._start,
                mark=mark,
                width=parameters.width if parameters else 0,
                height=parameters.height if parameters else 0,
            )
        )

    async def _grow(self) -> SealReason:
        """Keep segments until the clip's end is covered or nothing more can come."""
        over = self._request.trigger_boot + self._request.post
        while True:
            news = self._feed.news
            stopping = self._stopping.is_set()
            for segment in self._feed.intake.ring.since(self._next):
                if segment.start >= self._out:
                    # Behind a hole: the footage of the end itself never came.
                    return "camera_lost" if self._segments else "no_footage"
                if not segment.key and not self._segments:
                    self._next = segment.number + 1
                    continue
                await self._keep(segment)
                if segment.end >= self._out:
                    return "complete"
            now = self._clock.boot()
            if now >= over + GRACE or (now >= over and not self._feed.live):
                return "camera_lost" if self._segments else "no_footage"
            if stopping:
                return "worker_lost"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), LOOK)

    async def _keep(self, segment: Segment) -> None:
        if segment.number > self._next and self._segments:
            log.warning("clip.segments_missed", clip=self._request.clip, count=segment.number - self._next)
            reason = "the media disk could not keep up with the camera"
            await self._tell_gap(until=segment.wall_start, reason=reason)
        self._next = segment.number + 1
        run = asyncio.get_running_loop().run_in_executor
        if self._init is None or self._init.sha256 != segment.parameters.init_sha256:
            self._init = await run(self._disk, self._store.put, segment.parameters.init)
            self._part += 1
        blob = await run(self._disk, self._write, segment)
        await self._teller.tell(
            SegmentAdded(
                clip=self._request.clip,
                camera=self._request.camera,
                n=self._segments,
                part=self._part,
                init=self._init.sha256,
                init_bytes=self._init.bytes,
                sha256=blob.sha256,
                bytes=blob.bytes,
                start=segment.start,
                duration=segment.duration,
                wall_start=segment.wall_start,
                codec=segment.parameters.codec_string,
            )
        )
        self._segments += 1
        self._end = segment.end
        self._end_wall = segment.wall_start + segment.duration

    def _write(self, segment: Segment) -> Blob:
        return self._store.put(segment.media())

    async def _seal(self, reason: SealReason, *, trouble: str | None = None) -> None:
        if trouble is not None:
            await self._tell_gap(until=self._clock.wall(), reason=trouble)
        elif reason in ("camera_lost", "no_footage"):
            gap = self._feed.take_gap()
            if gap is not None:
                await self._teller.tell(gap)
            elif self._feed.live:
                await self._tell_gap(until=self._clock.wall(), reason="the camera did not send the end of the clip")
        elif reason == "worker_lost":
            await self._tell_gap(until=self._clock.wall(), reason="the media worker was stopped")
        end = self._out if reason == "complete" else max(self._start, min(self._end, self._out))
        await self._teller.tell(
            ClipSealed(
                clip=self._request.clip,
                camera=self._request.camera,
                end=end,
                segments=self._segments,
                reason=reason,
            )
        )
        log.info("clip.sealed", clip=self._request.clip, camera=self._request.camera, reason=reason)

    async def _tell_gap(self, *, until: int, reason: str) -> None:
        since = self._end_wall
        await self._teller.tell(Gap(camera=self._request.camera, since=since, until=max(since, until), reason=reason))
