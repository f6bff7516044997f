"""The outlet itself: it takes up what the command line left, moves its cursors by receipts, and stands in the heartbeat
like every other.

Theory of operation: `agent bundle write` reads the log from our cursors on and leaves a note; the file is carried to
the relay, and its receipt back; `agent bundle receipt` leaves the receipt. A cursor moves to the relay's watermark when
our log has that chain hash there, forward and back; where it has not, nothing moves and a person is told.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiosqlite
import structlog

from agent.channel.entries import EntriesDown
from agent.clock import Clock, wall_now
from agent.config.outlets import OutletConfig
from agent.errors import AgentError, OutletRefusal, StoreError
from agent.intake import Input, Intake
from agent.outlets.bundle.mailbox import Mailbox
from agent.outlets.relay import OutletStatus
from agent.store import meta
from agent.store.blobs import Blobs
from agent.store.cursors import Cursors
from agent.store.database import Database
from agent.store.log import Log
from rules import ids, wire
from rules.events import BundleReceived, BundleWritten, OutletRefused, OutletRestored
from rules.wire.bundle import BundleReceipt

log = structlog.get_logger()

LOOK = 5.0  # seconds between two looks into the mailbox


class BundleOutlet:
    """Service. Nobody waits for it and nothing is sent: it only takes note."""

    def __init__(
        self,
        *,
        config: OutletConfig,
        gateway: str,
        data: Path,
        database: Database,
        log: Log,
        cursors: Cursors,
        blobs: Blobs,
        intake: Intake,
        clock: Clock,
        look: float = LOOK,
    ) -> None:
        self.name = f"outlet.{config.name}"
        self._config = config
        self._gateway = gateway
        self._mailbox = Mailbox(data=data)
        self._database = database
        self._log = log
        self._cursors = cursors
        self._blobs = blobs
        self._intake = intake
        self._clock = clock
        self._look = look
        self._seqs: dict[str, int] = {}
        self._trouble: str | None = None
        self._since = wall_now()
        self._entries = EntriesDown(
            outlet=config.name, intake=intake, cursors=cursors, database=database, pull=_asks_nobody
        )

    @property
    def state(self) -> OutletStatus:
        """How it stands: it can always be reached, by hand."""
        behind = sum(max(0, self._log.head(lane).seq - self._seqs.get(lane, 0)) for lane in wire.LANES)
        return OutletStatus(
            name=self._config.name,
            reachable=self._trouble is None,
            keeps_copy=True,
            behind=behind,
            last_error=self._trouble,
            since=self._since,
        )

    def nudge(self) -> None:
        """Nothing to hurry."""

    async def run(self) -> None:
        """Take note until cancelled."""
        while True:
            try:
                await self._blobs.fill(self._config.name)
                for lane in wire.LANES:
                    self._seqs[lane] = await self._cursors.acknowledged(self._config.name, lane)
                for path in self._mailbox.waiting(self._config.name):
                    await self._take(path)
            except StoreError as error:  # its own trouble is told
                log.warning("bundle.waits", outlet=self._config.name, error=str(error))
            await asyncio.sleep(self._look)

    async def _take(self, path: Path) -> None:
        try:
            content = await asyncio.to_thread(path.read_bytes)
            if ".1-written-" in path.name:
                await self._written(content)
            else:
                await self._receive(content)
        except OutletRefusal as error:
            await self._refuse(str(error))
        except (ValueError, KeyError, TypeError) as error:
            log.error("bundle.unreadable", outlet=self._config.name, file=path.name, error=str(error))
        except OSError as error:  # it stays there, and is tried again
            log.error("bundle.unreadable", outlet=self._config.name, file=path.name, error=error.strerror)
            return
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _written(self, content: bytes) -> None:
        note = json.loads(content)
        header = self._clock.header()
        header["id"] = ids.derived(self._config.name, "bundle", note["name"])
        fact = BundleWritten(
            **header,
            outlet=self._config.name,
            name=note["name"],
            sha256=note["sha256"],
            records=note["records"],
            blobs=note["blobs"],
        )
        await self._intake.decide(fact)

    async def _receive(self, content: bytes) -> None:
        from agent.outlets.bundle import receipt as receipts  # cryptography: only when there is something to check

        receipt = await asyncio.to_thread(receipts.read, content, outlet=self._config, gateway=self._gateway)
        facts = await meta.read_all(self._database)
        if receipt.made <= int(facts.get(self._key, 0)):
            log.info("bundle.receipt_known", outlet=self._config.name, name=receipt.name)
            return
        moves = {lane: await self._agree(receipt, lane) for lane in wire.LANES}
        before = dict(self._seqs)
        for lane, seq in moves.items():
            await self._cursors.acknowledge(self._config.name, lane, seq)
            self._seqs[lane] = seq
        wall = wall_now()
        for sha256 in receipt.blobs:
            await self._blobs.acknowledge(self._config.name, sha256, wall=wall)
        await self._entries.keep(wire.Entries(after=0, next=receipt.next, items=receipt.entries))
        await self._tell_received(receipt, sum(max(0, seq - before.get(lane, 0)) for lane, seq in moves.items()))

    async def _agree(self, receipt: BundleReceipt, lane: str) -> int:
        """Where the relay stands in a lane, if our log agrees."""
        mark = receipt.lanes.get(lane)
        if receipt.epoch != self._log.epoch:  # the receipt of a log that goes on under another name since
            return self._seqs.get(lane, 0)
        seq = mark.seq if mark else 0
        ours = await self._log.chain_at(lane, seq)
        if mark is not None and (ours is None or ours.hex() != mark.chain):
            raise OutletRefusal(
                f"outlet {self._config.name}: the relay's record {seq} of lane {lane} is not the one in our log. This "
                "gateway's store was restored from an older copy, or another machine uses its identity; nothing was "
                "changed. Find out which before another bundle is written."
            )
        return seq

    async def _tell_received(self, receipt: BundleReceipt, records: int) -> None:
        header = self._clock.header()
        header["id"] = ids.derived(self._config.name, "receipt", receipt.name, receipt.made)
        fact = BundleReceived(
            **header, outlet=self._config.name, name=receipt.name, records=records, blobs=len(receipt.blobs)
        )

        async def remember(transaction: aiosqlite.Connection) -> None:
            await meta.write(transaction, {self._key: str(receipt.made)})

        await self._intake.decide(fact, also=remember)
        if self._trouble is not None:
            self._trouble, self._since = None, wall_now()
            await self._intake.tell(OutletRestored(**self._clock.header(), outlet=self._config.name))

    async def _refuse(self, reason: str) -> None:
        log.error("bundle.refused", outlet=self._config.name, reason=reason)
        if self._trouble is None:
            self._since = wall_now()
        self._trouble = reason
        await self._intake.offer(
            Input(fact=OutletRefused(**self._clock.header(), outlet=self._config.name, reason=reason))
        )

    @property
    def _key(self) -> str:
        return f"bundle_receipt.{self._config.name}"


async def _asks_nobody(pull: wire.Pull) -> None:
    """Entries come with receipts; there is nobody to ask."""
    raise AgentError(f"nobody can be asked for the entries after {pull.after}")
