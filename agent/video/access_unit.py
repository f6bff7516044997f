"""Access units: one coded picture each, whole, with both its times. Cameras hand out less tidy things."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

MICROSECONDS = 1_000_000
USUAL_DURATION = 40_000
"""µs of a frame when a stream gives no other hint (25 frames a second)."""
HELD_FOR_TIMES = 8
"""Packets at the start of a stream that may lack a time before one is invented."""
RESTART = MICROSECONDS
"""A decode time this much before the last one is a stream that began again, not a packet out of order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPacket:
    """What the demuxer gave, times in ticks of the stream's time base; `arrival` is boot time in µs."""

    data: bytes
    pts: int | None
    dts: int | None
    duration: int
    key: bool
    arrival: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessUnit:
    """One picture in Annex B form. `pts` and `dts` in µs, first on the stream's own clock, then (placed by the
    timeline) on the camera's timeline; `arrival` is boot time in µs."""

    data: bytes
    pts: int
    dts: int
    key: bool
    arrival: int


class Normaliser:
    """Makes access units of packets: slices of one picture are merged, missing times inferred from their neighbours,
    what comes out of order is dropped and counted. A unit is given out when the next one begins."""

    def __init__(self, *, time_base: Fraction) -> None:
        self._tick = time_base * MICROSECONDS
        self._held: list[RawPacket] | None = []
        self._slices: list[bytes] = []
        self._pending: AccessUnit | None = None
        self._last: AccessUnit | None = None
        self._step = USUAL_DURATION
        self.dropped = 0

    def take(self, packet: RawPacket) -> list[AccessUnit]:
        """The units that this packet completes, in decode order."""
        if self._held is None:
            return self._one(packet)
        self._held.append(packet)
        if (packet.pts is None or packet.dts is None) and len(self._held) < HELD_FOR_TIMES:
            return []
        held, self._held = _with_times(self._held, usual=int(USUAL_DURATION / self._tick)), None
        return [unit for each in held for unit in self._one(each)]

    def _one(self, packet: RawPacket) -> list[AccessUnit]:
        pending = self._pending
        if packet.dts is not None:
            dts = int(packet.dts * self._tick)
        else:
            dts = pending.dts + self._step if pending else 0
        pts = dts if packet.pts is None else int(packet.pts * self._tick)
        if pending is not None and pts == pending.pts:
            self._slices.append(packet.data)
            self._pending = replace(pending, key=pending.key or packet.key)
            return []
        done = self._finished()
        self._slices = [packet.data]
        self._pending = AccessUnit(data=b"", pts=pts, dts=dts, key=packet.key, arrival=packet.arrival)
        return done

    def _finished(self) -> list[AccessUnit]:
        if self._pending is None:
            return []
        unit = replace(self._pending, data=b"".join(self._slices))
        if self._last is not None:
            step = unit.dts - self._last.dts
            if -RESTART < step <= 0:
                self.dropped += 1
                return []
            if 0 < step < RESTART:
                self._step = step
        self._last = unit
        return [unit]


def _with_times(held: list[RawPacket], *, usual: int) -> list[RawPacket]:
    """The same packets, those without times counted back from the first that has them."""
    known = held[-1]
    dts = known.dts if known.dts is not None else known.pts if known.pts is not None else 0
    pts = known.pts if known.pts is not None else dts
    filled = [replace(known, pts=pts, dts=dts)]
    for packet in reversed(held[:-1]):
        step = packet.duration or known.duration or usual
        dts = packet.dts if packet.dts is not None else dts - step
        pts = packet.pts if packet.pts is not None else pts - step
        filled.append(replace(packet, pts=pts, dts=dts))
    return filled[::-1]
