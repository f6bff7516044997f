"""A token bucket: how many bytes may leave now, and how long to wait for more."""

from __future__ import annotations

SMALLEST = 16_384  # bytes: a piece is never cut smaller for the sake of a rate
_LEAST = 0.001  # seconds to wait
_BURST = 1.0  # seconds' worth that may leave at once after a pause


class Bucket:
    """Fills at a rate that may change at any time. What is never held back is taken all the same and leaves it in debt,
    so that the rate is kept over time."""

    def __init__(self, *, now: float) -> None:
        self._level = 0.0
        self._at = now

    def grant(self, want: int, *, rate: int, now: float) -> tuple[int, float]:
        """(bytes that may leave now, 0.0), or (0, seconds until some may). `rate` is in bytes a second and not 0."""
        most = max(rate * _BURST, SMALLEST)
        self._level = min(self._level + (now - self._at) * rate, most)
        self._at = now
        piece = min(want, int(most))
        if self._level > piece - 1:  # not a byte's worth of rounding
            return piece, 0.0
        return 0, max((piece - self._level) / rate, _LEAST)

    def spend(self, count: int) -> None:
        """So many bytes left."""
        self._level -= count
