"""The last seconds of one camera, in memory: where pre-roll and stills come from."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from agent.video.access_unit import AccessUnit
from agent.video.parameters import Parameters
from agent.video.segment import Segment, Segmenter

MOST_BYTES = 32 << 20
"""A camera's share of memory, whatever its bit rate: 25 s at 10 Mbit/s."""
ENDLESS = 1 << 63
"""Later than any place on a timeline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPicture:
    """A picture that can be decoded by itself, with what a decoder needs for it."""

    unit: AccessUnit
    parameters: Parameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """The number of the first segment to take, and its start; None while it has not begun."""

    number: int
    start: int | None


class Ring:
    """Whole segments of at least `span` µs, bounded by `most_bytes` as well: when either is exceeded the oldest
    segment goes. Filled by the camera's thread, read by the event loop; a lock keeps both short."""

    def __init__(self, *, segmenter: Segmenter, span: int, most_bytes: int = MOST_BYTES) -> None:
        self._segmenter = segmenter
        self._span = span
        self._most_bytes = most_bytes
        self._segments: deque[Segment] = deque()
        self._bytes = 0
        self._lock = threading.Lock()

    def take(self, unit: AccessUnit, parameters: Parameters) -> Segment | None:
        """Add a picture; the segment that it completes, if one."""
        with self._lock:
            return self._keep(self._segmenter.take(unit, parameters))

    def finish(self) -> Segment | None:
        """End the open segment: the stream stopped."""
        with self._lock:
            return self._keep(self._segmenter.finish())

    def _keep(self, segment: Segment | None) -> Segment | None:
        if segment is None:
            return None
        self._segments.append(segment)
        self._bytes += segment.size
        while len(self._segments) > 1 and (
            segment.end - self._segments[1].start > self._span or self._bytes > self._most_bytes
        ):
            self._bytes -= self._segments.popleft().size
        return segment

    @property
    def bytes(self) -> int:
        """Footage held, in bytes."""
        with self._lock:
            return self._bytes + self._segmenter.open_bytes

    @property
    def end(self) -> int | None:
        """Where the newest complete segment ends; None while there is none."""
        with self._lock:
            return self._segments[-1].end if self._segments else None

    @property
    def parameters(self) -> Parameters | None:
        """Those of the newest picture."""
        return self._segmenter.parameters

    def covering(self, place: int) -> Beginning:
        """Where footage of `place` begins: at the key picture at or before it, or in a hole at the next one."""
        stretches: list[tuple[Beginning, int]] = []
        with self._lock:
            rows = [(each.number, each.key, each.start, each.end) for each in self._segments]
            if self._segmenter.open:
                first = self._segmenter.open[0]
                rows.append((self._segmenter.number, first.key, first.pts, ENDLESS))
            upcoming = self._segmenter.number
        for number, key, start, end in rows:
            if key:
                stretches.append((Beginning(number=number, start=start), end))
            elif stretches:
                # A long GOP goes on in this segment, which cannot be decoded without what came before.
                stretches[-1] = (stretches[-1][0], end)
        covering = (beginning for beginning, end in stretches if end > place)
        return next(covering, Beginning(number=upcoming, start=None))

    def since(self, number: int) -> list[Segment]:
        """The complete segments from this number on."""
        with self._lock:
            return [segment for segment in self._segments if segment.number >= number]

    def key_pictures(self, place: int) -> list[KeyPicture]:
        """Key pictures for a still of `place`, best first: nearest at or before it, then those after it."""
        with self._lock:
            parts: list[tuple[tuple[AccessUnit, ...] | list[AccessUnit], Parameters]] = [
                (segment.units, segment.parameters) for segment in self._segments
            ]
            if self._segmenter.parameters is not None:
                parts.append((list(self._segmenter.open), self._segmenter.parameters))
        keys = [KeyPicture(unit=unit, parameters=of) for units, of in parts for unit in units if unit.key]
        before = [key for key in keys if key.unit.pts <= place]
        return before[::-1] + keys[len(before) :]
