"""Records that a damaged log lost, asked back from the relays that have them.

Theory of operation. A rescue writes down what is missing. Each relay is asked once, range by range; what it gives is
taken only when our own chain says that these are the bytes: they follow from the record before the hole, and the record
after it follows from them. What no relay has stays a gap, with its reason, for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from agent.clock import Clock
from agent.errors import AgentError
from agent.intake import Intake
from agent.outlets.answers import Unknown
from agent.outlets.backoff import Backoff
from agent.outlets.peer import Peer
from agent.store import missing
from agent.store.database import Database
from agent.store.log import Log
from agent.store.missing import Found, Range
from rules.events import StoreRefilled

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

log = structlog.get_logger()

LOOK = 20.0  # seconds between two looks at what is missing
PAUSE = 0.05  # seconds between two pages: nothing here is urgent
_PAGE = 500
_AT_ONCE = 5000  # records in memory; then they are written


class Refill:
    """Service "refill". `peers` are the relays that follow this log."""

    name = "refill"

    def __init__(
        self,
        *,
        peers: Sequence[Peer],
        database: Database,
        log: Log,
        intake: Intake,
        clock: Clock,
        look: float = LOOK,
        pause: float = PAUSE,
    ) -> None:
        self._peers = peers
        self._database = database
        self._log = log
        self._intake = intake
        self._clock = clock
        self._look = look
        self._pause = pause

    async def run(self) -> None:
        """Ask whoever can be reached, until nothing is missing; then look again from time to time."""
        backoffs = {peer.name: Backoff() for peer in self._peers}
        while True:
            for peer in self._peers:
                try:
                    if await missing.ranges(self._database, peer.name):
                        await self._ask(peer)
                        backoffs[peer.name].reset()
                except AgentError as error:
                    log.info("refill.later", outlet=peer.name, reason=str(error))
                    await backoffs[peer.name].pause()
            try:
                gone = await missing.give_up(
                    self._database,
                    [peer.name for peer in self._peers],
                    reason="lost with a damaged file, and no relay has it",
                )
                if gone:
                    log.warning("refill.gone", records=gone)
            except AgentError as error:
                log.info("refill.later", reason=str(error))
            await asyncio.sleep(self._look)

    async def _ask(self, peer: Peer) -> None:
        from agent.outlets.client import connect  # takes its time to import: not before the agent is ready

        wanted = await missing.ranges(self._database, peer.name)
        back = 0
        async with connect(peer) as client:
            found: list[Found] = []
            for place in wanted:
                try:
                    got = await self._range(client, place)
                except Unknown:  # a relay of an earlier version, or one that never heard of this epoch
                    break
                found += got
                if len(found) >= _AT_ONCE:
                    back += await missing.put_back(self._database, found)
                    found.clear()
            back += await missing.put_back(self._database, found)
        await self._note(wanted)
        await missing.asked(self._database, peer.name, sorted({place.epoch for place in wanted}))
        left = await missing.count(self._database)
        log.info("store.refilled", outlet=peer.name, rows=back, missing=left)
        if back:
            await self._intake.tell(StoreRefilled(**self._clock.header(), outlet=peer.name, rows=back, missing=left))

    async def _range(self, client: RelayClient, place: Range) -> list[Found]:
        """What this relay has of the beginning of a range, as far as our chain agrees."""
        chain = await missing.chain_before(self._database, self._log.gateway, place)
        if chain is None:
            return []  # the range before it comes first; another relay, or a next time
        records: list[tuple[int, bytes]] = []
        after = place.since - 1
        while True:
            kept = await client.kept(place.lane, epoch=place.epoch, after=after, limit=_PAGE)
            fresh = [each for each in kept.records if place.until is None or each[0] <= place.until]
            records += fresh
            if not fresh or fresh[-1][0] != after + len(fresh) or kept.header.until <= kept.last:
                break
            if place.until is not None and fresh[-1][0] >= place.until:
                break
            after = fresh[-1][0]
            await asyncio.sleep(self._pause)
        found = missing.follow(place, chain, records)
        if not found:
            return []
        last = found[-1]
        if place.until is None:
            agrees = await self._agrees(client, last)
        else:
            agrees = last.seq < place.until or await missing.joins(self._database, place, last.chain)
            agrees = agrees or await self._mend(client, place, last)
        if not agrees:
            log.warning("refill.differs", relay=client.relay, lane=place.lane, since=place.since, until=place.until)
            return []
        return found

    async def _mend(self, client: RelayClient, place: Range, last: Found) -> bool:
        """Perhaps it is not the relay's records that are wrong, but our one behind them."""
        kept = await client.kept(place.lane, epoch=place.epoch, after=last.seq, limit=1)
        if not kept.records or kept.records[0][0] != last.seq + 1:
            return False
        return await missing.mend(self._database, place, last.chain, kept.records[0][1])

    async def _agrees(self, client: RelayClient, last: Found) -> bool:
        """At the open end of a lane the relay's own watermark is all there is to compare with."""
        mark = (await client.watermarks(last.epoch)).lanes.get(last.lane)
        return mark is not None and (mark.seq > last.seq or (mark.seq, mark.chain) == (last.seq, last.chain.hex()))

    async def _note(self, wanted: Sequence[Range]) -> None:
        """The ranges begin where records are still missing."""
        for place in wanted:
            rows = await self._database.read(
                "SELECT seq FROM log WHERE epoch = ? AND lane = ? AND seq >= ? ORDER BY seq LIMIT 100001",
                (place.epoch, place.lane, place.since),
            )
            since = place.since
            for (seq,) in rows:
                if seq != since:
                    break
                since += 1
            if since != place.since:
                await missing.narrow(self._database, place, since=since)
