"""From packets to footage in memory: everything that happens to a camera's stream on its own thread."""

from __future__ import annotations

from fractions import Fraction

from agent.video import nal
from agent.video.access_unit import AccessUnit, Normaliser, RawPacket
from agent.video.clock import Clock
from agent.video.errors import PictureError
from agent.video.parameters import Parameters, ParameterSets
from agent.video.ring import Ring
from agent.video.segment import Segmenter
from agent.video.timeline import Timeline


class Intake:
    """One camera's way from packets to ring, across all its connections.

    `connected()` begins a connection, `take()` adds a packet and says whether a segment was completed, `ended()`
    closes what is open. `pictures` counts key pictures that were understood, `unusable` those that were not.
    """

    def __init__(self, *, clock: Clock, base: int, span: int) -> None:
        self._clock = clock
        self.timeline = Timeline(base=base)
        self.ring = Ring(segmenter=Segmenter(wall_of=self.wall_of), span=span)
        self._normaliser: Normaliser | None = None
        self._sets: ParameterSets | None = None
        self._parameters: Parameters | None = None
        self.pictures = 0
        self.unusable = 0
        self.newest = 0
        """Boot time (µs) of the newest packet's arrival; 0 before the first."""

    def wall_of(self, place: int) -> int:
        """The wall time (µs) of a place on the timeline, by the wall clock as it is now."""
        return self.timeline.boot_of(place) + self._clock.wall() - self._clock.boot()

    def connected(self, *, codec: nal.Codec, time_base: Fraction, announced: bytes | None) -> None:
        """A stream begins; `announced` are the parameter sets of the connection's set-up, if it had any."""
        self.timeline.interrupted()
        self._normaliser = Normaliser(time_base=time_base)
        self._sets = ParameterSets(codec=codec, announced=announced)
        self._parameters = None

    def take(self, packet: RawPacket) -> bool:
        """Add a packet of the stream; True when that completed a segment."""
        if self._normaliser is None:
            raise AssertionError("a packet came before its stream")
        self.newest = packet.arrival
        completed = False
        for unit in self._normaliser.take(packet):
            completed |= self._place(unit)
        return completed

    def _place(self, unit: AccessUnit) -> bool:
        placed, fresh = self.timeline.place(unit)
        completed = fresh and self.ring.finish() is not None
        if fresh:
            self._parameters = None
        if unit.key and self._sets is not None:
            try:
                self._parameters = self._sets.take(unit)
                self.pictures += 1
            except PictureError:
                self._parameters = None
                self.unusable += 1
        if self._parameters is None:
            # Nothing can be decoded before the first sound key picture of a stretch.
            return completed
        return self.ring.take(placed, self._parameters) is not None or completed

    def ended(self) -> bool:
        """The stream is over; True when that completed a segment."""
        self._normaliser = None
        return self.ring.finish() is not None
