"""One camera as the event loop sees it: its footage, whether it delivers, and the time for which it did not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from agent.video.clock import Clock
from agent.video.errors import WorkerError
from agent.video.intake import Intake
from agent.video.messages import Camera, CameraState, Gap
from agent.video.session import Session

log = structlog.get_logger()

STALLED = 4_000_000
"""A live camera that sends nothing for this long (µs) counts as lost. libav itself needs 6 s to notice."""


class CameraFeed:
    """Owns the camera's thread. `say` receives its states and gaps. News are a complete segment, the first
    picture and a loss."""

    def __init__(self, *, camera: Camera, clock: Clock, base: int, say: Callable[[CameraState | Gap], None]) -> None:
        self.camera = camera
        self.intake = Intake(clock=clock, base=base, span=camera.ring_seconds * 1_000_000)
        self.state: CameraState | None = None
        self._clock = clock
        self._say = say
        self._news = asyncio.Event()
        self._session: Session | None = None
        # Wall time since which no footage was taken in, or up to which its lack has been reported.
        self._dark_since: int | None = clock.wall()

    @property
    def live(self) -> bool:
        """Whether pictures come in now."""
        return self.state is not None and self.state.state == "live"

    def start(self) -> None:
        """Begin to connect. From the event loop."""
        loop = asyncio.get_running_loop()

        def post(call: Callable[[], None]) -> None:
            # The loop may be closed already while this thread still sits in a read.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(call)

        def picture() -> None:
            if not self.live:
                post(self._seen)

        self._session = Session(
            camera=self.camera,
            clock=self._clock,
            intake=self.intake,
            segment=lambda: post(self._wake),
            picture=picture,
            lost=lambda reason: post(lambda: self._lose(reason)),
        )
        self._session.start()

    def stop(self) -> None:
        """Stop connecting; returns at once."""
        if self._session is not None:
            self._session.stop()
            self._session = None

    def finish(self) -> None:
        """Complete the segment now open, so that it can be kept."""
        self.intake.ring.finish()
        self._wake()

    def watch(self) -> None:
        """Notice what the thread cannot: that it hangs in a read, or died. Call about twice a second."""
        if self._session is not None and not self._session.is_alive() and not self._session.finished:
            raise WorkerError(f"the thread of camera {self.camera.id} died")
        if self.live and self._clock.boot() - self.intake.newest > STALLED:
            self.intake.ring.finish()
            self._lose("the camera stopped sending")

    @property
    def news(self) -> asyncio.Event:
        """Is set at the next news. Take it before looking at the footage, or what came meanwhile is missed."""
        return self._news

    def take_gap(self) -> Gap | None:
        """The time without footage up to now, if there is any and it was not taken yet. The caller owes it to the
        core; what follows will be a gap of its own."""
        now = self._clock.wall()
        since = self._dark_since
        if since is None:
            return None
        reason = self.state.reason if self.state is not None else "the camera has not been reached yet"
        self._dark_since = now
        return Gap(camera=self.camera.id, since=since, until=max(now, since), reason=reason)

    def _seen(self) -> None:
        if self.live:
            return
        gap = self.take_gap() if self.state is not None else None
        if gap is not None:
            self._say(gap)
        self._dark_since = None
        self._change(CameraState(camera=self.camera.id, state="live", reason="", wall=self._clock.wall()))

    def _lose(self, reason: str) -> None:
        if self.state is None or self.live:
            # What stands still stood still before that was noticed: the lack begins where the footage ends.
            now, end = self._clock.wall(), self.intake.ring.end
            if self._dark_since is None:
                self._dark_since = now if end is None else min(now, self.intake.wall_of(end))
        if self.state is None or self.live or self.state.reason != reason:
            self._change(CameraState(camera=self.camera.id, state="lost", reason=reason, wall=self._clock.wall()))

    def _change(self, state: CameraState) -> None:
        self.state = state
        log.info("camera.state", camera=state.camera, state=state.state, reason=state.reason)
        self._say(state)
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
