"""Lane P3 of one outlet: blobs that our manifests name, once no incident waits for that outlet.

A blob that is missing or damaged here is told as `blob.lost` and passed over; it is looked for again later, because
a media disk may be mounted late. Many of them at once are one trouble, not many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agent.clock import Clock, wall_now
from agent.errors import AgentError, OutletError, OutletRefusal
from agent.intake import Intake
from agent.outlets import blob_file
from agent.outlets.answers import DigestDiffers, Later, TooLarge
from agent.outlets.backoff import Backoff
from agent.outlets.link import Link
from agent.outlets.peer import Peer
from agent.outlets.upload import Interrupted, Uploads
from agent.store.blobs import Blob, Blobs
from agent.store.log import Log
from rules.events import BlobLost

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

log = structlog.get_logger()

_AT_A_TIME = 16
_MOST_PASSED_OVER = 256
LOOK_AGAIN = 900.0  # seconds until blobs that were passed over are tried again


class MediaLink:
    """The third connection of an outlet. `alarms` is the link of lane P0: it goes first, always."""

    def __init__(
        self,
        *,
        outlet: str,
        peer: Peer,
        media: Path,
        blobs: Blobs,
        log: Log,
        alarms: Link,
        intake: Intake,
        clock: Clock,
        backoff: Backoff,
        error: Callable[[str], None],
        look_again: float = LOOK_AGAIN,
    ) -> None:
        """`error` is told why media does not get through."""
        self._outlet = outlet
        self._peer = peer
        self._media = media
        self._blobs = blobs
        self._log = log
        self._alarms = alarms
        self._intake = intake
        self._clock = clock
        self._backoff = backoff
        self._error = error
        self._look_again = look_again
        self._uploads = Uploads()
        self._passed_over: dict[str, float] = {}  # sha256 -> loop time to look again; at most 256, see _pass_over
        self._told: set[str] = set()  # emptied when it has as many as may be passed over
        self._manifests = -1
        self._commits = asyncio.Event()

    def look(self) -> None:
        """There is something to send that no new manifest names."""
        self._manifests = -1
        self._commits.set()

    async def run(self) -> None:
        """Until cancelled; no failure of the relay, the store or the disk ends it."""
        self._commits = self._log.follow()
        try:
            while True:
                await self._attempt()
        finally:
            self._log.unfollow(self._commits)

    async def _attempt(self) -> None:
        from agent.outlets.client import connect  # takes its time to import: not before the agent is ready

        try:
            await self._something()
            async with connect(self._peer, bulk=True) as client:
                while True:
                    blobs = await self._something()
                    await self._alarms_first()
                    for blob in blobs:
                        if not self._alarms.clear or self._news():
                            break
                        await self._one(client, blob)
                    self._backoff.reset()
        except OutletRefusal as refusal:
            self._trouble(str(refusal))
            await self._backoff.pause_long()
        except AgentError as error:
            self._trouble(str(error))
            await self._backoff.pause(at_least=error.retry_after if isinstance(error, Later) else None)

    def _trouble(self, reason: str) -> None:
        log.warning("outlet.media", outlet=self._outlet, error=reason)
        self._error(reason)

    async def _alarms_first(self) -> None:
        while not self._alarms.clear:
            # Set again after the next acknowledged round, also when it was set for a state that is over.
            self._alarms.caught_up.clear()
            await self._alarms.caught_up.wait()

    def _news(self) -> bool:
        """Whether manifests came since we last looked what waits: a new still goes before an old clip."""
        return self._log.head("P2").seq != self._manifests

    async def _something(self) -> list[Blob]:
        """What to send next; waits until there is something."""
        loop = asyncio.get_running_loop()
        while True:
            self._commits.clear()
            self._manifests = self._log.head("P2").seq
            now = loop.time()
            self._passed_over = {name: when for name, when in self._passed_over.items() if when > now}
            waiting = await self._blobs.waiting(self._outlet, limit=_AT_A_TIME + len(self._passed_over))
            blobs = [blob for blob in waiting if blob.sha256 not in self._passed_over]
            if blobs:
                return blobs
            wait = min(self._passed_over.values(), default=now + self._look_again) - now
            try:
                async with asyncio.timeout(wait):
                    while not self._news():
                        await self._commits.wait()
                        self._commits.clear()
            except TimeoutError:
                pass

    async def _one(self, client: RelayClient, blob: Blob) -> None:
        try:
            if not await client.has_blob(blob.sha256, blob.bytes):
                file = await blob_file.find(self._media, blob.sha256)
                await self._uploads.send(client, file, urgent=lambda: not self._alarms.clear or self._news())
        except Interrupted:
            return
        except blob_file.Unusable as error:
            await self._lost(blob, str(error))
        except (DigestDiffers, TooLarge) as error:
            self._trouble(str(error))
            self._pass_over(blob)
        else:
            await self._blobs.acknowledge(self._outlet, blob.sha256, wall=wall_now())

    async def _lost(self, blob: Blob, reason: str) -> None:
        self._pass_over(blob)
        log.warning("outlet.blob_lost", outlet=self._outlet, sha256=blob.sha256, reason=reason)
        if blob.sha256 not in self._told:
            if len(self._told) >= _MOST_PASSED_OVER:
                self._told.clear()
            self._told.add(blob.sha256)
            await self._intake.tell(BlobLost(**self._clock.header(), sha256=blob.sha256, reason=reason))

    def _pass_over(self, blob: Blob) -> None:
        if len(self._passed_over) >= _MOST_PASSED_OVER:
            raise OutletError(
                f"{len(self._passed_over)} recordings named by the log are missing or damaged under {self._media}. "
                "Is the media file system mounted?"
            )
        self._passed_over[blob.sha256] = asyncio.get_running_loop().time() + self._look_again
