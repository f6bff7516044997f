"""One lane on its way to one outlet: what it has, what comes next, and whether both ends agree.

Theory of operation: the relay's watermark and our chain decide, our cursor only remembers. At each contact the relay
says (seq, chain). Where our log has that hash at that seq, the cursor goes there: back, when the relay was restored
from an older copy, and forward, when an acknowledgement was lost. Where it has not, nothing is sent under this epoch:
two histories under one name are never mixed. Records that left our log leave as one gap line, whose hash is known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from agent.errors import OutletError, OutletRefusal
from agent.failpoints import reach
from agent.outlets.answers import Differs, Disagreement, EpochChanged, TooLarge
from agent.store.cursors import Cursors
from agent.store.log import Kept, Log
from rules import wire

if TYPE_CHECKING:
    from agent.outlets.client import RelayClient

log = structlog.get_logger()

BATCH_RECORDS = wire.MAX_BATCH_RECORDS
BATCH_BYTES = 256_000
_MOST_QUARANTINED_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """The lines that come next, and what they look like on the wire."""

    lines: Sequence[Kept]
    data: bytes

    @property
    def last(self) -> Kept:
        return self.lines[-1]


class LaneFollower:
    """`seq` is the highest seq of `epoch` that the outlet has acknowledged as far as we know."""

    def __init__(
        self,
        *,
        outlet: str,
        lane: wire.LaneName,
        log: Log,
        cursors: Cursors,
        lost: Callable[[Sequence[Kept]], Awaitable[None]] | None = None,
    ) -> None:
        """`lost` is told of records that the relay had acknowledged and has no more, before they are sent again."""
        self.lane: wire.LaneName = lane
        self.seq = 0
        self.epoch = log.epoch
        self._outlet = outlet
        self._log = log
        self._cursors = cursors
        self._supersedes: str | None = None
        self._chain = wire.chain_start(log.gateway, log.epoch, lane)
        self._limit = BATCH_RECORDS
        self._saved = (self.epoch, 0)
        self._lost = lost

    async def load(self) -> None:
        """Take up the durable cursor of the epoch the log is in. StoreError when it cannot be read."""
        epoch = self._log.epoch
        seq = await self._cursors.acknowledged(self._outlet, self.lane)
        self.epoch, self.seq = epoch, seq
        self._saved = (epoch, seq)

    async def save(self) -> None:
        """Make the cursor durable, if it moved. StoreError when that fails; it may be repeated."""
        epoch, seq = self.epoch, self.seq
        if (epoch, seq) != self._saved:
            await self._cursors.acknowledge(self._outlet, self.lane, seq, epoch=epoch)
            self._saved = (epoch, seq)

    @property
    def behind(self) -> int:
        """Records the outlet has not acknowledged."""
        head = self._log.head(self.lane).seq
        return max(0, head - self.seq) if self.epoch == self._log.epoch else head

    async def reconcile(self, epoch: str, mark: wire.Mark | None, *, supersedes: str | None = None) -> None:
        """Go on from the relay's watermark of this epoch (None: it holds nothing). `supersedes` is the epoch the relay
        is in, when that is another. Differs when the histories do; EpochChanged when our log has gone on meanwhile."""
        if epoch != self.epoch:
            await self.load()
        self._still_in(epoch)
        self._supersedes = supersedes
        seq = mark.seq if mark else 0
        ours = await self._log.chain_at(self.lane, seq)
        if ours is None and mark is not None and await self._log.gone(self.lane, seq):
            # It ends inside of what has left our log. Its hash there is not ours to judge; that after the gap is.
            ours = bytes.fromhex(mark.chain)
        self._still_in(epoch)
        if ours is None or (mark is not None and ours.hex() != mark.chain):
            raise Differs(self._differs(seq, unknown=ours is None), epoch=epoch)
        if seq < self.seq:
            log.warning("outlet.relay_behind", outlet=self._outlet, lane=self.lane, had=self.seq, has=seq)
            await self._tell_lost(seq, self.seq)
        self.seq, self._chain = seq, ours

    def _still_in(self, epoch: str) -> None:
        if not self.epoch == epoch == self._log.epoch:
            raise EpochChanged(f"outlet {self._outlet}: the log goes on under a new epoch")

    async def _tell_lost(self, since: int, until: int) -> None:
        while self._lost is not None and since < until:
            page = await self._log.after(self.lane, since, limit=BATCH_RECORDS, max_bytes=BATCH_BYTES)
            if not page:
                return
            await self._lost([line for line in page if line.seq <= until and not line.gone])
            since = page[-1].seq

    def _differs(self, seq: int, *, unknown: bool) -> str:
        ends = self._log.head(self.lane).seq
        if seq > ends:
            what = f"it holds {seq} records of lane {self.lane}, our log has {ends}"
        elif unknown:
            what = f"it goes on from record {seq} of lane {self.lane}, which our log does not hold"
        else:
            what = f"its record {seq} of lane {self.lane} is not the one in our log"
        return (
            f"relay {self._outlet}: {what}. This gateway's store or that relay's was restored from an older copy, or "
            "another machine uses this gateway's identity; nothing was overwritten"
        )

    # --- handing over ------------------------------------------------------------------------------------------------

    async def next_batch(self, after: Batch | None = None) -> Batch | None:
        """What follows the acknowledged records, or a batch that is under way; None when the relay has everything."""
        seq, chain = (after.last.seq, after.last.chain) if after is not None else (self.seq, self._chain)
        epoch = self.epoch
        self._still_in(epoch)
        if self._log.head(self.lane).seq <= seq:
            return None
        lines = await self._log.after(self.lane, seq, limit=self._limit, max_bytes=BATCH_BYTES)
        self._still_in(epoch)
        if not lines:
            return None
        if lines[0].since != seq + 1:
            raise OutletRefusal(
                f"relay {self._outlet} lacks records {seq + 1} to {lines[0].since - 1} of lane {self.lane}, and our "
                "log no longer holds them, nor why. Restore a newer copy of this gateway's store, or of the relay."
            )
        header = wire.Header(
            gateway=self._log.gateway,
            epoch=epoch,
            lane=self.lane,
            first=lines[0].since,
            prev=chain.hex(),
            supersedes=self._supersedes,
        )
        return Batch(lines, wire.write_batch(header, [line.data for line in lines]))

    async def send(self, client: RelayClient) -> float | None:
        """Hand over the next batch, if there is one. Returns the seconds the relay asks us to wait, if it does."""
        batch = await self.next_batch()
        if batch is None:
            return None
        try:
            ack = await client.post_batch(self.lane, batch.data)
        except TooLarge as error:
            self.shrink(batch, error)
            return None
        except Disagreement as error:
            await self.look_again(client, error)
            return None
        await self.agree(ack, batch)
        return ack.retry_after

    def shrink(self, batch: Batch, error: TooLarge) -> None:
        """Send less at once from now on. OutletRefusal when it is one record already."""
        if len(batch.lines) == 1:
            raise OutletRefusal(
                f"{error}; record {batch.last.seq} of lane {self.lane} cannot be made smaller"
            ) from None
        self._limit = len(batch.lines) // 2

    async def look_again(self, client: RelayClient, error: Disagreement) -> None:
        """The relay lost rows, or has them from us already, or really disagrees: its watermark tells. OutletRefusal,
        in its words, when the watermark is what it was; OutletError when it has left this epoch since we met."""
        if error.kind == "epoch-conflict":
            raise OutletError(str(error)) from None
        before = self.seq
        marks = await client.watermarks(self.epoch)
        await self.reconcile(self.epoch, marks.lanes.get(self.lane), supersedes=self._supersedes)
        if self.seq == before:
            raise OutletRefusal(str(error)) from None

    async def agree(self, ack: wire.Ack, batch: Batch) -> None:
        """Move on to what was acknowledged, if it is what we have."""
        reach("outlet.after_reply_before_cursor")
        epoch = self.epoch
        if (ack.lane, ack.epoch) != (self.lane, epoch):
            raise OutletError(f"relay {self._outlet} acknowledged another lane or epoch than it was sent")
        last = batch.last
        ours = last.chain if ack.seq == last.seq else await self._log.chain_at(self.lane, ack.seq)
        self._still_in(epoch)
        if ours is None or ours.hex() != ack.chain:
            raise Differs(self._differs(ack.seq, unknown=ours is None), epoch=epoch)
        if ack.seq <= self.seq:
            raise OutletError(f"relay {self._outlet} answers, but takes no records of lane {self.lane}")
        for record in ack.quarantined[:_MOST_QUARANTINED_SHOWN]:
            log.warning(
                "outlet.quarantined", outlet=self._outlet, lane=self.lane, seq=record.seq, reason=record.reason[:200]
            )
        self.seq, self._chain = ack.seq, ours
        self._limit = min(BATCH_RECORDS, self._limit * 2)
