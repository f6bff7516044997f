"""The floor of wall time, written down every ten minutes with the next commit: it costs no fsync of its own."""

from __future__ import annotations

import aiosqlite

from agent.clock import Clock, boot_id, boot_now
from agent.store import meta

EVERY = 600_000_000  # boot µs
NAME = "floor"


def written(clock: Clock) -> dict[str, str]:
    """The small fact, as of now."""
    return {NAME: clock.floor.kept(boot_now(), boot_id())}


async def keep(transaction: aiosqlite.Connection, clock: Clock) -> None:
    """Write it down if that is due."""
    now = boot_now()
    if now - clock.floor.kept_at >= EVERY:
        await meta.write(transaction, written(clock))
        clock.floor.kept_at = now
