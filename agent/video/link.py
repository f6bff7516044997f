"""The core's end of the media link: a Unix socket on which exactly one media worker may speak.

The core listens and the worker dials in. What was asked for and not yet answered is asked again of the next worker, so
a worker that is killed and restarted costs a delay, not a clip. Standard library only: the core starts in a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from agent.video.encoding import FROM_WORKER, LINE_LIMIT, decode, encode
from agent.video.errors import LinkError, StorageError, VideoError
from agent.video.messages import (
    Camera,
    CameraState,
    ClipOpened,
    ClipSealed,
    Configure,
    Evict,
    FromWorker,
    Gap,
    Hello,
    ListFiles,
    Manifest,
    NewClips,
    Ping,
    Pong,
    Refused,
    SaveClip,
    SegmentAdded,
    StillTaken,
    Stored,
    TakeStill,
    ToWorker,
    completes,
    subject_of,
)

__all__ = [
    "Camera",
    "CameraState",
    "ClipOpened",
    "ClipSealed",
    "Configure",
    "FromWorker",
    "Gap",
    "Hello",
    "LinkError",
    "Manifest",
    "MediaServer",
    "PeerRefused",
    "Refused",
    "SaveClip",
    "SegmentAdded",
    "StillTaken",
    "StorageError",
    "TakeStill",
    "VideoError",
    "WorkerGone",
    "completes",
    "subject_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerGone:
    """The connection to the media worker ended; `reason` is a sentence for a person."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRefused:
    """Someone connected who may not: another user, or a second worker while one is served."""

    uid: int
    pid: int
    reason: str


Heard = FromWorker | WorkerGone | PeerRefused


class _Worker:
    """One accepted connection and what waits to be written to it."""

    def __init__(self, writer: asyncio.StreamWriter, *, capacity: int) -> None:
        self.writer = writer
        # Full means that the worker has stopped reading: the connection is closed, the next one is asked again.
        self.outgoing: asyncio.Queue[ToWorker] = asyncio.Queue(maxsize=capacity)

    def send(self, message: ToWorker) -> None:
        try:
            self.outgoing.put_nowait(message)
        except asyncio.QueueFull:
            self.writer.close()


class MediaServer:
    """Serves one worker at a time on the socket `path` (mode 0660) whose peer uid is in `uids`.

    `run()` serves until cancelled and raises LinkError when the socket cannot be had; `messages()` yields what was
    heard, in order, plus `WorkerGone` and `PeerRefused`. `capacity` bounds each queue; `silence` (s) is how long a
    worker may say nothing before it counts as hung.
    """

    def __init__(
        self,
        *,
        path: Path,
        configure: Configure,
        uids: frozenset[int],
        capacity: int = 1000,
        ping_every: float = 5.0,
        silence: float = 20.0,
    ) -> None:
        self._path = path
        self._configure = configure
        self._uids = uids
        self._capacity = capacity
        self._ping_every = ping_every
        self._silence = silence
        self._worker: _Worker | None = None
        self._new_clips: NewClips | None = None
        self._asked: dict[tuple[str, str], SaveClip | TakeStill] = {}
        # Full means that the core is behind: nothing more is read, and the worker keeps what it could not say.
        self._heard: asyncio.Queue[Heard] = asyncio.Queue(maxsize=capacity)

    @property
    def connected(self) -> bool:
        """Whether a worker is being served."""
        return self._worker is not None

    def configure(self, configure: Configure) -> None:
        """Replace the configuration, also that of a worker already at work."""
        self._configure = configure
        if self._worker is not None:
            self._worker.send(configure)

    def new_clips(self, message: NewClips) -> None:
        """Whether new clips are taken, for this worker and all that come after it."""
        if message != self._new_clips:
            self._new_clips = message
            if self._worker is not None:
                self._worker.send(message)

    def order(self, message: Evict | ListFiles) -> bool:
        """Tell the worker of now to do this; False when there is none. Who orders asks again when no answer comes."""
        if self._worker is None:
            return False
        self._worker.send(message)
        return True

    def ask(self, request: SaveClip | TakeStill) -> bool:
        """Ask for footage, now or of the next worker. False when as much as `capacity` already waits for an answer:
        nothing was asked then, and the caller owes a record of that."""
        key = _key(request)
        if key not in self._asked and len(self._asked) >= self._capacity:
            return False
        self._asked[key] = request
        if self._worker is not None:
            self._worker.send(request)
        return True

    def confirm(self, message: Manifest) -> None:
        """The message is durable in the log. When it is the last of its subject the worker stops repeating it; while
        no worker is there this is not needed, as the next one repeats and is confirmed then."""
        if completes(message) and self._worker is not None:
            self._worker.send(Stored(subject=subject_of(message)))

    async def messages(self) -> AsyncIterator[Heard]:
        """What is heard, for one reader. Manifest messages may come again until confirmed: same subject, same `n`."""
        while True:
            yield await self._heard.get()

    async def run(self) -> None:
        """Serve until cancelled."""
        listener = self._listen()
        try:
            async with asyncio.TaskGroup() as tasks:

                def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                    tasks.create_task(self._accept(reader, writer), name="media link connection")

                server = await asyncio.start_unix_server(accept, sock=listener, limit=LINE_LIMIT)
                try:
                    await self._expire()
                finally:
                    server.close()
        finally:
            listener.close()
            with contextlib.suppress(OSError):
                self._path.unlink()

    def _listen(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if self._path.exists() and stat.S_ISSOCK(self._path.stat().st_mode):
                self._path.unlink()
            listener.bind(str(self._path))
            os.chmod(self._path, 0o660)
            listener.listen(8)
        except OSError as error:
            listener.close()
            raise LinkError(
                f"media link: cannot listen on {self._path}: {error.strerror}; check that the directory exists and"
                " belongs to this service"
            ) from error
        return listener

    async def _expire(self) -> None:
        """Answer for requests whose deadline passed while no worker was there."""
        while True:
            await asyncio.sleep(1.0)
            now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000
            for key, request in list(self._asked.items()):
                if isinstance(request, SaveClip) and request.deadline_boot < now and self._worker is None:
                    del self._asked[key]
                    reason = "no media worker was running before the footage was out of reach"
                    await self._heard.put(
                        Refused(what="clip", subject=request.clip, camera=request.camera, reason=reason)
                    )

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pid, uid = _peer(writer)
        if uid not in self._uids or self._worker is not None:
            why = "its user may not be the media worker" if uid not in self._uids else "a media worker is connected"
            writer.close()
            await self._heard.put(PeerRefused(uid=uid, pid=pid, reason=why))
            return
        worker = self._worker = _Worker(writer, capacity=self._capacity)
        worker.send(self._configure)
        if self._new_clips is not None:
            worker.send(self._new_clips)
        for request in self._asked.values():
            worker.send(request)
        reason = "the media worker closed the connection"
        sender = asyncio.create_task(self._write(worker), name="media link sender")
        pinger = asyncio.create_task(self._ping(worker), name="media link ping")
        try:
            await self._read(reader)
        except TimeoutError:
            reason = f"the media worker has not answered for {self._silence:.0f} s"
        except (LinkError, OSError, ValueError) as error:
            # readline() raises ValueError for a line beyond the limit.
            reason = str(error) if isinstance(error, LinkError) else "the connection to the media worker broke"
        finally:
            self._worker = None
            sender.cancel()
            pinger.cancel()
            writer.close()
            await asyncio.gather(sender, pinger, return_exceptions=True)
        await self._heard.put(WorkerGone(reason=reason))

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while True:
            async with asyncio.timeout(self._silence):
                line = await reader.readline()
            if not line:
                return
            message = cast("FromWorker", decode(line, FROM_WORKER))
            match message:
                case Pong():
                    continue
                case ClipOpened(clip=clip):
                    self._asked.pop(("clip", clip), None)
                case StillTaken(still=still):
                    self._asked.pop(("still", still), None)
                case Refused(what=what, subject=subject):
                    self._asked.pop((what, subject), None)
            await self._heard.put(message)

    async def _write(self, worker: _Worker) -> None:
        with contextlib.suppress(OSError):
            while True:
                worker.writer.write(encode(await worker.outgoing.get()))
                await worker.writer.drain()

    async def _ping(self, worker: _Worker) -> None:
        n = 0
        while True:
            await asyncio.sleep(self._ping_every)
            n += 1
            worker.send(Ping(n=n))


def _key(request: SaveClip | TakeStill) -> tuple[str, str]:
    return ("clip", request.clip) if isinstance(request, SaveClip) else ("still", request.still)


def _peer(writer: asyncio.StreamWriter) -> tuple[int, int]:
    """Process and user id of the other end, as the kernel recorded them at connect (unix(7), SO_PEERCRED)."""
    connection = writer.get_extra_info("socket")
    pid, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid
