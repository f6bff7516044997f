"""When an outlet and this log do not share a history any more, the log goes on under a new epoch.

That happens when the gateway's disk was put back to an older state, or the relay's was, and it happens to two machines
with one identity, for ever. So it is done at most once an hour; what comes more often is for a person to look at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from agent.clock import Clock, boot_now, wall_now
from agent.intake import Input, Intake
from agent.store import epochs
from agent.store.database import Database
from agent.store.epochs import Epoch
from agent.store.log import Log
from rules import ids
from rules.events import EpochBegan, StoreRecovered

log = structlog.get_logger()

SELDOM = 3_600_000_000  # µs between two


def began(epoch: Epoch, clock: Clock) -> Input:
    """The fact that an epoch began. It may be told again: the log has it once."""
    header = clock.header()
    header["id"] = ids.derived(epoch.epoch, "began")
    return Input(
        fact=EpochBegan(**header, epoch=epoch.epoch, supersedes=epoch.supersedes, reason=epoch.reason),
        repeatable=True,
    )


async def untold(database: Database, clock: Clock) -> list[Input]:
    """What was done with the log while nobody could be told: damage that was rescued, and the newest epoch."""
    told: list[Input] = []
    for epoch, reason, rows, missing, kept in await database.read(
        "SELECT epoch, reason, rows, missing, kept FROM salvage ORDER BY wall DESC LIMIT 1"
    ):
        header = clock.header()
        header["id"] = ids.derived(epoch, "recovered")
        fact = StoreRecovered(**header, reason=reason, rows=rows, missing=missing, kept=kept)
        told.append(Input(fact=fact, repeatable=True))
    return [*told, *(began(epoch, clock) for epoch in (await epochs.lineage(database))[:1])]


class Succession:
    """`begin` when a relay's history and ours differ. `outlets` are the names of all that have cursors: what one of
    them may lack travels again."""

    def __init__(self, *, database: Database, log: Log, outlets: Sequence[str], intake: Intake, clock: Clock) -> None:
        self._database = database
        self._log = log
        self._outlets = tuple(outlets)
        self._intake = intake
        self._clock = clock
        self._one = asyncio.Lock()
        self._last: int | None = None  # boot-time clock

    async def begin(self, *, differs: str, reason: str) -> bool:
        """The relay's records of epoch `differs` are not ours: have the log in another epoch when this returns True,
        and connect anew. False when the last such change is less than an hour ago. StoreError when it cannot be
        written just now; the next call goes on with it."""
        async with self._one:
            if self._log.epoch != differs:
                return True  # another connection was faster
            if await self._too_soon():
                return False
            epoch = await epochs.begin(
                database=self._database,
                log=self._log,
                outlets=self._outlets,
                cause="conflict",
                reason=reason,
                wall=self._clock.header()["wall"],
            )
            self._last = boot_now()
        log.warning("epoch.began", epoch=epoch.epoch, supersedes=epoch.supersedes, reason=reason)
        await self._intake.offer(began(epoch, self._clock))
        return True

    async def former(self) -> list[str]:
        """The epochs this log had before, the newest first: a relay that is still in one of them is told that the
        current epoch supersedes that one."""
        return [epoch.supersedes for epoch in await epochs.lineage(self._database)]

    async def _too_soon(self) -> bool:
        if self._last is not None:
            return boot_now() - self._last < SELDOM
        conflicts = [epoch.wall for epoch in await epochs.lineage(self._database) if epoch.cause == "conflict"]
        return bool(conflicts) and 0 <= wall_now() - max(conflicts) < SELDOM
