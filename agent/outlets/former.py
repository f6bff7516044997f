"""What a relay lacks of the epochs before ours. It was restored from a copy that is older than our last change of
epoch: what it had acknowledged since then stayed under the old name, and is sent under it before ours goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from agent.errors import OutletRefusal
from agent.outlets.answers import Differs
from agent.outlets.lane import LaneFollower
from agent.store.cursors import Cursors
from agent.store.database import Database
from agent.store.log import Head, Log
from rules import wire

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

log = structlog.get_logger()

_LANES: tuple[wire.LaneName, ...] = ("P0", "P1", "P2", "P4")


class Former:
    """Shared by the connections of one outlet: all of an old epoch has to be there before the next one begins."""

    def __init__(self, *, outlet: str, log: Log, database: Database, cursors: Cursors) -> None:
        self._outlet = outlet
        self._log = log
        self._database = database
        self._cursors = cursors
        self._one = asyncio.Lock()

    async def complete(self, client: RelayClient, before: list[str]) -> None:
        """Hand over the rest of the epoch the relay is in, and of those between it and ours. `before` are our former
        epochs, the newest first. OutletError as it comes."""
        async with self._one:
            current = (await client.watermarks(None)).epoch  # another connection may have done it
            if current not in before:
                return
            for epoch in reversed(before[: before.index(current) + 1]):
                if await self._rest(client, epoch, supersedes=current if epoch != current else None):
                    current = epoch

    async def _rest(self, client: RelayClient, epoch: str, *, supersedes: str | None) -> bool:
        """Whether something of this epoch was handed over."""
        rows = await self._database.read("SELECT lane, seq, chain FROM lane WHERE epoch = ?", (epoch,))
        ends = {str(lane): Head(seq, chain) for lane, seq, chain in rows}
        old = Log(database=self._database, gateway=self._log.gateway, epoch=epoch)
        old.adopt(
            epoch, {lane: ends.get(lane) or Head(0, wire.chain_start(old.gateway, epoch, lane)) for lane in _LANES}
        )
        marks = await client.watermarks(epoch)
        handed_over = False
        for lane in _LANES:
            mark = marks.lanes.get(lane)
            if (mark.seq if mark else 0) >= old.head(lane).seq:
                continue
            follower = LaneFollower(outlet=self._outlet, lane=lane, log=old, cursors=self._cursors)
            try:
                await follower.reconcile(epoch, mark, supersedes=supersedes)
                while follower.behind:
                    await asyncio.sleep(await follower.send(client) or 0)
                    handed_over = True
            except (Differs, OutletRefusal) as error:  # what is over cannot be mended; ours goes on
                log.warning("outlet.former_epoch", outlet=self._outlet, epoch=epoch, lane=lane, error=str(error))
        return handed_over
