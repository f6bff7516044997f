"""What the gateway watches of itself: that the pipeline turns, and what memory the start left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from agent import memory
from agent.clock import boot_now
from agent.sdnotify import notify, watchdog_seconds

log = structlog.get_logger()

PERIOD = 5.0  # seconds
TRIM_AT = 3  # looks: by then every connection has been opened once
STALLED = 30_000_000  # µs without a turn of the pipeline


class Health:
    """Service "health". `progress` gives the boot-time clock (µs) at the pipeline's last turn."""

    name = "health"

    def __init__(self, *, progress: Callable[[], int]) -> None:
        self._progress = progress

    async def run(self) -> None:
        """Look every few seconds, and tell systemd that we live only while the pipeline does."""
        period = min(PERIOD, watchdog_seconds() or PERIOD)
        looks = 0
        while True:
            looks += 1
            if looks == TRIM_AT:
                memory.trim()
            if boot_now() - self._progress() < STALLED:
                notify("WATCHDOG=1")
            else:
                log.error("pipeline.stalled")
            await asyncio.sleep(period)
