"""The agent with one safeguard taken off, to see that the tests notice: `careless_agent.py WHICH ARGUMENTS...`.

`early`: messages are acknowledged when they arrive, as the MQTT library does by itself.
`dawdling`: the same, and its disk is slow, so that it matters at once.
`forgetful`: nothing that comes again is recognised.
`patient`: a device may send as much as it likes.
`wall`: gateway time is read off the clock on the wall.
`unsynced`: a commit does not wait for the disk.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from agent import clock as clocks
from agent.cli import main
from agent.clock import Clock
from agent.devices.mqtt.connection import Connection, Received
from agent.devices.mqtt.flood import Flood
from agent.devices.mqtt.ledger import Ledger
from agent.store import database

WALL_AT_START = clocks.wall_now()


def early() -> None:
    heard = Connection._hold

    def hold(self: Connection, message: Received) -> None:
        heard(self, message)
        self._client.ack(message.packet_id, message.qos)

    def acknowledge(self: Connection, message: Received) -> None:
        pass

    Connection._hold = hold  # type: ignore[method-assign]
    Connection.acknowledge = acknowledge  # type: ignore[method-assign]


def forgetful() -> None:
    def repeated(self: Ledger, connection: Any, message: Any, receipt: Any) -> bool:
        return False

    Ledger.repeated = repeated  # type: ignore[method-assign]


def unsynced() -> None:
    pragmas: Any = tuple(pragma.replace("=FULL", "=NORMAL") for pragma in database._PRAGMAS)
    assert "synchronous=NORMAL" in pragmas
    database._PRAGMAS = pragmas


def dawdling() -> None:
    early()
    whole = database.Database.transaction

    @asynccontextmanager
    async def transaction(self: database.Database) -> AsyncIterator[Any]:
        await asyncio.sleep(0.3)
        async with whole(self) as begun:
            yield begun

    database.Database.transaction = transaction  # type: ignore[method-assign]


def patient() -> None:
    def within(self: Flood[Any], name: str, now: int) -> bool:
        return True

    Flood.within = within  # type: ignore[method-assign]


def wall() -> None:
    def gt(self: Clock) -> int:
        return self.base + clocks.wall_now() - WALL_AT_START

    Clock.gt = gt  # type: ignore[method-assign]


if __name__ == "__main__":
    ways = (early, dawdling, forgetful, unsynced, patient, wall)
    {way.__name__: way for way in ways}[sys.argv[1]]()
    words = sys.argv[2:]
    sys.exit(main(words[1:] if words[0] == "agent" else words))
