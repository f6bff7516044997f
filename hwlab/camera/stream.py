"""One camera's live stream: draws, encodes and hands each frame to whoever watches; its faults are switched here."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from hwlab.camera.encoder import CLOCK_RATE, AccessUnit, Encoder
from hwlab.camera.rtp import Packetiser, interleaved
from hwlab.camera.scene import Scene
from hwlab.instant import wall_now

Mode = Literal["ok", "frozen", "stalled", "down", "garbage", "unauthorised"]
MODES: tuple[Mode, ...] = get_args(Mode)
HEIGHTS = (720, 1080)

# A reader whose unsent bytes pass HIGH gets nothing until they fall below LOW, and then starts at a key frame.
_HIGH, _LOW = 500_000, 100_000
_REPORT_SECONDS = 5.0
_LATE_SECONDS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamSpec:
    """`name` is the path of the stream, `title` is written into the picture; `gop` in seconds."""

    name: str
    title: str
    height: int = 720
    fps: int = 15
    gop: float = 1.0


class Viewer:
    """One client that plays the stream over its RTSP connection; `dropped` counts frames it was too slow for."""

    def __init__(self, *, transport: asyncio.WriteTransport, channel: int) -> None:
        self.transport = transport
        self.channel = channel
        self.dropped = 0
        self._waits_for_key = True

    def give(self, unit: AccessUnit, packed: Callable[[int], bytes]) -> None:
        """Send one frame, or drop it."""
        waiting = self.transport.get_write_buffer_size()
        if waiting > _HIGH:
            self._waits_for_key = True
        if self._waits_for_key and (not unit.key or waiting > _LOW):
            self.dropped += 1
            return
        self._waits_for_key = False
        self.transport.write(packed(self.channel))

    def report(self, packet: bytes) -> None:
        if self.transport.get_write_buffer_size() <= _HIGH:
            self.transport.write(interleaved(self.channel + 1, [packet]))


class Stream:
    """Encodes only while somebody watches; the scene moves on all the same."""

    def __init__(self, *, spec: StreamSpec) -> None:
        self.spec = spec
        self.mode: Mode = "ok"
        self.frames = 0
        self._viewers: set[Viewer] = set()
        self._want_key = True
        self._ticks = 0

    def open(self) -> None:
        """Paint the scene and open the encoder: the part that takes a moment."""
        self.scene = Scene(height=self.spec.height, title=self.spec.title)
        self.encoder = Encoder(width=self.scene.width, height=self.scene.height, fps=self.spec.fps)
        self.packetiser = Packetiser()
        self.scene.draw(self.encoder.picture, wall_now())

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    def join(self, viewer: Viewer) -> None:
        """Let a client watch; the first one makes the stream start with a key frame."""
        self._want_key = self._want_key or not self._viewers
        self._viewers.add(viewer)
        viewer.report(self._sender_report())

    def leave(self, viewer: Viewer) -> None:
        self._viewers.discard(viewer)

    async def run(self) -> None:
        """Make frames on an even beat until cancelled; a beat that was missed is skipped, never caught up."""
        period, start = 1.0 / self.spec.fps, time.monotonic()
        beat = key_beat = reported = 0
        gop = max(1, round(self.spec.gop * self.spec.fps))
        while True:
            beat += 1
            late = time.monotonic() - (start + beat * period)
            if late > _LATE_SECONDS:
                beat += int(late / period)
            await asyncio.sleep(max(0.0, start + beat * period - time.monotonic()))
            self._ticks = beat * CLOCK_RATE // self.spec.fps
            if self.mode != "frozen":
                self.scene.advance(period)
            if not self._viewers or self.mode in ("stalled", "down"):
                self._want_key = True
                continue
            key = self._want_key or beat - key_beat >= gop
            if key:
                key_beat = beat
            self._frame(key=key)
            if (beat - reported) * period >= _REPORT_SECONDS:
                reported = beat
                report = self._sender_report()
                for viewer in self._viewers:
                    viewer.report(report)

    def _frame(self, *, key: bool) -> None:
        if self.mode != "frozen":
            self.scene.draw(self.encoder.picture, wall_now())
        unit = self.encoder.encode(ticks=self._ticks, key=key)
        if unit is None:
            return
        self._want_key = False
        self.frames += 1
        if self.mode == "garbage":
            nals = tuple(nal if nal[0] & 31 in (7, 8) else nal[:1] + os.urandom(len(nal) - 1) for nal in unit.nals)
            unit = AccessUnit(nals, unit.key, unit.ticks)
        packets = self.packetiser.packetise(unit)
        ready: dict[int, bytes] = {}

        def packed(channel: int) -> bytes:
            if channel not in ready:
                ready[channel] = interleaved(channel, packets)
            return ready[channel]

        for viewer in self._viewers:
            viewer.give(unit, packed)

    def _sender_report(self) -> bytes:
        return self.packetiser.sender_report(wall=wall_now(), ticks=self._ticks, name=self.spec.name.encode()[:60])
