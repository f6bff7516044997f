"""The relay with one safeguard taken off, to see that the tests notice: `hasty_relay.py WHICH relay ARGUMENTS...`.

`hasty`: records are written a moment after the watermark was raised and acknowledged.
`mute`: a delivery whose sender died is never taken up again.
`unlabelled`: it is taken up, and does not say that it may be a repeat.
`unsynced`: a commit does not wait for the disk.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from sqlalchemy import event, update

from nightporter import main
from relay.ingest import Ingest
from relay.store import database, deliveries, lanes
from relay.store.schema import delivery

_LATE = 1.0  # seconds


def hasty() -> None:
    take, add = Ingest.take, lanes.add
    held: list[Any] = []
    tasks: set[asyncio.Task[None]] = set()

    async def put_off(connection: Any, rows: Any) -> None:
        held.append(rows)

    async def take_and_write_later(self: Ingest, *arguments: Any, **named: Any) -> Any:
        answer = await take(self, *arguments, **named)
        late, held[:] = list(held), []

        async def write() -> None:
            await asyncio.sleep(_LATE)
            async with self._db.write() as connection:
                for rows in late:
                    await add(connection, rows)

        task = asyncio.create_task(write(), name="hasty")
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return answer

    lanes.add = put_off
    Ingest.take = take_and_write_later  # type: ignore[method-assign]


def mute() -> None:
    async def take_over(connection: Any, *, now: int, everything: bool) -> int:
        return 0

    deliveries.take_over = take_over


def unlabelled() -> None:
    async def take_over(connection: Any, *, now: int, everything: bool) -> int:
        gone = update(delivery).where(delivery.c.state == "sending")
        done = await connection.execute(gone.values(state="queued", leased_until=None, next_at=now))
        return int(done.rowcount)

    deliveries.take_over = take_over


def unsynced() -> None:
    make = database._sqlite_engine

    def engine(url: str, *, readers: bool) -> Any:
        made = make(url, readers=readers)

        @event.listens_for(made.sync_engine, "connect")
        def _relax(connection: Any, _: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("PRAGMA synchronous=NORMAL")
            cursor.close()

        return made

    database._sqlite_engine = engine


if __name__ == "__main__":
    {"hasty": hasty, "mute": mute, "unlabelled": unlabelled, "unsynced": unsynced}[sys.argv[1]]()
    sys.exit(main(sys.argv[2:]))
