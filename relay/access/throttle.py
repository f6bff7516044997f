"""How often somebody may try: rows in a table, so that a restart gives nobody fresh tries."""

from __future__ import annotations

import hashlib

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.access.errors import TooMany
from relay.store.schema import sign_in_attempt as table

WINDOW = 60 * 1_000_000
PER_SUBJECT = 10
PER_ADDRESS = 30
KEPT = 24 * 3600 * 1_000_000


async def enter(
    connection: AsyncConnection, *, subject: str, address: str, now: int, per_subject: int = PER_SUBJECT
) -> int:
    """Count a try before it is looked at and return its number; TooMany when this subject or address has had its
    tries of the last minute. Good ones do not count against a subject."""
    key = hashlib.sha256(subject.encode()).hexdigest()
    recent = table.c.at > now - WINDOW
    for column, value, allowed in ((table.c.subject, key, per_subject), (table.c.address, address, PER_ADDRESS)):
        query = select(func.count(), func.min(table.c.at)).where(column == value, recent, table.c.good == 0)
        count, first = (await connection.execute(query)).one()
        if count >= allowed:
            raise TooMany(max(1, -(-(first + WINDOW - now) // 1_000_000)))
    await connection.execute(delete(table).where(table.c.at < now - KEPT))
    values = {"subject": key, "address": address, "at": now, "good": 0}
    made = await connection.execute(insert(table).values(**values).returning(table.c.id))
    return int(made.scalar_one())


async def good(connection: AsyncConnection, attempt: int) -> None:
    """This try was right."""
    await connection.execute(update(table).where(table.c.id == attempt).values(good=1))
