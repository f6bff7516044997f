"""Stills: one key picture, decoded and kept as JPEG."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import av

from agent.video.errors import PictureError
from agent.video.ring import KeyPicture

QUANTISER = 4
"""mjpeg's scale from 2 (best) to 31: about 170 kB for a lively 1080p picture."""
MOST_PIXELS = 50_000_000
"""A camera that claims more is broken or hostile; decoding would take the memory of everything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """A JPEG and its size in pixels."""

    jpeg: bytes = field(repr=False)
    width: int
    height: int


def make_still(picture: KeyPicture) -> Still:
    """Decode and compress (one thread, about 30 ms at 1080p). PictureError when the bytes are no picture."""
    return compress(decode(picture))


def decode(picture: KeyPicture) -> av.VideoFrame:
    """The picture itself. PictureError when the bytes are none."""
    if picture.parameters.width * picture.parameters.height > MOST_PIXELS:
        raise PictureError("the camera's picture is too large")
    try:
        decoder = av.CodecContext.create(picture.parameters.codec, "r")
        decoder.thread_count = 1
        packet = av.Packet(picture.parameters.sets + picture.unit.data)
        frames = [*decoder.decode(packet), *decoder.decode(None)]
    except av.FFmpegError:
        raise PictureError("the picture cannot be decoded") from None
    for frame in frames:
        if not frame.is_corrupt:
            return frame
    raise PictureError("the picture cannot be decoded")


def compress(frame: av.VideoFrame, *, quantiser: int = QUANTISER) -> Still:
    """A picture as JPEG."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.thread_count = 1
    encoder.width, encoder.height = frame.width, frame.height
    encoder.pix_fmt = "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.qmin = encoder.qmax = quantiser
    # No comment naming the library and its version: the same picture is the same file everywhere.
    encoder.options = {"flags": "+bitexact"}
    full_range = frame.reformat(format="yuvj420p", dst_color_range="JPEG")
    full_range.pts = 0
    jpeg = b"".join(bytes(packet) for packet in [*encoder.encode(full_range), *encoder.encode(None)])
    return Still(jpeg=jpeg, width=frame.width, height=frame.height)
