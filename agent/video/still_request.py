"""Taking one still: choosing the picture, keeping it, or saying why there is none."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Executor

from agent.video.blobs import Blob
from agent.video.camera import CameraFeed
from agent.video.clock import Clock
from agent.video.errors import PictureError, StorageError
from agent.video.keeping import Keeping
from agent.video.messages import Refused, StillTaken, TakeStill
from agent.video.ring import KeyPicture
from agent.video.still import Still, make_still
from agent.video.teller import Teller

PATIENCE = 5_000_000
"""How long (µs) to wait for a first picture of a camera that has shown none yet."""
FARTHEST = 60_000_000
"""A picture farther than this (µs) from the moment asked for would mislead whoever looks at it."""
TRIES = 3
"""Key pictures tried before giving up, when some are damaged."""


class StillRequest:
    """One `take_still`, from `run()` to its answer."""

    def __init__(
        self,
        *,
        request: TakeStill,
        feed: CameraFeed,
        keeping: Keeping,
        teller: Teller,
        disk: Executor,
        clock: Clock,
    ) -> None:
        self._request = request
        self._feed = feed
        self._keeping = keeping
        self._teller = teller
        self._disk = disk
        self._clock = clock

    async def run(self) -> Refused | None:
        """Take and tell it; else the refusal, for the caller to send."""
        began = self._clock.boot()
        pictures = self._pictures()
        while not pictures and self._clock.boot() < began + PATIENCE:
            news = self._feed.news
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), 0.2)
            pictures = self._pictures()
        if not pictures:
            state = self._feed.state
            return self._refused(state.reason if state and state.reason else "the camera has shown no picture yet")
        reason = ""
        for picture in pictures[:TRIES]:
            try:
                await self._take(picture)
            except (PictureError, StorageError) as error:
                reason = str(error)
            else:
                return None
        return self._refused(reason)

    def _pictures(self) -> list[KeyPicture]:
        intake = self._feed.intake
        mark = intake.timeline.at(self._request.trigger_boot)
        found = intake.ring.key_pictures(mark)
        return [picture for picture in found if abs(picture.unit.pts - mark) <= FARTHEST]

    async def _take(self, picture: KeyPicture) -> None:
        blob, still = await asyncio.get_running_loop().run_in_executor(self._disk, self._keep, picture)
        await self._teller.tell(
            StillTaken(
                still=self._request.still,
                incident=self._request.incident,
                camera=self._request.camera,
                sha256=blob.sha256,
                bytes=blob.bytes,
                taken=self._feed.intake.wall_of(picture.unit.pts),
                width=still.width,
                height=still.height,
            )
        )

    def _keep(self, picture: KeyPicture) -> tuple[Blob, Still]:
        still = make_still(picture)
        return self._keeping.put(still.jpeg), still

    def _refused(self, reason: str) -> Refused:
        return Refused(what="still", subject=self._request.still, camera=self._request.camera, reason=reason)
