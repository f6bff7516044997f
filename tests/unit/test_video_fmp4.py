"""What is written can be played, frame for frame, at the timeline's own µs."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from agent.video import nal
from agent.video.parameters import Parameters
from agent.video.segment import Segment
from tests.unit.footage import SECOND, FixedClock, encoded, fed, feed, later


def frames(data: bytes) -> list[tuple[int, int]]:
    """Presentation time (µs) and luma of each frame of a file."""
    with av.open(io.BytesIO(data), "r") as container:
        video = container.streams.video[0]
        assert video.time_base is not None
        return [
            (int((frame.pts or 0) * video.time_base * SECOND), bytes(frame.planes[0])[0])
            for frame in container.decode(video)
        ]


def recorded(segments: list[Segment]) -> bytes:
    return segments[0].parameters.init + b"".join(segment.media() for segment in segments)


@pytest.mark.parametrize(
    ("name", "codec", "reordered"), [("libx264", "h264", 0), ("libx264", "h264", 2), ("libx265", "hevc", 0)]
)
def test_init_and_segments_are_a_playable_file(name: str, codec: str, reordered: int) -> None:
    options = (("x265-params", "log-level=none"),) if name == "libx265" else ()
    packets = encoded(seconds=6, codec=name, reordered=reordered, options=options)
    intake = fed(packets, clock=FixedClock(), codec=codec)
    intake.ended()
    segments = intake.ring.since(0)
    shown = frames(recorded(segments))
    # The last picture of the stream is still inside the normaliser, which waits for the next one to begin.
    assert len(shown) == len(packets) - 1
    if not reordered:
        assert shown[0][0] == segments[0].start
        assert {after - before for (before, _), (after, _) in pairwise(shown)} == {100_000}
    assert len({luma for _, luma in shown}) > 10, "the picture should move"


def test_segments_follow_each_other_without_a_hole() -> None:
    intake = fed(encoded(seconds=9, gop=1.0), clock=FixedClock())
    segments = intake.ring.since(0)
    assert [segment.number for segment in segments] == [0, 1, 2, 3]
    assert all(segment.key and segment.duration == 2 * SECOND for segment in segments)
    assert all(before.end == after.start for before, after in pairwise(segments))


def test_the_decode_time_on_disk_is_the_timelines() -> None:
    intake = fed(encoded(seconds=5), clock=FixedClock(boot=123_456_789_012), base=7)
    segment = intake.ring.since(0)[0]
    media = segment.media()
    assert segment.start == 123_456_789_012 + 7
    at = media.index(b"tfdt")
    assert media[at + 4] == 1
    assert int.from_bytes(media[at + 8 : at + 16]) == segment.start
    assert media.count(b"moof") == 2, "one fragment a GOP"


def test_the_same_segment_is_the_same_bytes() -> None:
    segment = fed(encoded(), clock=FixedClock()).ring.since(0)[0]
    assert segment.media() == segment.media()


def test_pictures_are_never_changed() -> None:
    packets = encoded(seconds=4)
    intake = fed(packets, clock=FixedClock())
    segment = intake.ring.since(0)[0]
    media = segment.media()
    for packet, unit in zip(packets, segment.units, strict=False):
        assert unit.data == packet.data
        for piece in nal.split(packet.data):
            assert len(piece).to_bytes(4) + piece in media


def test_the_same_parameter_sets_give_the_same_init() -> None:
    one = fed(encoded(seconds=3), clock=FixedClock()).ring.since(0)[0].parameters
    other = fed(encoded(seconds=3, gop=0.5), clock=FixedClock()).ring.since(0)[0].parameters
    assert (one.width, one.height) == (320, 180)
    assert one.init_sha256 == other.init_sha256
    assert one.init[4:8] == b"ftyp"
    assert (1_000_000).to_bytes(4) in one.init[one.init.index(b"mdhd") :]


def test_another_picture_size_is_another_init_and_another_segment() -> None:
    clock = FixedClock()
    intake = fed(encoded(seconds=2.5), clock=clock)
    clock.now += 100_000
    feed(intake, later(encoded(seconds=5, width=640, height=360)), clock=clock)
    sizes = [(each.parameters.width, each.parameters.init_sha256) for each in intake.ring.since(0)]
    assert [width for width, _ in sizes] == [320, 320, 640, 640]
    assert len({init for _, init in sizes}) == 2


def test_parameter_sets_may_come_with_the_connection_only() -> None:
    packets = encoded(seconds=3)
    sets = nal.join(nal.parameter_sets(packets[0].data, "h264"))
    bare = tuple(
        type(each)(
            data=nal.join([unit for unit in nal.split(each.data) if nal.kind(unit, "h264") not in (7, 8)]),
            pts=each.pts,
            dts=each.dts,
            duration=each.duration,
            key=each.key,
            arrival=each.arrival,
        )
        for each in packets
    )
    clock = FixedClock()
    without = fed(bare, clock=clock)
    assert without.unusable == 3 and without.pictures == 0 and without.ring.since(0) == []
    without.connected(codec="h264", time_base=Fraction(1, 90_000), announced=sets)
    for each in later(bare, arrival=clock.now):
        without.take(each)
    without.ended()
    assert len(frames(recorded(without.ring.since(0)))) == len(bare) - 1


@pytest.mark.parametrize(
    ("sps", "codec", "name"),
    [
        ("6764001facd9405005bb016a02020280000003008000001e478c18cb", "h264", "avc1.64001f"),
        (
            "42010101600000030090000003000003005da00280802d165959a4932b9a0200000300",
            "hevc",
            "hvc1.1.6.L93.90",
        ),
    ],
)
def test_the_codec_as_browsers_call_it(sps: str, codec: nal.Codec, name: str) -> None:
    assert nal.codec_string([bytes.fromhex(sps)], codec) == name


def test_split_and_join_are_each_others_inverse() -> None:
    units = [b"\x67\x01", b"\x68\x02\x03", b"\x65" + b"\x00\x00\x03" * 3 + b"\x01"]
    assert nal.split(nal.join(units)) == units
    assert nal.split(b"\x00\x00\x01\x09\x10\x00\x00\x00\x01\x65\xff") == [b"\x09\x10", b"\x65\xff"]
    assert nal.split(b"no start code") == []


def test_parameters_hide_their_bytes_in_logs() -> None:
    parameters = fed(encoded(seconds=3), clock=FixedClock()).ring.parameters
    assert isinstance(parameters, Parameters)
    assert "ftyp" not in repr(parameters)
