"""Lane P3 of one outlet: blobs that our manifests name, once no incident waits for that outlet.

Which is next says the store: stills, then key pictures, the time up to the alarm, the rest; of each the newest
incident first. Whatever is more urgent interrupts the rest between two pieces. A blob that is missing or damaged here
is told as `blob.lost` and passed over; it is looked for again later, because a media disk may be mounted late. Many
of them at once are one trouble, not many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from agent.clock import Clock, wall_now
from agent.errors import AgentError, OutletError, OutletRefusal
from agent.failpoints import reach
from agent.intake import Intake
from agent.outlets import blob_file
from agent.outlets.allowance import Allowance
from agent.outlets.answers import DigestDiffers, Later, TooLarge
from agent.outlets.backoff import Backoff
from agent.outlets.link import Link
from agent.outlets.peer import Peer
from agent.outlets.upload import Interrupted, Uploads
from agent.outlets.witness import Witness
from agent.store.blobs import PICTURES, REST, STILL, Blob, Blobs
from agent.store.log import Log
from rules.events import BlobLost

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

log = structlog.get_logger()

_MOST_PASSED_OVER = 256
LOOK_AGAIN = 900.0  # seconds until blobs that were passed over are tried again
_CLOSED_LOOK = 30.0  # seconds until a schedule that lets nothing through, or a spent budget, is looked at again


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
        allowance: Allowance,
        witness: Witness,
        error: Callable[[str], None],
        look_again: float = LOOK_AGAIN,
    ) -> None:
        """`error` is told why media does not get through, `witness` which blob did."""
        self._outlet = outlet
        self._peer = peer
        self._media = media
        self._blobs = blobs
        self._log = log
        self._alarms = alarms
        self._intake = intake
        self._clock = clock
        self._backoff = backoff
        self._allowance = allowance
        self._witness = witness
        self._error = error
        self._look_again = look_again
        self._uploads = Uploads()
        self._passed_over: dict[str, float] = {}  # sha256 -> loop time to look again; at most 256, see _pass_over
        self._told: set[str] = set()  # emptied when it has as many as may be passed over
        self._tried: set[str] = set()  # stills and key pictures that did not get through at the first try; as bounded
        self._manifests = -1
        self._commits = asyncio.Event()

    def look(self) -> None:
        """There is something to send that no new manifest names, or more may leave than before."""
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
            await self._blobs.serve([self._outlet], gt=self._clock.gt())
            await self._blobs.fill(self._outlet)
            await self._something()
            async with connect(self._peer, bulk=True) as client:
                while True:
                    blob = await self._something()
                    await self._alarms_first()
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

    # --- which is next -----------------------------------------------------------------------------------------------

    def _news(self) -> bool:
        """Whether manifests came since we last looked what waits."""
        return self._log.head("P2").seq != self._manifests

    async def _next(self) -> Blob | None:
        """The most urgent of what may leave in this hour of this month."""
        self._manifests = self._log.head("P2").seq
        now = asyncio.get_running_loop().time()
        self._passed_over = {name: when for name, when in self._passed_over.items() if when > now}
        waiting = await self._blobs.waiting(
            self._outlet,
            limit=1 + len(self._passed_over),
            grave=self._allowance.spent,
            until=REST if self._allowance.admits(REST) else STILL,
        )
        return next((blob for blob in waiting if blob.sha256 not in self._passed_over), None)

    async def _something(self) -> Blob:
        """What to send next; waits until there is something."""
        loop = asyncio.get_running_loop()
        while True:
            self._commits.clear()
            blob = await self._next()
            if blob is not None:
                return blob
            now = loop.time()
            wait = min(self._passed_over.values(), default=now + self._look_again) - now
            if self._allowance.spent or not self._allowance.admits(REST):
                wait = min(wait, _CLOSED_LOOK)
            try:
                async with asyncio.timeout(wait):
                    while not self._news():
                        await self._commits.wait()
                        self._commits.clear()
            except TimeoutError:
                pass

    async def _turn(self, blob: Blob, want: int) -> int:
        """How much of the next piece may leave. Interrupted when something is more urgent."""
        while True:
            if not self._alarms.clear:
                raise Interrupted
            self._commits.clear()
            if self._news():
                first = await self._next()
                if first is None or first.sha256 != blob.sha256:
                    raise Interrupted
            grant = self._allowance.grant(blob.rank, want)
            if not grant.seconds:
                self._allowance.left(grant.bytes)
                return grant.bytes
            try:
                async with asyncio.timeout(grant.seconds):
                    await self._commits.wait()
            except TimeoutError:
                if self._allowance.spent or not self._allowance.admits(blob.rank):
                    self._manifests = -1  # it may not be this one's turn any more

    # --- one blob ----------------------------------------------------------------------------------------------------

    async def _one(self, client: RelayClient, blob: Blob) -> None:
        try:
            if not await self._has(client, blob):
                file = await blob_file.find(self._media, blob.sha256, blob.bytes)
                await self._uploads.send(client, file, turn=lambda want: self._turn(blob, want))
        except Interrupted:
            return
        except blob_file.Unusable as error:
            if await self._blobs.waits(self._outlet, blob.sha256):
                await self._lost(blob, str(error))
        except (DigestDiffers, TooLarge) as error:
            self._trouble(str(error))
            self._pass_over(blob)
        else:
            self._tried.discard(blob.sha256)
            reach("media.after_reply_before_mark")
            used = self._allowance.used
            await self._blobs.acknowledge(self._outlet, blob.sha256, wall=wall_now(), used=used)
            self._allowance.kept(used)
            self._witness.got(blob.sha256)

    async def _has(self, client: RelayClient, blob: Blob) -> bool:
        """Whether the relay has it. A picture that was just taken it cannot have: nobody asks, and the first picture is
        outside one way there and back sooner. Of a large one the announcement asks."""
        if blob.rank <= PICTURES and blob.sha256 not in self._tried:
            if len(self._tried) >= _MOST_PASSED_OVER:
                self._tried.clear()
            self._tried.add(blob.sha256)
            return False
        return await client.has_blob(blob.sha256, blob.bytes)

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
