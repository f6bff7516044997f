"""H.264 as cameras make it: main profile, one slice a frame, no B-frames; key frames only where asked."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType

from hwlab.camera.paint import Bytes
from hwlab.camera.yuv import Picture

CLOCK_RATE = 90_000  # the RTP clock of video, in Hz


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One frame: its NAL units without start codes; a key frame brings SPS and PPS."""

    nals: tuple[bytes, ...]
    key: bool
    ticks: int


class Encoder:
    """libx264, opened at once so that SPS and PPS are known before the first frame."""

    def __init__(self, *, width: int, height: int, fps: int, quality: int = 24) -> None:
        context = av.CodecContext.create("libx264", "w")
        if not isinstance(context, VideoCodecContext):
            raise TypeError("libx264 is not a video codec here")
        context.width, context.height, context.pix_fmt = width, height, "yuv420p"
        context.time_base, context.framerate = Fraction(1, CLOCK_RATE), Fraction(fps, 1)
        context.thread_count = 1
        # BT.709, limited range: said aloud in the SPS, or players guess and the colours shift.
        context.color_primaries = context.color_trc = context.colorspace = 1
        context.color_range = 1
        context.flags |= Flags.global_header
        context.options = {
            "preset": "superfast",
            "profile": "main",
            "forced-idr": "1",
            "crf": str(quality),
            "maxrate": "4M",
            "bufsize": "4M",
            # Sliced threads would cut a frame into slices; look-ahead and scene cuts would move the beat of key frames.
            "x264-params": "sliced-threads=0:slices=1:threads=1:bframes=0:scenecut=0:rc-lookahead=0:"
            "sync-lookahead=0:keyint=infinite:min-keyint=1:force-cfr=1",
        }
        context.open()
        self._context = context
        self._frame = av.VideoFrame(width, height, "yuv420p")
        self.picture = Picture(*(_plane(self._frame, index) for index in range(3)))
        parameters = [nal for nal in split(context.extradata or b"") if nal[0] & 31 in (7, 8)]
        self.sps, self.pps = parameters[0], parameters[1]

    def encode(self, *, ticks: int, key: bool) -> AccessUnit | None:
        """The picture as it stands, at a time of the RTP clock. None if the codec kept it back."""
        self._frame.pts = ticks
        self._frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._context.encode(self._frame)
        if not packets:
            return None
        packet = packets[0]
        nals = tuple(nal for nal in split(bytes(packet)) if nal[0] & 31 in (1, 5))
        is_key = bool(packet.is_keyframe)
        return AccessUnit((self.sps, self.pps, *nals) if is_key else nals, is_key, ticks)


def _plane(frame: av.VideoFrame, index: int) -> Bytes:
    plane = frame.planes[index]
    view: Bytes = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return view[:, : plane.width]


def split(stream: bytes) -> list[bytes]:
    """NAL units of an Annex B byte stream, their start codes taken off."""
    nals, position = [], stream.find(b"\x00\x00\x01")
    while position >= 0:
        start = position + 3
        position = stream.find(b"\x00\x00\x01", start)
        nal = stream[start : position if position >= 0 else len(stream)].rstrip(b"\x00")
        if nal:
            nals.append(nal)
    return nals
