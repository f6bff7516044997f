"""Segments: a few seconds of one camera, the unit in which footage is kept, hashed, sent and shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from agent.video import nal
from agent.video.access_unit import MICROSECONDS, USUAL_DURATION, AccessUnit
from agent.video.fmp4 import Sample, fragment
from agent.video.parameters import Parameters

SHORTEST = 1_600_000
"""A key picture ends a segment of at least this (µs): one GOP of the usual 2 s, or two of 1 s."""
LONGEST = 4 * MICROSECONDS
"""A GOP longer than this is cut inside, so that footage does not wait in memory for a key picture a minute away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """Consecutive pictures under the same parameters. `start` and `end` are presentation times on the camera's
    timeline; `number` grows by one from segment to segment of a camera; `wall_start` is the first picture's wall
    time. `key`: it can be decoded without the one before."""

    number: int
    parameters: Parameters
    units: tuple[AccessUnit, ...] = field(repr=False)
    start: int
    end: int
    wall_start: int
    size: int

    @property
    def key(self) -> bool:
        return self.units[0].key

    @property
    def duration(self) -> int:
        """µs."""
        return self.end - self.start

    def media(self) -> bytes:
        """The media segment: one fragment a GOP. The same segment is the same bytes for every clip that wants it."""
        times = [*(unit.dts for unit in self.units), self.units[0].dts + self.duration]
        samples = [
            Sample(
                data=nal.length_prefixed(unit.data),
                duration=after - before,
                composition=unit.pts - unit.dts,
                key=unit.key,
            )
            for unit, (before, after) in zip(self.units, pairwise(times), strict=True)
        ]
        cuts = [index for index, sample in enumerate(samples) if sample.key or index == 0] + [len(samples)]
        return b"".join(
            fragment(samples[begin:end], sequence=self.number * 256 + ordinal, decode_time=times[begin])
            for ordinal, (begin, end) in enumerate(pairwise(cuts))
        )


class Segmenter:
    """Collects pictures into segments. `open` are the pictures of the segment not yet complete, `number` the
    number it will have; `wall_of` gives the wall time of a place on the timeline."""

    def __init__(self, *, wall_of: Callable[[int], int]) -> None:
        self.open: list[AccessUnit] = []
        self.open_bytes = 0
        self.parameters: Parameters | None = None
        self._wall_of = wall_of
        self.number = 0
        # What presentation is later than decoding at the last key picture: 0 without B-pictures.
        self._offset = 0

    def take(self, unit: AccessUnit, parameters: Parameters) -> Segment | None:
        """Add a picture; the segment that ends before it, if one does."""
        done: Segment | None = None
        if self.open:
            length = unit.dts - self.open[0].dts
            changed = parameters is not self.parameters
            if (unit.key and (length >= SHORTEST or changed)) or length >= LONGEST:
                done = self._close(end=unit.dts)
        if unit.key:
            self._offset = unit.pts - unit.dts
        self.parameters = parameters
        self.open.append(unit)
        self.open_bytes += len(unit.data)
        return done

    def finish(self) -> Segment | None:
        """The segment so far, its last picture shown as long as the one before: the stream ends here."""
        if not self.open:
            return None
        step = self.open[-1].dts - self.open[-2].dts if len(self.open) > 1 else USUAL_DURATION
        return self._close(end=self.open[-1].dts + step)

    def _close(self, *, end: int) -> Segment:
        if self.parameters is None:
            raise AssertionError("pictures were collected without parameters")
        start = self.open[0].dts + self._offset
        segment = Segment(
            number=self.number,
            parameters=self.parameters,
            units=tuple(self.open),
            start=start,
            end=end + self._offset,
            wall_start=self._wall_of(start),
            size=self.open_bytes,
        )
        self.number += 1
        self.open = []
        self.open_bytes = 0
        return segment
