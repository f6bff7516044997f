"""The strip of key pictures: which ones, how large, and what it looks like."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import pairwise

import av
import pytest

from agent.video.errors import PictureError
from agent.video.pictures import MOST_BYTES, WIDTH, choose, make_strip
from agent.video.ring import KeyPicture
from tests.unit.footage import SECOND, FixedClock, encoded, fed


def pictures(*, seconds: float = 12, gop: float = 1.0, width: int = 640, height: int = 360) -> list[KeyPicture]:
    intake = fed(encoded(seconds=seconds, gop=gop, width=width, height=height), clock=FixedClock())
    return intake.ring.key_pictures(1 << 62)


def test_the_chosen_are_spread_over_the_time_up_to_the_alarm() -> None:
    every = sorted(pictures(), key=lambda one: one.unit.pts)
    first, last = every[0].unit.pts, every[-1].unit.pts
    mark = first + 9 * SECOND + 300_000
    chosen = choose(every, start=first + SECOND - 1, mark=mark)
    at = [(one.unit.pts - first) // SECOND for one in chosen]
    assert at == [1, 3, 5, 7, 9], "evenly, oldest first, and the last one before the alarm"
    assert choose(every, start=last + 1, mark=last + SECOND) == []
    assert len(choose(every, start=first, mark=first + SECOND)) == 2, "fewer than asked for are all of them"
    assert choose(every, start=first, mark=first + 9 * SECOND, most=3)[-1].unit.pts == first + 9 * SECOND


def test_the_strip_shows_them_side_by_side() -> None:
    chosen = sorted(pictures(), key=lambda one: one.unit.pts)[:5]
    strip, shown = make_strip(chosen)
    assert shown == chosen
    assert (strip.width, strip.height) == (5 * WIDTH, 180)
    assert len(strip.jpeg) < MOST_BYTES
    with av.open(io.BytesIO(strip.jpeg), "r", format="mjpeg") as container:
        frame = next(container.decode(video=0))
    luma = frame.to_ndarray(format="gray")
    assert luma.shape == (180, 1600)
    # Each is the decoded picture itself, smaller: the bars of the test pattern have moved from one to the next.
    columns = [luma[90, place * WIDTH : (place + 1) * WIDTH].astype(int) for place in range(5)]
    assert all(abs(a - b).mean() > 3 for a, b in pairwise(columns))


def test_a_lively_picture_is_compressed_until_it_fits() -> None:
    noise = encoded(seconds=6, width=1280, height=720, options=(("crf", "10"),))
    intake = fed(noise, clock=FixedClock())
    strip, _ = make_strip(intake.ring.key_pictures(1 << 62)[:5])
    assert len(strip.jpeg) < MOST_BYTES


def test_what_cannot_be_decoded_is_left_out() -> None:
    good = sorted(pictures(), key=lambda one: one.unit.pts)[:3]
    bad = replace(good[1], unit=replace(good[1].unit, data=b"\0\0\0\1\x65" + b"\xff" * 50))
    strip, shown = make_strip([good[0], bad, good[2]])
    assert shown == [good[0], good[2]] and strip.width == 2 * WIDTH
    with pytest.raises(PictureError):
        make_strip([bad])
