"""What the media tests stand on: a lab camera, the worker as a real process, and the core's end of the link."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from agent.video.link import (
    Camera,
    CameraState,
    ClipOpened,
    ClipSealed,
    Configure,
    Manifest,
    MediaServer,
    SaveClip,
    SegmentAdded,
    TakeStill,
)
from hwlab.cameras import Cameras, CameraSpec
from hwlab.journal import Journal

SECOND = 1_000_000
T = TypeVar("T")

WORKER = """
import asyncio, signal, sys
from pathlib import Path
from agent.video.worker import run

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run(socket=Path(sys.argv[1]), stop=stop)

asyncio.run(main())
"""


def boot() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


@dataclass
class Rig:
    """The core's view: what was heard, and the worker's process."""

    server: MediaServer
    cameras: Cameras
    media_dir: Path
    socket: Path
    confirm: bool = True
    heard: list[tuple[float, object]] = field(default_factory=list)
    output: bytearray = field(default_factory=bytearray)
    process: asyncio.subprocess.Process | None = None
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        async for message in self.server.messages():
            self.heard.append((time.monotonic(), message))
            if self.confirm and isinstance(message, Manifest):
                self.server.confirm(message)
            self._news.set()

    async def start_worker(self) -> None:
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            WORKER,
            str(self.socket),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
        )

    async def drain_output(self) -> None:
        if self.process is not None and self.process.stdout is not None:
            self.output += await self.process.stdout.read()

    async def stop_worker(self, *, kill: bool = False) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill() if kill else self.process.terminate()
        await self.drain_output()
        return await self.process.wait()

    def of(self, kind: type[T], where: Callable[[T], bool] = lambda _: True) -> list[T]:
        return [message for _, message in self.heard if isinstance(message, kind) and where(message)]

    async def wait(
        self, kind: type[T], where: Callable[[T], bool] = lambda _: True, *, seconds: float = 15.0, after: int = 0
    ) -> T:
        """The first message of a kind, from position `after` of what was heard."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    for _, message in self.heard[after:]:
                        if isinstance(message, kind) and where(message):
                            return message
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            heard = "\n".join(repr(message) for _, message in self.heard)
            raise AssertionError(f"no {kind.__name__} within {seconds} s; heard:\n{heard}") from None

    async def live(self) -> None:
        await self.wait(CameraState, lambda each: each.state == "live")

    def save(
        self, *, pre: float, post: float, camera: str = "hall", clip: str | None = None, ago: float = 0
    ) -> SaveClip:
        """Ask for a clip whose trigger is `ago` seconds past."""
        request = SaveClip(
            clip=str(uuid4()),
            incident=str(uuid4()),
            camera=camera,
            trigger_boot=boot(),
            trigger_wall=time.time_ns() // 1000,
            pre=int(pre * SECOND),
            post=int(post * SECOND),
            deadline_boot=boot() + 60 * SECOND,
        )
        assert self.server.ask(request)
        return request

    def still(self, *, camera: str = "hall") -> TakeStill:
        request = TakeStill(
            still=str(uuid4()),
            incident=str(uuid4()),
            camera=camera,
            trigger_boot=boot(),
            trigger_wall=time.time_ns() // 1000,
        )
        assert self.server.ask(request)
        return request

    def blob(self, sha256: str) -> bytes:
        return (self.media_dir / "blobs" / sha256[:2] / sha256[2:4] / sha256).read_bytes()

    def manifest(self, clip: str) -> tuple[ClipOpened, list[SegmentAdded], ClipSealed]:
        """A clip as a core that folds repeats would know it."""
        opened = self.of(ClipOpened, lambda each: each.clip == clip)
        sealed = self.of(ClipSealed, lambda each: each.clip == clip)
        segments = {each.n: each for each in self.of(SegmentAdded, lambda each: each.clip == clip)}
        return opened[0], [segments[n] for n in sorted(segments)], sealed[0]

    def file(self, segments: list[SegmentAdded], part: int = 0) -> bytes:
        """One part, playable: its init and its segments, concatenated."""
        wanted = [each for each in segments if each.part == part]
        return self.blob(wanted[0].init) + b"".join(self.blob(each.sha256) for each in wanted)


@asynccontextmanager
async def rig(
    directory: Path,
    *,
    specs: tuple[CameraSpec, ...] = (CameraSpec(name="hall", title="Hall"),),
    worker: bool = True,
    ring_seconds: int = 25,
    password: str | None = None,
    path: str = "",
) -> AsyncIterator[Rig]:
    """Everything up, nothing left running. `password` and `path` replace the right ones in what the worker is told."""
    journal = Journal(path=directory / "journal.jsonl")
    journal.open()
    media_dir, socket = directory / "media", directory / "media.sock"
    cameras = Cameras(
        specs=specs,
        passwords={spec.name: f"c@nary:/{spec.name} %41" for spec in specs},
        directory=directory,
        journal=journal,
    )
    try:
        async with cameras:
            configure = Configure(
                cameras=tuple(
                    Camera(
                        id=name,
                        name=name,
                        url=cameras[name].url + path,
                        user=cameras[name].user,
                        password=password if password is not None else cameras[name].password,
                        ring_seconds=ring_seconds,
                    )
                    for name in cameras.names
                ),
                media_dir=str(media_dir),
            )
            server = MediaServer(path=socket, configure=configure, uids=frozenset({os.getuid()}))
            made = Rig(server=server, cameras=cameras, media_dir=media_dir, socket=socket)
            tasks = [asyncio.create_task(server.run()), asyncio.create_task(made.listen())]
            try:
                if worker:
                    await made.start_worker()
                yield made
            finally:
                if made.process is not None:
                    await made.stop_worker()
                for task in tasks:
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await task
    finally:
        journal.close()
