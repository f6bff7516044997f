"""A camera without a camera: pictures encoded once, handed out as the packets a demuxer would give."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import cache

import av

from agent.video.access_unit import RawPacket
from agent.video.clock import Clock
from agent.video.intake import Intake

TICKS = 90_000
SECOND = 1_000_000


class FixedClock:
    """Boot and wall time that move only when a test says so (µs)."""

    def __init__(self, *, boot: int = 1_000 * SECOND, ahead: int = 1_700_000_000 * SECOND) -> None:
        self.now = boot
        self.ahead = ahead

    def boot(self) -> int:
        return self.now

    def wall(self) -> int:
        return self.now + self.ahead


@cache
def encoded(
    *,
    seconds: float = 4,
    fps: int = 10,
    gop: float = 1.0,
    width: int = 320,
    height: int = 180,
    reordered: int = 0,
    codec: str = "libx264",
    options: tuple[tuple[str, str], ...] = (),
) -> tuple[RawPacket, ...]:
    """`seconds` of moving bars; arrival times count from 0. `reordered` is the number of B-pictures in a row."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps)
    encoder.gop_size, encoder.max_b_frames = int(gop * fps), reordered
    encoder.thread_count = 1
    own = {"sc_threshold": "0", "x264-params": "sliced-threads=0:slices=1:scenecut=0"} if codec == "libx264" else {}
    encoder.options = {"preset": "ultrafast", **own, **dict(options)}
    packets = []
    for number in range(int(seconds * fps)):
        frame = av.VideoFrame(width, height, "yuv420p")
        for index, plane in enumerate(frame.planes):
            row = bytes((number * 5 + column + index * 60) % 220 + 16 for column in range(plane.line_size))
            plane.update(row * plane.height)
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    scale = TICKS // fps
    found = []
    for packet in packets:
        assert packet.pts is not None and packet.dts is not None
        found.append(
            RawPacket(
                data=bytes(packet),
                pts=packet.pts * scale,
                dts=packet.dts * scale,
                duration=scale,
                key=packet.is_keyframe,
                arrival=packet.dts * SECOND // fps,
            )
        )
    return tuple(found)


def later(packets: tuple[RawPacket, ...], *, ticks: int = 0, arrival: int = 0) -> tuple[RawPacket, ...]:
    """The same packets at another time of the camera's clock, or of ours."""
    return tuple(
        replace(
            each,
            pts=None if each.pts is None else each.pts + ticks,
            dts=None if each.dts is None else each.dts + ticks,
            arrival=each.arrival + arrival,
        )
        for each in packets
    )


def fed(
    packets: tuple[RawPacket, ...], *, clock: FixedClock, span: int = 30 * SECOND, base: int = 0, codec: str = "h264"
) -> Intake:
    """An intake into which the packets have come, the clock moving along with their arrival."""
    checked: Clock = clock
    intake = Intake(clock=checked, base=base, span=span)
    feed(intake, packets, clock=clock, codec=codec)
    return intake


def feed(intake: Intake, packets: tuple[RawPacket, ...], *, clock: FixedClock, codec: str = "h264") -> None:
    """A connection: these packets, the first arriving now."""
    began = clock.now - packets[0].arrival
    intake.connected(codec="hevc" if codec == "hevc" else "h264", time_base=Fraction(1, TICKS), announced=None)
    for packet in packets:
        clock.now = began + packet.arrival
        intake.take(replace(packet, arrival=clock.now))
