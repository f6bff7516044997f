"""The recorder: carries out what the core asks, with the cameras it configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import structlog

from agent.video.blobs import BlobStore
from agent.video.camera import CameraFeed
from agent.video.clip import Clip
from agent.video.clock import Clock
from agent.video.errors import StorageError
from agent.video.journal import Journal
from agent.video.messages import (
    Camera,
    CameraState,
    ClipOpened,
    ClipSealed,
    FromWorker,
    Gap,
    Refused,
    SaveClip,
    SegmentAdded,
    TakeStill,
)
from agent.video.still_request import StillRequest
from agent.video.teller import Teller
from agent.video.timeline import Reservation

log = structlog.get_logger()

MOST_AT_ONCE = 64
"""Clips and stills in the making at once; a request beyond that is refused with a sentence."""
WATCH_EVERY = 0.5
"""Seconds between looks at cameras that may have gone silent."""
RESERVE_EVERY = 20
"""Looks between checks of the timeline's reservation."""


class Recorder:
    """Cameras, clips and stills below one media directory. `send` hands a message to the link. `prepare()` reads and
    repairs what a predecessor left (blocking), `run()` watches the cameras, `close()` keeps what is open. Clips and
    stills run in `tasks`, from the moment they are asked for."""

    def __init__(
        self, *, root: Path, clock: Clock, send: Callable[[FromWorker], None], tasks: asyncio.TaskGroup
    ) -> None:
        self._clock = clock
        self._send = send
        self._store = BlobStore(root)
        self._journal = Journal(root)
        self._reservation = Reservation(root / "timeline.json")
        # Two threads: one file's fsync does not hold up the next one's hashing; more would only cost memory.
        self._disk = ThreadPoolExecutor(max_workers=2, thread_name_prefix="media disk")
        self._teller = Teller(journal=self._journal, disk=self._disk, send=send)
        self._feeds: dict[str, CameraFeed] = {}
        self._tasks = tasks
        self._busy: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()

    def prepare(self) -> None:
        """Before anything is said: seal, shortened, the clips of a predecessor that was killed."""
        try:
            self._store.prepare()
            self._journal.load()
        except StorageError as error:
            # Cameras are still watched and clips still tried: the disk may come back, and the core must hear of it.
            log.error("media.storage_failed", reason=str(error))
        self._reservation.load(now=self._clock.boot())
        self._reserve()
        for opened, segments in self._journal.orphans():
            self._seal_orphan(opened, segments)

    def _seal_orphan(self, opened: ClipOpened, segments: list[SegmentAdded]) -> None:
        last = segments[-1] if segments else None
        since = last.wall_start + last.duration if last else opened.trigger - opened.pre
        end = last.start + last.duration if last else opened.start
        gap = Gap(
            camera=opened.camera,
            since=since,
            until=max(since, self._clock.wall()),
            reason="the media worker was stopped in the middle of a clip",
        )
        sealed = ClipSealed(
            clip=opened.clip,
            camera=opened.camera,
            end=min(end, opened.mark + max(opened.post, 1)),
            segments=len(segments),
            reason="worker_lost",
        )
        for message in (gap, sealed):
            try:
                self._journal.write(message)
            except StorageError as error:
                log.warning("media.journal_failed", reason=str(error))
            self._journal.remember(message)
        log.warning("clip.sealed", clip=opened.clip, camera=opened.camera, reason=sealed.reason)

    def _reserve(self) -> None:
        try:
            self._reservation.extend(now=self._clock.boot())
        except StorageError as error:
            log.warning("media.timeline_not_reserved", reason=str(error))

    def configure(self, cameras: Iterable[Camera]) -> None:
        """Follow exactly these cameras; those that did not change go on undisturbed."""
        wanted = {camera.id: camera for camera in cameras}
        for name, feed in list(self._feeds.items()):
            if wanted.get(name) != feed.camera:
                feed.stop()
                feed.finish()
                del self._feeds[name]
        for name, camera in wanted.items():
            if name not in self._feeds:
                feed = CameraFeed(camera=camera, clock=self._clock, base=self._reservation.base, say=self._say)
                self._feeds[name] = feed
                feed.start()

    def report(self) -> Iterable[FromWorker]:
        """What a core that just connected must hear: how each camera is, and all that it has not confirmed."""
        for feed in self._feeds.values():
            if feed.state is not None:
                yield feed.state
        yield from self._journal.unconfirmed()

    def save_clip(self, request: SaveClip) -> None:
        """Begin a clip; or tell again what is known of it; or refuse."""
        if self._stopping.is_set():
            # Unanswered, it is asked again of the next worker.
            return
        if self._teller.retell(request.clip) or ("clip", request.clip) in self._busy:
            return
        feed = self._feeds.get(request.camera)
        if feed is None:
            refusal = "no such camera is configured here"
        elif self._clock.boot() > request.deadline_boot:
            refusal = "the request came too late: its footage is not in memory any more"
        elif len(self._busy) >= MOST_AT_ONCE:
            refusal = f"{MOST_AT_ONCE} clips and stills are in the making already"
        else:
            clip = Clip(
                request=request,
                feed=feed,
                store=self._store,
                teller=self._teller,
                disk=self._disk,
                clock=self._clock,
                stopping=self._stopping,
            )
            self._begin(("clip", request.clip), clip.run())
            return
        self._send(Refused(what="clip", subject=request.clip, camera=request.camera, reason=refusal))

    def take_still(self, request: TakeStill) -> None:
        """Take a still; or tell the one that was taken; or refuse."""
        if self._stopping.is_set():
            return
        if self._teller.retell(request.still) or ("still", request.still) in self._busy:
            return
        feed = self._feeds.get(request.camera)
        if feed is None or len(self._busy) >= MOST_AT_ONCE:
            reason = "no such camera is configured here" if feed is None else "too much is in the making already"
            self._send(Refused(what="still", subject=request.still, camera=request.camera, reason=reason))
            return
        still = StillRequest(
            request=request,
            feed=feed,
            store=self._store,
            teller=self._teller,
            disk=self._disk,
            clock=self._clock,
        )
        self._begin(("still", request.still), self._take(still))

    async def _take(self, still: StillRequest) -> None:
        if refusal := await still.run():
            self._send(refusal)

    def stored(self, subject: str) -> None:
        """The core has all about this subject."""
        if path := self._journal.forget(subject):
            self._disk.submit(path.unlink, missing_ok=True)

    async def run(self) -> None:
        """Watch the cameras until cancelled. WorkerError when one of their threads died."""
        looks = 0
        while True:
            for feed in self._feeds.values():
                feed.watch()
            looks += 1
            if looks % RESERVE_EVERY == 0:
                await asyncio.get_running_loop().run_in_executor(self._disk, self._reserve)
            if surplus := self._journal.surplus():
                log.error("media.manifest_forgotten", subject=surplus)
                self.stored(surplus)
            await asyncio.sleep(WATCH_EVERY)

    async def close(self, *, within: float) -> None:
        """Keep what is in memory for the clips now open and seal them, in `within` seconds at most; what is not
        finished then, the next worker seals."""
        for feed in self._feeds.values():
            feed.stop()
        self._stopping.set()
        for feed in self._feeds.values():
            feed.finish()
        if self._busy:
            _, late = await asyncio.wait(self._busy.values(), timeout=within)
            for task in late:
                task.cancel()

    def shutdown(self) -> None:
        """Give the disk threads back. Last of all: nothing may be asked any more."""
        self._disk.shutdown(wait=False, cancel_futures=True)

    def _say(self, message: CameraState | Gap) -> None:
        if isinstance(message, Gap):
            self._begin(("gap", f"{message.camera} {message.since}"), self._teller.tell(message))
        else:
            self._send(message)

    def _begin(self, key: tuple[str, str], work: Coroutine[object, object, None]) -> None:
        task = self._tasks.create_task(work, name=" ".join(key))
        self._busy[key] = task
        task.add_done_callback(lambda _: self._busy.pop(key, None))
