"""The first account. Until one exists, whoever can read what the relay printed at its start may make it, once.

The code is 100 random bits in Crockford's base 32 (no I, L, O, U: nothing to mistake). Only its hash is kept, each
start without an account replaces it, and the first account ends it.
"""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.access import people
from relay.clock import Clock, SystemClock
from relay.store.database import Database
from relay.store.schema import setup_code as table

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
GROUPS, GROUP = 5, 4
_READ = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None, "\t": None, ".": None})


def new_code() -> str:
    """Twenty characters in groups of four."""
    groups = ("".join(secrets.choice(ALPHABET) for _ in range(GROUP)) for _ in range(GROUPS))
    return "-".join(groups)


def _hash(code: str) -> str:
    plain = code.strip().upper().translate(_READ)
    return hashlib.sha256(f"nightporter set-up {plain}".encode()).hexdigest()


async def announce(db: Database, clock: Clock | None = None) -> str | None:
    """A new code to print, replacing any before it; None when an account exists. It is nowhere else."""
    now = (clock or SystemClock()).wall()
    async with db.write() as connection:
        await connection.execute(delete(table))
        if await people.any_exist(connection):
            return None
        code = new_code()
        await connection.execute(insert(table).values(hash=_hash(code), created=now))
    return code


async def redeem(connection: AsyncConnection, code: str, now: int) -> bool:
    """Use the code up, in the transaction that makes the account; False: it is wrong or used, or an account exists."""
    if await people.any_exist(connection):
        return False
    used = await connection.execute(
        update(table).where(table.c.hash == _hash(code), table.c.used.is_(None)).values(used=now)
    )
    return used.rowcount == 1
