"""How far our wall clock is from that of a relay, out of answers that took a while: the quickest ones know best.

Both readings are tied to the boot-time clock, which nobody can set, so a wall clock that is set meanwhile makes no
sample wrong. Of the last minutes the answer with the smallest round trip counts: it is off by at most half of that.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

WINDOW = 600_000_000  # µs of boot time
_MOST = 64  # samples; the oldest goes first
FAR = 5_000_000  # µs beyond which clocks do not agree
NEAR = 2_000_000  # µs within which they do again
HELD = 30_000_000  # µs either must last


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer: the relay's wall time minus our boot-time clock, the round trip, and when (boot µs)."""

    skew: int
    trip: int
    at: int


class Drift:
    """One outlet's clock against ours. `apart` is what was found last: True apart, False agreeing, None not known."""

    def __init__(self, *, apart: bool | None = None) -> None:
        self._samples: deque[Sample] = deque(maxlen=_MOST)
        self._since: int | None = None
        self.apart = apart

    def heard(self, *, wall: int, sent: int, received: int) -> None:
        """The relay said `wall` (its wall µs) between these two readings of the boot-time clock."""
        if received >= sent:
            self._samples.append(Sample(wall - (sent + received) // 2, received - sent, received))

    def best(self, boot: int) -> Sample | None:
        """The quickest of the last minutes; None when there was none."""
        while self._samples and boot - self._samples[0].at > WINDOW:
            self._samples.popleft()
        return min(self._samples, key=lambda each: each.trip, default=None)

    def offset(self, *, wall: int, boot: int) -> int | None:
        """µs to add to our wall clock, by the best answer; None when nobody answered lately."""
        sample = self.best(boot)
        return None if sample is None else sample.skew + boot - wall

    def change(self, *, wall: int, boot: int) -> int | None:
        """The offset when it has been far for a while, or near again after that; None when there is nothing new."""
        sample = self.best(boot)
        if sample is None:
            self._since = None
            return None
        offset = sample.skew + boot - wall
        sure = sample.trip // 2
        apart = abs(offset) - sure > FAR if not self.apart else not abs(offset) + sure < NEAR
        if apart == bool(self.apart):
            self._since = None
            return None
        if self._since is None:
            self._since = boot
        if boot - self._since < HELD:
            return None
        self.apart, self._since = apart, None
        return offset

    def agrees(self, *, wall: int, boot: int) -> bool:
        """Whether the relay's clock shows the same as ours, within what a slow answer leaves open."""
        sample = self.best(boot)
        return sample is not None and abs(sample.skew + boot - wall) <= FAR and sample.trip <= FAR
