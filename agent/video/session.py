"""A camera's thread: connects, takes its stream in, and connects again when it is lost. Never hot, never silent."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction

import av
import structlog
from av.container import InputContainer

from agent.video import nal
from agent.video.access_unit import RawPacket
from agent.video.address import address_of
from agent.video.clock import Clock
from agent.video.errors import AddressError, CameraError
from agent.video.intake import Intake
from agent.video.messages import Camera

log = structlog.get_logger()

OPTIONS = {
    "rtsp_transport": "tcp",
    # The camera's own announcement says what the stream is; probing would cost 2 s and the first key picture.
    "probesize": "64",
    "analyzeduration": "0",
    "protocol_whitelist": "rtsp,rtp,tcp,tls,udp",
    "allowed_media_types": "video",
}
OPEN_TIMEOUT, READ_TIMEOUT = 5.0, 3.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
SLOW_PAUSE, LONGEST_SLOW_PAUSE = 15.0, 120.0
"""Cameras lock an account that is tried too often with a wrong password."""
STEADY = 10_000_000
"""A connection that delivered for this long (µs) makes the next pause short again."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An open connection: what it carries and its packets."""

    codec: nal.Codec
    time_base: Fraction
    announced: bytes | None = field(repr=False)
    packets: Iterator[RawPacket] = field(repr=False)


@contextmanager
def connect(camera: Camera, clock: Clock) -> Iterator[Stream]:
    """Open the camera's stream over RTSP and TCP. CameraError says in words why not, or why it ended; libav's own
    texts quote the address with its password and so never leave here."""
    address = address_of(camera)
    try:
        container = av.open(address, options=OPTIONS, timeout=(OPEN_TIMEOUT, READ_TIMEOUT))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise _explained(error) from None
    with container:
        if not container.streams.video:
            raise CameraError("the stream has no video; choose another stream of the camera", slow=True)
        video = container.streams.video[0]
        name, time_base = video.codec_context.name, video.time_base
        if name not in ("h264", "hevc") or time_base is None:
            text = f"the stream is {name}; set the camera to H.264 (or H.265) and it can be recorded"
            raise CameraError(text, slow=True)
        yield Stream(
            codec="h264" if name == "h264" else "hevc",
            time_base=time_base,
            announced=video.codec_context.extradata,
            packets=_packets(container, video, clock),
        )


def _packets(container: InputContainer, video: av.VideoStream, clock: Clock) -> Iterator[RawPacket]:
    try:
        for packet in container.demux(video):
            if packet.size == 0:
                # The demuxer's farewell. A camera that closes the connection raises nothing: its stream just ends.
                return
            yield RawPacket(
                data=bytes(packet),
                pts=packet.pts,
                dts=packet.dts,
                duration=packet.duration or 0,
                key=packet.is_keyframe,
                arrival=clock.boot(),
            )
    except (av.FFmpegError, OSError):
        raise CameraError("the camera stopped sending") from None


def _explained(error: Exception) -> CameraError:
    """The trouble as a sentence: what happened and what to do."""
    match error:
        case av.error.HTTPUnauthorizedError():
            text = "the camera refused the user name or password (401); check its account and the stored secret"
            return CameraError(text, slow=True)
        case av.error.HTTPForbiddenError():
            text = "the camera does not let this account see the stream (403); give it the right to view"
            return CameraError(text, slow=True)
        case av.error.HTTPNotFoundError():
            return CameraError("the camera has no such stream (404); check the path in its address", slow=True)
        case av.error.HTTPError():
            return CameraError("the camera answered with an error of its own; it may be busy or starting")
        case av.error.InvalidDataError():
            return CameraError("something answers at the camera's address but does not speak RTSP")
        case _:
            return CameraError("the camera cannot be reached; check its power, its cable and the address")


class Session(threading.Thread):
    """Runs until `stop()`. `segment` is called after a segment was completed, `picture` after each sound key
    picture, `lost` with a sentence when a connection ended or none was made: all on this thread, all short."""

    def __init__(
        self,
        *,
        camera: Camera,
        clock: Clock,
        intake: Intake,
        segment: Callable[[], None],
        picture: Callable[[], None],
        lost: Callable[[str], None],
    ) -> None:
        # A daemon: libav may sit in a read for seconds, and the process must not wait for that to end.
        super().__init__(name=f"camera {camera.id}", daemon=True)
        self._camera = camera
        self._clock = clock
        self._intake = intake
        self._segment = segment
        self._picture = picture
        self._lost = lost
        self._stopping = threading.Event()
        self.finished = False
        """Ended in good order: asked to, or because the configured address can never work."""

    def stop(self) -> None:
        """Ask the thread to end; it does within a few seconds."""
        self._stopping.set()

    def run(self) -> None:
        self._run()
        self.finished = True

    def _run(self) -> None:
        pause, slow_pause = FIRST_PAUSE, SLOW_PAUSE
        while not self._stopping.is_set():
            began = self._clock.boot()
            try:
                self._stream()
                reason, slow = "the camera closed the connection", False
            except CameraError as error:
                reason, slow = str(error), error.slow
            except AddressError as error:
                self._lost(str(error))
                return
            if self._stopping.is_set():
                return
            self._lost(reason)
            if self._intake.newest - began > STEADY:
                pause, slow_pause = FIRST_PAUSE, SLOW_PAUSE
            wait = (slow_pause if slow else pause) * random.uniform(0.7, 1.0)  # noqa: S311 - jitter
            log.info("camera.retry", camera=self._camera.id, reason=reason, seconds=round(wait, 1))
            self._stopping.wait(wait)
            if slow:
                slow_pause = min(slow_pause * 2, LONGEST_SLOW_PAUSE)
            else:
                pause = min(pause * 2, LONGEST_PAUSE)

    def _stream(self) -> None:
        intake = self._intake
        with connect(self._camera, self._clock) as stream:
            intake.connected(codec=stream.codec, time_base=stream.time_base, announced=stream.announced)
            try:
                for packet in stream.packets:
                    if self._stopping.is_set():
                        return
                    seen = intake.pictures
                    if intake.take(packet):
                        self._segment()
                    if intake.pictures != seen:
                        self._picture()
            finally:
                if intake.ended():
                    self._segment()
