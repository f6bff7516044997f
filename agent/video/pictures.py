"""A strip of key pictures, side by side: what happened up to the alarm, small enough to be outside at once."""

from __future__ import annotations

from collections.abc import Sequence

import av

from agent.video.errors import PictureError
from agent.video.ring import KeyPicture
from agent.video.still import Still, compress, decode

MOST = 5
WIDTH = 320  # pixels of each
MOST_BYTES = 60_000
QUANTISERS = (5, 8, 12, 18, 26, 31)


def choose(pictures: Sequence[KeyPicture], *, start: int, mark: int, most: int = MOST) -> list[KeyPicture]:
    """Of the pictures of a camera, up to `most` from `start` to `mark` (µs on its timeline), evenly spread, oldest
    first; the last one before the mark is always among them."""
    found = sorted((one for one in pictures if start <= one.unit.pts <= mark), key=lambda one: one.unit.pts)
    if len(found) <= most:
        return found
    last = len(found) - 1
    return [found[round(index * last / (most - 1))] for index in range(most)]


def make_strip(pictures: Sequence[KeyPicture]) -> tuple[Still, list[KeyPicture]]:
    """The strip and the pictures that are on it; those that cannot be decoded are left out. PictureError when none can.
    One thread, about 15 ms a picture at 1080p."""
    shown: list[tuple[KeyPicture, av.VideoFrame]] = []
    height = 0
    for picture in pictures:
        try:
            frame = decode(picture)
        except PictureError:
            continue
        if not height:
            height = max(2, round(frame.height * WIDTH / frame.width / 2) * 2)
        small = frame.reformat(width=WIDTH, height=height, format="yuvj420p", dst_color_range="JPEG")
        shown.append((picture, small))
    if not shown:
        raise PictureError("none of the key pictures can be decoded")
    strip = _side_by_side([frame for _, frame in shown], height)
    tries = (compress(strip, quantiser=quantiser) for quantiser in QUANTISERS)
    still = next((one for one in tries if len(one.jpeg) < MOST_BYTES), None)
    if still is None:
        raise PictureError(f"the key pictures do not fit into {MOST_BYTES} bytes")
    return still, [picture for picture, _ in shown]


def _side_by_side(frames: Sequence[av.VideoFrame], height: int) -> av.VideoFrame:
    strip = av.VideoFrame(WIDTH * len(frames), height, "yuvj420p")
    for index, plane in enumerate(strip.planes):
        width = WIDTH if index == 0 else WIDTH // 2
        rows = bytearray(plane.line_size * plane.height)
        for place, frame in enumerate(frames):
            source = frame.planes[index]
            data = memoryview(source)
            for row in range(plane.height):
                at = row * plane.line_size + place * width
                begin = row * source.line_size
                rows[at : at + width] = data[begin : begin + width]
        plane.update(bytes(rows))
    strip.pts = 0
    return strip
