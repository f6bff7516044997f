"""The media worker: its own process, directed by the alarm core over the media link."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import structlog

from agent.memory import settle
from agent.sdnotify import notify, watchdog_seconds
from agent.video.client import MediaClient
from agent.video.clock import Clock, SystemClock
from agent.video.errors import WorkerError
from agent.video.messages import (
    Configure,
    Evict,
    FromWorker,
    Hello,
    ListFiles,
    NewClips,
    SaveClip,
    Stored,
    TakeStill,
    ToWorker,
)
from agent.video.recorder import Recorder

__all__ = ["WorkerError", "run"]

log = structlog.get_logger()

NICE = 10  # whoever decides about an alarm or hears of it goes first where both want the processor

LAST_WORDS = 3.0
"""Seconds that open clips get to be sealed when the worker is told to stop."""


class Worker:
    """Joins link and recorder. `run()` works until `stop` is set."""

    def __init__(self, *, socket: Path, clock: Clock, stop: asyncio.Event) -> None:
        self._clock = clock
        self._stop = stop
        self._client = MediaClient(path=socket, hear=self._hear, greeting=self._greeting)
        self._recorder: Recorder | None = None
        self._media_dir: str | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._recording: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Work until told to stop. WorkerError when this process cannot go on and should be started anew."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                running = [tasks.create_task(self._client.run(), name="media link")]
                if (every := watchdog_seconds()) is not None:
                    running.append(tasks.create_task(self._watchdog(every), name="watchdog"))
                notify("READY=1")
                await self._stop.wait()
                notify("STOPPING=1")
                if self._recorder is not None:
                    await self._recorder.close(within=LAST_WORDS)
                    # A moment for the last seals to reach the socket; if they do not, they are told again.
                    await asyncio.sleep(0.05)
                if self._recording is not None:
                    running.append(self._recording)
                for task in running:
                    task.cancel()
        except* WorkerError as errors:
            # One sentence for whoever started this process, instead of a tree of tasks.
            raise WorkerError(str(errors.exceptions[0])) from None
        finally:
            if self._recorder is not None:
                self._recorder.shutdown()

    def _greeting(self) -> Iterable[FromWorker]:
        yield Hello(pid=os.getpid(), version=_version())
        if self._recorder is not None:
            yield from self._recorder.report()

    def _hear(self, message: ToWorker) -> None:
        match message:
            case Configure():
                self._configure(message)
            case _ if self._recorder is None:
                log.warning("media.not_configured", message=message.type)
            case SaveClip():
                self._recorder.save_clip(message)
            case TakeStill():
                self._recorder.take_still(message)
            case Stored(subject=subject):
                self._recorder.stored(subject)
            case NewClips():
                self._recorder.new_clips(message)
            case Evict() | ListFiles():
                self._recorder.dispose(message)

    def _configure(self, message: Configure) -> None:
        if self._recorder is None:
            if self._tasks is None:
                raise AssertionError("configured before running")
            self._media_dir = message.media_dir
            self._recorder = Recorder(
                root=Path(message.media_dir), clock=self._clock, send=self._client.send, tasks=self._tasks
            )
            self._recorder.prepare()
            self._recording = self._tasks.create_task(self._recorder.run(), name="recorder")
            for left in self._recorder.report():
                self._client.send(left)
        elif message.media_dir != self._media_dir:
            raise WorkerError("the media directory was changed; the media worker starts anew to use it")
        self._recorder.configure(message.cameras)
        log.info("media.configured", cameras=len(message.cameras))

    async def _watchdog(self, every: float) -> None:
        # Sent by the loop that also tells the core and watches the cameras: if that hangs, so does this.
        while True:
            notify("WATCHDOG=1")
            await asyncio.sleep(every)


def _version() -> str:
    try:
        return version("nightporter")
    except PackageNotFoundError:
        return "0"


async def run(*, socket: Path, stop: asyncio.Event) -> None:
    """The worker's whole life: connect to the core at `socket`, record what it asks, end when `stop` is set."""
    settle()
    with contextlib.suppress(PermissionError):  # where the service manager forbids it, it sets it (Nice=)
        os.nice(NICE)
    await Worker(socket=socket, clock=SystemClock(), stop=stop).run()
