"""`media:` in `agent.yaml`: the media worker, and how long footage stays."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from agent.config.quantities import Share, Size, share
from rules.document import Duration, Strict, duration
from rules.units import DAY


class MediaConfig(Strict):
    """The media worker: which user ids may connect to its socket (default: the agent's own), and how much pre-roll
    stays in memory. Retention: how long footage stays that a relay holds (µs), when room is made on its disk and how
    much (percent), the most bytes it may use, and at how few days of room it is a trouble."""

    uids: list[int] | None = None
    ring_seconds: Annotated[int, Field(ge=5, le=120)] = 25
    keep: Annotated[Duration, Field(ge=DAY)] = duration("90d")
    high_water: Annotated[Share, Field(ge=10, le=98)] = share("90%")
    low_water: Annotated[Share, Field(ge=5, le=97)] = share("85%")
    limit: Annotated[Size, Field(ge=16_000_000)] | None = None
    warn_days: Annotated[int, Field(ge=1, le=365)] = 3

    @model_validator(mode="after")
    def _water(self) -> MediaConfig:
        if self.low_water >= self.high_water:
            raise ValueError(f"low_water ({self.low_water}%) must be below high_water ({self.high_water}%)")
        return self
