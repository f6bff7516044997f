"""Rescuing the log while the agent runs: the core goes on deciding from memory, and this works beside it.

Theory of operation. `begin` closes the file and has it rescued in a thread; the pipeline's next attempt to open it
finds the new one. A rescue that fails (no room, a disk that gives nothing) is tried again ever more seldom.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from agent.clock import boot_now
from agent.errors import AgentError
from agent.store.opening import Store
from agent.store.salvage import salvage

log = structlog.get_logger()

_AGAIN, _SELDOM = 10_000_000, 600_000_000  # µs between two attempts, growing


class Rescuer:
    """One rescue at a time. `done` counts those that ended well."""

    def __init__(self, *, store: Store, gateway: str, outlets: Sequence[str]) -> None:
        self._store = store
        self._gateway = gateway
        self._outlets = tuple(outlets)
        self._task: asyncio.Task[None] | None = None
        self._not_before = 0
        self._pause = _AGAIN
        self.done = 0

    @property
    def underway(self) -> bool:
        """Whether the file is being rescued just now: nobody may open it."""
        return self._task is not None and not self._task.done()

    def begin(self, reason: str) -> bool:
        """Rescue the log, which is damaged for this reason; False when it was tried too lately."""
        if self.underway or boot_now() < self._not_before:
            return self.underway
        self._not_before = boot_now() + self._pause
        self._pause = min(self._pause * 2, _SELDOM)
        self._task = asyncio.create_task(self._work(reason), name="store.rescue")
        return True

    async def settled(self) -> None:
        """Wait until no rescue is under way."""
        if self._task is not None:
            await asyncio.wait((self._task,))

    async def _work(self, reason: str) -> None:
        database = self._store.database
        await database.close()
        try:
            await asyncio.to_thread(
                salvage, database.path, gateway=self._gateway, outlets=self._outlets, reason=reason.partition(". ")[0]
            )
        except AgentError as error:
            log.error("store.not_rescued", reason=str(error))
            return
        database.broken = None
        self.done += 1
