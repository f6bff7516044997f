"""Contradictions: the same identity with other bytes, or a history that does not continue the one we hold."""

from __future__ import annotations

import hashlib

import structlog
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import upsert
from relay.store.schema import integrity as table

log = structlog.get_logger(__name__)


async def note(
    connection: AsyncConnection, *, gateway: str, what: str, subject: str, detail: str, offered: bytes, now: int
) -> bool:
    """Keep a contradiction; True when this one is new. A repeated one only counts up."""
    sha256 = hashlib.sha256(offered).hexdigest()
    statement = (
        upsert.insert(connection, table)
        .values(gateway=gateway, what=what, subject=subject, detail=detail, offered=sha256, first=now, last=now)
        .on_conflict_do_nothing(index_elements=["gateway", "what", "subject"])
        .returning(table.c.id)
    )
    new = (await connection.execute(statement)).scalar_one_or_none() is not None
    if not new:
        await connection.execute(
            update(table)
            .where(table.c.gateway == gateway, table.c.what == what, table.c.subject == subject)
            .values(last=now, count=table.c.count + 1)
        )
    log.warning("ingest.integrity", gateway=gateway, what=what, subject=subject, detail=detail, offered=sha256, new=new)
    return new
