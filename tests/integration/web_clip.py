"""Real pictures for the pages: the lab's corridor, encoded once into the segments and stills a gateway would send."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import av
import numpy as np
from av.video.stream import VideoStream

from hwlab.camera.scene import Scene
from hwlab.camera.yuv import Picture

SECOND = 1_000_000
TICKS = 90_000
CODEC = "avc1.64001f"
MOVFLAGS = "frag_keyframe+empty_moov+default_base_moof"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A segment: its bytes, and its place in µs after the first."""

    data: bytes
    at: int
    duration: int

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A recording cut at key frames: `origin` (µs) is where its first frame lies on the camera's timeline."""

    init: bytes
    pieces: tuple[Piece, ...]
    origin: int
    fps: int
    still: bytes
    width: int
    height: int
    codec: str

    @property
    def init_sha256(self) -> str:
        return hashlib.sha256(self.init).hexdigest()


def boxes(data: bytes) -> list[tuple[bytes, bytes]]:
    """The top-level boxes of an MP4: type and the whole box."""
    found, at = [], 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        found.append((data[at + 4 : at + 8], data[at : at + size]))
        at += size
    return found


@cache
def corridor(
    *,
    segments: int = 6,
    each: float = 1.0,
    event: float = 2.5,
    height: int = 180,
    fps: int = 10,
    wall: int = 1_795_434_060 * SECOND,
    origin: int = 7_200 * SECOND,
    title: str = "SERVER ROOM CORRIDOR",
) -> Footage:
    """Somebody walks up, and at `event` seconds the door opens."""
    scene = Scene(height=height, title=title)
    width = scene.width
    buffer = io.BytesIO()
    gop = round(each * fps)
    still = b""
    with av.open(buffer, "w", format="mp4", options={"movflags": MOVFLAGS}) as out:
        stream = out.add_stream("libx264", rate=fps)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, TICKS)
        stream.codec_context.time_base = Fraction(1, TICKS)
        stream.codec_context.gop_size = gop
        stream.codec_context.max_b_frames = 0
        beat = f"keyint={gop}:min-keyint={gop}:scenecut=0"
        stream.options = {"preset": "veryfast", "profile": "high", "level": "3.1", "x264-params": beat}
        for n in range(segments * gop):
            moment = n / fps
            scene.figure = "inside" if moment >= event + 0.6 else "door"
            scene.door = "open" if moment >= event else "closed"
            scene.advance(1 / fps)
            frame = _frame(scene, width, height, wall + round(moment * SECOND))
            frame.pts = round(moment * TICKS)
            frame.time_base = Fraction(1, TICKS)
            if abs(moment - event - 0.5) < 0.5 / fps:
                still = _jpeg(frame)
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
    found = boxes(buffer.getvalue())
    init = b"".join(data for kind, data in found if kind in (b"ftyp", b"moov"))
    moofs = [data for kind, data in found if kind == b"moof"]
    mdats = [data for kind, data in found if kind == b"mdat"]
    pieces = tuple(
        Piece(data=_moved(moof, origin) + mdat, at=round(n * each * SECOND), duration=round(each * SECOND))
        for n, (moof, mdat) in enumerate(zip(moofs, mdats, strict=True))
    )
    assert len(pieces) == segments
    avcc = init[init.index(b"avcC") + 4 :]
    codec = f"avc1.{avcc[1]:02x}{avcc[2]:02x}{avcc[3]:02x}"
    return Footage(
        init=init, pieces=pieces, origin=origin, fps=fps, still=still, width=width, height=height, codec=codec
    )


def _moved(moof: bytes, origin: int) -> bytes:
    """The fragment at its place on the camera's timeline: tfdt (version 1) is absolute in a gateway's segments."""
    at = moof.index(b"tfdt") + 8
    assert moof[at - 4] == 1
    decoded = int.from_bytes(moof[at : at + 8]) + origin * TICKS // SECOND
    return moof[:at] + decoded.to_bytes(8) + moof[at + 8 :]


def _frame(scene: Scene, width: int, height: int, wall: int) -> av.VideoFrame:
    frame = av.VideoFrame(width, height, "yuv420p")
    planes = []
    for plane in frame.planes:
        view = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
        planes.append(view[:, : plane.width])
    scene.draw(Picture(*planes), wall)
    return frame


def _jpeg(frame: av.VideoFrame) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mjpeg") as out:
        stream = out.add_stream("mjpeg", rate=1)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuvj420p"
        stream.options = {"qscale": "3"}
        picture = frame.reformat(format="yuvj420p")
        picture.pts, picture.time_base = 0, Fraction(1, 1)
        for packet in [*stream.encode(picture), *stream.encode(None)]:
            out.mux(packet)
    return buffer.getvalue()
