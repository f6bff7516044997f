"""The ring keeps enough, never too much, and knows where footage of a moment begins."""

from __future__ import annotations

from agent.video.access_unit import AccessUnit
from agent.video.ring import Ring
from agent.video.segment import LONGEST, Segmenter
from agent.video.still import make_still
from tests.unit.footage import SECOND, FixedClock, encoded, fed, feed

PARAMETERS = fed(encoded(), clock=FixedClock()).ring.since(0)[0].parameters
FRAME = 100_000


def ring(*, span: int = 10 * SECOND, most_bytes: int = 1 << 30) -> Ring:
    return Ring(segmenter=Segmenter(wall_of=lambda place: place), span=span, most_bytes=most_bytes)


def fill(into: Ring, *, since: int, until: int, gop: int = SECOND, size: int = 10) -> None:
    for place in range(since, until, FRAME):
        key = (place - since) % gop == 0
        into.take(AccessUnit(data=b"x" * size, pts=place, dts=place, key=key, arrival=place), PARAMETERS)


def test_it_holds_at_least_its_span_and_little_more() -> None:
    held = ring(span=10 * SECOND)
    fill(held, since=0, until=60 * SECOND)
    segments = held.since(0)
    length = segments[-1].end - segments[0].start
    assert 10 * SECOND <= length <= 12 * SECOND
    assert segments[-1].end == 58 * SECOND


def test_bytes_bound_it_as_well() -> None:
    held = ring(span=60 * SECOND, most_bytes=100_000)
    fill(held, since=0, until=60 * SECOND, size=1_000)
    assert held.bytes <= 100_000 + 20_000
    assert len(held.since(0)) >= 4


def test_a_long_gop_is_cut_so_that_it_can_be_kept_in_time() -> None:
    held = ring(span=60 * SECOND)
    fill(held, since=0, until=30 * SECOND, gop=12 * SECOND)
    segments = held.since(0)
    assert max(segment.duration for segment in segments) <= LONGEST
    assert [segment.key for segment in segments] == [True, False, False, True, False, False, True]
    # Footage from the middle of the GOP can only be shown from its key picture.
    beginning = held.covering(10 * SECOND)
    assert (beginning.number, beginning.start) == (0, 0)


def test_where_footage_of_a_moment_begins() -> None:
    held = ring(span=10 * SECOND)
    fill(held, since=0, until=15 * SECOND + FRAME)
    oldest = held.since(0)[0]
    inside = held.covering(7 * SECOND + 1)
    assert inside.start == 6 * SECOND
    assert held.covering(oldest.start - 1).number == oldest.number
    still_open = held.covering(14 * SECOND + 500_000)
    assert (still_open.number, still_open.start) == (7, 14 * SECOND)
    assert held.covering(99 * SECOND).number == 7


def test_a_moment_in_a_hole_begins_after_it() -> None:
    held = ring(span=60 * SECOND)
    fill(held, since=0, until=4 * SECOND)
    held.finish()
    fill(held, since=20 * SECOND, until=26 * SECOND)
    assert held.covering(10 * SECOND).start == 20 * SECOND
    assert held.covering(3 * SECOND).start == 2 * SECOND


def test_an_empty_ring_begins_with_what_comes_next() -> None:
    beginning = ring().covering(5)
    assert (beginning.number, beginning.start) == (0, None)


def test_the_still_of_a_moment_is_the_key_picture_at_or_before_it() -> None:
    clock = FixedClock(boot=0)
    intake = fed(encoded(seconds=6), clock=clock)
    best = intake.ring.key_pictures(3 * SECOND + 500_000)
    assert [key.unit.pts // SECOND for key in best] == [3, 2, 1, 0, 4, 5]
    still = make_still(best[0])
    assert still.jpeg.startswith(b"\xff\xd8") and still.jpeg.endswith(b"\xff\xd9")
    assert (still.width, still.height) == (320, 180)


def test_a_camera_that_comes_back_is_a_new_stretch_of_the_same_timeline() -> None:
    clock = FixedClock(boot=50 * SECOND)
    intake = fed(encoded(seconds=3), clock=clock)
    assert intake.ended()
    clock.now += 10 * SECOND
    feed(intake, encoded(seconds=3), clock=clock)
    intake.ended()
    segments = intake.ring.since(0)
    assert [segment.start for segment in segments] == [
        50 * SECOND,
        52 * SECOND,
        62 * SECOND + 900_000,
        64 * SECOND + 900_000,
    ]
    assert segments[1].end == 52 * SECOND + 900_000
    assert segments[0].wall_start == segments[0].start + clock.ahead
