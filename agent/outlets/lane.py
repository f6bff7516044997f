"""One lane on its way to one outlet: what it has, what comes next, and whether both ends agree.

Theory of operation: the relay's watermark and our chain decide, our cursor only remembers. At each contact the relay
says (seq, chain). Where our log has that hash at that seq, the cursor goes there: back, when the relay was restored
from an older copy, and forward, when an acknowledgement was lost. Where it has not, nothing is sent: two histories
under one name are for a person to look at, never to be overwritten.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import structlog

from agent.errors import OutletError, OutletRefusal
from agent.outlets.answers import Disagreement, TooLarge
from agent.store.cursors import Cursors
from agent.store.log import Kept, Log
from rules import wire

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

log = structlog.get_logger()

BATCH_RECORDS = wire.MAX_BATCH_RECORDS
BATCH_BYTES = 256_000
_MOST_QUARANTINED_SHOWN = 20


class LaneFollower:
    """`seq` is the highest seq the outlet has acknowledged as far as we know. One batch is under way at a time."""

    def __init__(
        self,
        *,
        outlet: str,
        lane: wire.LaneName,
        log: Log,
        cursors: Cursors,
        supersedes: str | None = None,
        lost: Callable[[Sequence[Kept]], Awaitable[None]] | None = None,
    ) -> None:
        """`lost` is told of records that the relay had acknowledged and has no more, before they are sent again."""
        self.lane: wire.LaneName = lane
        self.seq = 0
        self._outlet = outlet
        self._log = log
        self._cursors = cursors
        self._supersedes = supersedes
        self._chain = wire.chain_start(log.gateway, log.epoch, lane)
        self._limit = BATCH_RECORDS
        self._saved = 0
        self._lost = lost

    async def load(self) -> None:
        """Take up the durable cursor. StoreError when it cannot be read."""
        self.seq = self._saved = await self._cursors.acknowledged(self._outlet, self.lane)

    async def save(self) -> None:
        """Make the cursor durable, if it moved. StoreError when that fails; it may be repeated."""
        seq = self.seq
        if seq != self._saved:
            await self._cursors.acknowledge(self._outlet, self.lane, seq)
            self._saved = seq

    @property
    def behind(self) -> int:
        """Records the outlet has not acknowledged."""
        return max(0, self._log.head(self.lane).seq - self.seq)

    async def reconcile(self, mark: wire.Mark | None) -> None:
        """Go on from the relay's watermark (None: it holds nothing). OutletRefusal when the histories differ."""
        seq = mark.seq if mark else 0
        ours = await self._log.chain_at(self.lane, seq)
        if ours is None or (mark is not None and ours.hex() != mark.chain):
            raise OutletRefusal(self._differs(seq, unknown=ours is None))
        if seq < self.seq:
            log.warning("outlet.relay_behind", outlet=self._outlet, lane=self.lane, had=self.seq, has=seq)
            await self._tell_lost(seq, self.seq)
        self.seq, self._chain = seq, ours

    async def _tell_lost(self, since: int, until: int) -> None:
        while self._lost is not None and since < until:
            page = await self._log.after(self.lane, since, limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
            if not page:
                return
            await self._lost([row for row in page if row.seq <= until])
            since = page[-1].seq

    def _differs(self, seq: int, *, unknown: bool) -> str:
        ends = self._log.head(self.lane).seq
        if seq > ends:
            what = f"it holds {seq} records of lane {self.lane}, our log has {ends}"
        elif unknown:
            what = f"it goes on from record {seq} of lane {self.lane}, which our log no longer holds"
        else:
            what = f"its record {seq} of lane {self.lane} is not the one in our log"
        return (
            f"relay {self._outlet}: {what}. This gateway's store was restored from an older copy, or another machine "
            "uses its identity; nothing was overwritten. Find out which, before anything is reset."
        )

    async def send(self, client: RelayClient) -> float | None:
        """Hand over the next batch, if there is one. Returns the seconds the relay asks us to wait, if it does."""
        if not self.behind:
            return None
        kept = await self._log.after(self.lane, self.seq, limit=self._limit, max_bytes=BATCH_BYTES)
        if not kept:
            return None
        if kept[0].seq != self.seq + 1:
            raise OutletRefusal(
                f"relay {self._outlet} lacks records {self.seq + 1} to {kept[0].seq - 1} of lane {self.lane}, and our "
                "log no longer holds them. Restore the relay from a newer copy."
            )
        header = wire.Header(
            gateway=self._log.gateway,
            epoch=self._log.epoch,
            lane=self.lane,
            first=kept[0].seq,
            prev=self._chain.hex(),
            supersedes=self._supersedes,
        )
        try:
            ack = await client.post_batch(self.lane, wire.write_batch(header, [row.data for row in kept]))
        except TooLarge as error:
            if len(kept) == 1:
                raise OutletRefusal(
                    f"{error}; record {kept[0].seq} of lane {self.lane} cannot be made smaller"
                ) from None
            self._limit = len(kept) // 2
            return None
        except Disagreement as error:
            # It lost rows, or has them from us already, or really disagrees: its watermark tells.
            before = self.seq
            await self.reconcile((await client.watermarks(self._log.epoch)).lanes.get(self.lane))
            if self.seq == before:
                raise OutletRefusal(str(error)) from None
            return None
        await self._agree(ack, kept)
        self._limit = min(BATCH_RECORDS, self._limit * 2)
        return ack.retry_after

    async def _agree(self, ack: wire.Ack, kept: list[Kept]) -> None:
        """Move on to what was acknowledged, if it is what we have."""
        if (ack.lane, ack.epoch) != (self.lane, self._log.epoch):
            raise OutletError(f"relay {self._outlet} acknowledged another lane or epoch than it was sent")
        last = kept[-1]
        ours = last.chain if ack.seq == last.seq else await self._log.chain_at(self.lane, ack.seq)
        if ours is None or ours.hex() != ack.chain:
            raise OutletRefusal(self._differs(ack.seq, unknown=ours is None))
        if ack.seq <= self.seq:
            raise OutletError(f"relay {self._outlet} answers, but takes no records of lane {self.lane}")
        for record in ack.quarantined[:_MOST_QUARANTINED_SHOWN]:
            log.warning(
                "outlet.quarantined", outlet=self._outlet, lane=self.lane, seq=record.seq, reason=record.reason[:200]
            )
        self.seq, self._chain = ack.seq, ours
