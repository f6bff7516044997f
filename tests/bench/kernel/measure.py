"""How figures are taken: by CPU time, which a busy neighbour changes least."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@contextmanager
def quiet() -> Iterator[None]:
    """Without the cyclic garbage collector, whose pauses belong to whatever was made before."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process, all its threads, for one call."""
    with quiet():
        began = time.process_time()
        work()
        return time.process_time() - began


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Single steps in µs."""

    median: float
    p99: float
    steps: int

    def data(self) -> dict[str, float]:
        """For the JSON file."""
        return {"median_us": round(self.median, 2), "p99_us": round(self.p99, 2), "steps": self.steps}


def spread(nanoseconds: list[int]) -> Spread:
    """Median and 99th percentile of single steps, in µs."""
    ordered = sorted(nanoseconds)
    return Spread(
        median=statistics.median(ordered) / 1000,
        p99=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] / 1000,
        steps=len(ordered),
    )
