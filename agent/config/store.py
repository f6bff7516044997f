"""`store:` in `agent.yaml`: the log, what it keeps, and its reserve."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.config.quantities import Size, size
from rules.document import Duration, Strict, duration
from rules.units import DAY


class StoreConfig(Strict):
    """How long records stay that every outlet has (µs), how long readings stay (µs), and the bytes set aside so that a
    full disk can be cleaned up."""

    keep: Annotated[Duration, Field(ge=DAY)] = 30 * DAY
    keep_readings: Annotated[Duration, Field(ge=DAY)] = duration("7d")
    ballast: Size = size("64MB")
