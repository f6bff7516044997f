"""The recorder: carries out what the core asks, with the cameras it configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import structlog

from agent.video import disposal
from agent.video.blobs import BlobStore
from agent.video.camera import CameraFeed
from agent.video.clip import Clip
from agent.video.clock import Clock
from agent.video.errors import StorageError
from agent.video.journal import Journal
from agent.video.keeping import Keeping
from agent.video.messages import (
    Camera,
    CameraState,
    ClipOpened,
    ClipSealed,
    Evict,
    FromWorker,
    Gap,
    ListFiles,
    NewClips,
    Refused,
    SaveClip,
    SegmentAdded,
    TakeStill,
)
from agent.video.pictures_request import PicturesRequest, lower_this_thread
from agent.video.reserve import Reserve
from agent.video.still_request import StillRequest
from agent.video.teller import Teller
from agent.video.timeline import Reservation

log = structlog.get_logger()

MOST_AT_ONCE = 64
"""Clips and stills in the making at once; a request beyond that is refused with a sentence."""
WATCH_EVERY = 0.5
"""Seconds between looks at cameras that may have gone silent."""
RESERVE_EVERY = 20
"""Looks between checks of the timeline's reservation and of the disk's reserve."""
MOST_ORDERS = 16
"""Orders to delete or to list that may wait; the core asks one after another, so more are a fault and are dropped."""


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
        # What is in no hurry has a thread of its own, so that it is never what a clip waits for.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="media aside", initializer=lower_this_thread)
        self._reserve_file = Reserve(root)
        self._keeping = Keeping(store=self._store, reserve=self._reserve_file)
        self._no_new_clips = ""
        self._orders = 0
        self._teller = Teller(journal=self._journal, disk=self._disk, send=send)
        self._feeds: dict[str, CameraFeed] = {}
        self._tasks = tasks
        self._busy: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._patient: set[asyncio.Task[None]] = (
            set()
        )  # key pictures, at most one for each clip; orders, at most MOST_ORDERS
        self._stopping = asyncio.Event()

    def prepare(self) -> None:
        """Before anything is said: seal, shortened, the clips of a predecessor that was killed."""
        try:
            self._store.prepare()
            self._journal.load()
        except StorageError as error:
            # Cameras are still watched and clips still tried: the disk may come back, and the core must hear of it.
            log.error("media.storage_failed", reason=str(error))
        self._reserve_file.set_aside()
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
        elif self._no_new_clips:
            refusal = self._no_new_clips
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
            self._take_pictures(request, feed)
            return
        self._send(Refused(what="clip", subject=request.clip, camera=request.camera, reason=refusal))

    def _take_pictures(self, request: SaveClip, feed: CameraFeed) -> None:
        pictures = PicturesRequest(
            request=request, feed=feed, keeping=self._keeping, teller=self._teller, aside=self._aside
        )
        stills = [task for (what, _), task in self._busy.items() if what == "still"]
        # Not among the busy: what is only convenient must not keep a clip or still from being made.
        task = self._tasks.create_task(pictures.run(first=stills), name=f"pictures {request.clip}")
        self._patient.add(task)
        task.add_done_callback(self._patient.discard)

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
            keeping=self._keeping,
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

    def new_clips(self, message: NewClips) -> None:
        """Whether new clips are taken from now on."""
        self._no_new_clips = "" if message.state == "taken" else message.reason

    def dispose(self, order: Evict | ListFiles) -> None:
        """Delete, or say what is there; answered when done."""
        if self._orders >= MOST_ORDERS:
            log.error("media.too_many_orders")
            return
        self._orders += 1
        task = self._tasks.create_task(self._dispose(order), name=order.type)
        self._patient.add(task)
        task.add_done_callback(self._patient.discard)

    async def _dispose(self, order: Evict | ListFiles) -> None:
        run = asyncio.get_running_loop().run_in_executor
        try:
            if isinstance(order, Evict):
                needed = disposal.named(list(self._journal.unconfirmed()))
                self._send(await run(self._aside, partial(disposal.evict, self._store, order, needed=needed)))
            elif (page := await run(self._aside, disposal.files, self._store, order)) is not None:
                self._send(page)
        finally:
            self._orders -= 1

    async def run(self) -> None:
        """Watch the cameras until cancelled. WorkerError when one of their threads died."""
        looks = 0
        while True:
            for feed in self._feeds.values():
                feed.watch()
            looks += 1
            if looks % RESERVE_EVERY == 0:
                await asyncio.get_running_loop().run_in_executor(self._disk, self._reserve)
                await asyncio.get_running_loop().run_in_executor(self._disk, self._reserve_file.set_aside)
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
        for task in self._patient:
            task.cancel()

    def shutdown(self) -> None:
        """Give the threads back. Last of all: nothing may be asked any more."""
        self._disk.shutdown(wait=False, cancel_futures=True)
        self._aside.shutdown(wait=False, cancel_futures=True)

    def _say(self, message: CameraState | Gap) -> None:
        if isinstance(message, Gap):
            self._begin(("gap", f"{message.camera} {message.since}"), self._teller.tell(message))
        else:
            self._send(message)

    def _begin(self, key: tuple[str, str], work: Coroutine[object, object, None]) -> None:
        task = self._tasks.create_task(work, name=" ".join(key))
        self._busy[key] = task
        task.add_done_callback(lambda _: self._busy.pop(key, None))
