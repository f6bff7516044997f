"""Opening a store that may be damaged: when the gateway helps itself, and when it stops for a person.

Nobody in the building is served by a gateway that waits for a person because a disk lost a page. So whatever is surely
this gateway's own log is rescued, and said so loudly. What may be somebody else's stays as it is (see README.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from agent.errors import StoreBroken
from agent.store import snapshots
from agent.store.exchange import finish
from agent.store.inspection import inspect
from agent.store.opening import Store, open_store
from agent.store.salvage import salvage

log = structlog.get_logger()


async def open_or_rescue(
    path: Path,
    *,
    gateway: str,
    outlets: Sequence[str] = (),
    alive: Callable[[], None] = lambda: None,
    broken: str | None = None,
) -> Store:
    """The store, sound as far as a start can tell; rescued first when it was damaged. `outlets` are the names of all
    that follow the log; `alive` is called while a rescue takes its time; `broken` is what was found when it was open
    before. ConfigError or StoreDamaged when the file is
    none that may be replaced, StoreError when there is no room to rescue it."""
    finish(path)
    reason = broken if broken is not None else await asyncio.to_thread(inspect, path)
    if reason is None:
        try:
            return await _open(path, gateway)
        except StoreBroken as error:
            reason = str(error)
    reason = reason.partition(". ")[0]
    log.error("store.damaged", path=str(path), reason=reason)
    await asyncio.to_thread(salvage, path, gateway=gateway, outlets=outlets, reason=reason, alive=alive)
    return await _open(path, gateway)


async def _open(path: Path, gateway: str) -> Store:
    """Open it, and check what a replay will read."""
    store = await open_store(path, gateway=gateway)
    try:
        start = 0
        async for snapshot in snapshots.good(store.database):
            start = snapshot.pos
            break
        await store.log.verify(start)
    except BaseException:
        await store.database.close()
        raise
    return store
