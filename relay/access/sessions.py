"""Sessions: an opaque token in a cookie, of which only the SHA-256 is kept; 12 hours at most, 30 minutes unused.

A page that is open and looked at keeps its stream, and the stream counts as use: a console that watches a building must
not go dark while somebody watches it. The form token is derived from the session token, so it needs no row of its own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.access.people import Person, from_row
from relay.store.schema import person as person_table
from relay.store.schema import session as table

ABSOLUTE = 12 * 3600 * 1_000_000
IDLE = 30 * 60 * 1_000_000
TOUCH = 60 * 1_000_000  # how stale `seen` may get before it costs a write


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session in force: whose, its row's key, its form token, and when it was last seen (wall µs)."""

    person: Person
    token_hash: str
    csrf: str
    seen: int


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(token: str) -> str:
    """The token that this session's forms carry."""
    return hmac.new(token.encode(), b"nightporter form", hashlib.sha256).hexdigest()


async def begin(connection: AsyncConnection, person: str, now: int) -> str:
    """Start a session and return its token (256 bits), which is nowhere else. Ended rows are swept on the way."""
    token = secrets.token_urlsafe(32)
    await connection.execute(delete(table).where((table.c.expires <= now) | (table.c.seen <= now - IDLE)))
    values = {"token_hash": _hash(token), "person": person, "created": now, "seen": now, "expires": now + ABSOLUTE}
    await connection.execute(insert(table).values(**values))
    return token


async def find(connection: AsyncConnection, token: str, now: int) -> Session | None:
    """The session of this token if it is in force and its person may still sign in."""
    query = (
        select(person_table, table.c.seen)
        .join(person_table, table.c.person == person_table.c.id)
        .where(
            table.c.token_hash == _hash(token),
            table.c.expires > now,
            table.c.seen > now - IDLE,
            person_table.c.disabled.is_(None),
        )
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return Session(person=from_row(row), token_hash=_hash(token), csrf=form_token(token), seen=row.seen)


async def touch(connection: AsyncConnection, session: Session, now: int) -> None:
    """Note that the session is in use."""
    await connection.execute(update(table).where(table.c.token_hash == session.token_hash).values(seen=now))


async def end(connection: AsyncConnection, session: Session) -> None:
    """End this session."""
    await connection.execute(delete(table).where(table.c.token_hash == session.token_hash))


async def end_all(connection: AsyncConnection, person: str) -> None:
    """End every session of a person, everywhere."""
    await connection.execute(delete(table).where(table.c.person == person))
