"""Making the key pictures of one clip: after its still, at low priority, and told once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Iterable
from concurrent.futures import Executor

import structlog

from agent.video.blobs import Blob
from agent.video.camera import CameraFeed
from agent.video.errors import PictureError, StorageError
from agent.video.keeping import Keeping
from agent.video.messages import PicturesTaken, SaveClip
from agent.video.pictures import choose, make_strip
from agent.video.ring import KeyPicture
from agent.video.still import Still
from agent.video.teller import Teller

log = structlog.get_logger()

NICE = 19
PATIENCE = 6.0
"""Seconds that the stills of the incident may take before the key pictures are made all the same."""


def lower_this_thread() -> None:
    """Whatever else the worker does goes first."""
    with contextlib.suppress(PermissionError):  # where the service manager forbids it
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class PicturesRequest:
    """The key pictures of one `save_clip`. Without any there is nothing to tell: the clip itself comes."""

    def __init__(
        self, *, request: SaveClip, feed: CameraFeed, keeping: Keeping, teller: Teller, aside: Executor
    ) -> None:
        self._request = request
        self._feed = feed
        self._keeping = keeping
        self._teller = teller
        self._aside = aside
        # Now: by the time the stills are done the ring may have moved on.
        mark = feed.intake.timeline.at(request.trigger_boot)
        self._chosen = choose(feed.intake.ring.key_pictures(mark), start=mark - request.pre, mark=mark)

    async def run(self, *, first: Iterable[asyncio.Task[None]]) -> None:
        """Wait for `first` (the stills), then make, keep and tell them."""
        if not self._chosen:
            return
        stills = list(first)
        if stills:
            await asyncio.wait(stills, timeout=PATIENCE)
        try:
            blob, strip, shown = await asyncio.get_running_loop().run_in_executor(self._aside, self._make)
        except (PictureError, StorageError) as error:
            log.warning("pictures.not_made", clip=self._request.clip, reason=str(error))
            return
        await self._teller.tell(
            PicturesTaken(
                clip=self._request.clip,
                incident=self._request.incident,
                camera=self._request.camera,
                sha256=blob.sha256,
                bytes=blob.bytes,
                taken=tuple(self._feed.intake.wall_of(picture.unit.pts) for picture in shown),
                width=strip.width,
                height=strip.height,
            )
        )

    def _make(self) -> tuple[Blob, Still, list[KeyPicture]]:
        strip, shown = make_strip(self._chosen)
        return self._keeping.put(strip.jpeg), strip, shown
