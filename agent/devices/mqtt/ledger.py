"""Which broker messages were decided upon: so that one that comes again is told from one that is new.

A message is `pending` from the moment it is handed to the pipeline until that lets it go; then it is `done`, and its
receipt is in the store (see agent/store/receipts.py). Both are needed: a broker may repeat what it sent two seconds ago
because our disk is slow, or half a minute ago because we crashed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import aiosqlite
import structlog

from agent.clock import boot_now
from agent.devices.mqtt.connection import Connection, Received
from agent.errors import StoreDamaged, StoreError
from agent.store import receipts
from agent.store.database import Database
from agent.store.receipts import KEPT, Receipt

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Pending:
    """A message on its way through the pipeline, with the newest delivery of it: that one can be acknowledged."""

    receipt: Receipt
    session: int
    connection: Connection
    message: Received


class Ledger:
    """The messages of one broker's session. Bounded by what a broker sends without an acknowledgement, and by KEPT."""

    def __init__(self, *, database: Database, broker: str) -> None:
        self._database = database
        self._broker = broker
        self._session: int | None = None
        self._pending: dict[Receipt, Pending] = {}
        self._done: dict[int, bytes] = {}  # packet id -> digest, oldest first

    async def begin(self, *, session_present: bool) -> None:
        """A connection begins. Without a session nothing the broker sends can be a repetition. A store that fails just
        now does not keep us from listening."""
        try:
            if not session_present:
                self._pending.clear()
                self._done.clear()
                self._session = boot_now()
                await receipts.clear(self._database, self._broker)
            elif self._session is None:
                self._session = await receipts.session(self._database, self._broker) or boot_now()
                self._done = dict(await receipts.load(self._database, self._broker))
        except (StoreError, StoreDamaged) as error:
            log.error("receipts.unreadable", broker=self._broker, reason=str(error))
            self._session = self._session or boot_now()

    def repeated(self, connection: Connection, message: Received, receipt: Receipt) -> bool:
        """Whether this message needs no decision any more. It is then acknowledged, now or once it is durable."""
        if not message.dup:
            self._done.pop(message.packet_id, None)  # the number is used again: the older message is settled
            return False
        pending = self._pending.get(receipt)
        if pending is not None:
            pending.connection, pending.message = connection, message
            return True
        if self._done.get(receipt.packet_id) == receipt.digest:
            connection.acknowledge(message)
            return True
        return False

    def hand_over(self, connection: Connection, message: Received, receipt: Receipt) -> Pending:
        """The pipeline has it from now on."""
        pending = Pending(receipt, self._session or 0, connection, message)
        self._pending[receipt] = pending
        return pending

    async def write_all(self, transaction: aiosqlite.Connection, items: Sequence[Pending]) -> None:
        """Their receipts, in the transaction that makes them durable: one statement for all, however many there are."""
        new = [pending.receipt for pending in items if pending.session == self._session]
        if new and self._session is not None:
            await receipts.add(transaction, self._broker, self._session, new)

    def release(self, pending: Pending, current: Connection | None) -> None:
        """The pipeline lets it go. If the connection it came by is gone, the broker sends it again and is told then."""
        if pending.session != self._session:
            return
        if self._pending.get(pending.receipt) is pending:
            del self._pending[pending.receipt]
        self._done.pop(pending.receipt.packet_id, None)
        self._done[pending.receipt.packet_id] = pending.receipt.digest
        while len(self._done) > KEPT:
            del self._done[next(iter(self._done))]
        if pending.connection is current:
            pending.connection.acknowledge(pending.message)
