"""`media:` in `agent.yaml`: the media worker, and how long footage stays."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from rules.document import Strict


class MediaConfig(Strict):
    """The media worker: which user ids may connect to its socket (default: the agent's own), and how much pre-roll
    stays in memory."""

    uids: list[int] | None = None
    ring_seconds: Annotated[int, Field(ge=5, le=120)] = 25
