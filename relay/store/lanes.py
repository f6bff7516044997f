"""Lanes: the rows a gateway sent and the watermark they have reached."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, insert, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.peer import Peer
from relay.store import bulk, gateways
from relay.store.gateways import Gateway
from relay.store.schema import gateway as gateway_table
from relay.store.schema import lane as table
from relay.store.schema import log_gap, record
from rules import wire


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane of one epoch: `seq` is its watermark, `chain` (32 bytes) the hash there."""

    id: int
    seq: int
    chain: bytes


_PLACE = (
    select(*gateways.COLUMNS, table.c.id.label("lane"), table.c.seq, table.c.chain)
    .select_from(gateway_table)
    .outerjoin(
        table,
        and_(
            table.c.gateway == gateway_table.c.id,
            table.c.epoch == bindparam("of_epoch"),
            table.c.lane == bindparam("of_lane"),
        ),
    )
    .where(gateway_table.c.id == bindparam("of_gateway"))
    .with_for_update(of=gateway_table)
)
_LANE = select(table.c.id, table.c.seq, table.c.chain).where(
    table.c.gateway == bindparam("gateway"), table.c.epoch == bindparam("epoch"), table.c.lane == bindparam("lane")
)
_MARKS = select(table.c.lane, table.c.seq, table.c.chain).where(
    table.c.gateway == bindparam("gateway"), table.c.epoch == bindparam("epoch")
)
_HAD = select(record.c.seq, record.c.data, record.c.state, record.c.reason).where(
    record.c.lane == bindparam("lane"), record.c.seq >= bindparam("since"), record.c.seq <= bindparam("until")
)
_RAISE = update(table).where(table.c.id == bindparam("which")).values(seq=bindparam("to"), chain=bindparam("hash"))


@cache
def _facts(dialect: str) -> Select[Any]:
    return (
        select(record.c.fact, record.c.data)
        .join(table, table.c.id == record.c.lane)
        .where(table.c.gateway == bindparam("gateway"), bulk.among(dialect, record.c.fact, "facts"))
        .where(record.c.state.in_([literal_column("'applied'"), literal_column("'unknown'")]))
    )


async def place(
    connection: AsyncConnection, peer: Peer, *, epoch: str, lane: str, now: int
) -> tuple[Gateway, Lane | None]:
    """The peer's gateway, locked and admitted as by `gateways.locked`, and its lane if there is one."""
    where = {"of_gateway": peer.gateway, "of_epoch": epoch, "of_lane": lane}
    rows = await bulk.rows(connection, _PLACE, where)
    if not rows:
        return await gateways.locked(connection, peer, now=now), None
    *columns, lane_id, seq, chain = rows[0]
    gateway = Gateway(**dict(zip((column.name for column in gateways.COLUMNS), columns, strict=True)))
    found = None if lane_id is None else Lane(id=lane_id, seq=seq, chain=chain)
    return await gateways.admitted(connection, gateway, peer), found


async def find(connection: AsyncConnection, *, gateway: str, epoch: str, lane: str) -> Lane | None:
    row = (await connection.execute(_LANE, {"gateway": gateway, "epoch": epoch, "lane": lane})).one_or_none()
    return Lane(id=row.id, seq=row.seq, chain=row.chain) if row else None


async def create(connection: AsyncConnection, *, gateway: str, epoch: str, lane: str) -> Lane:
    """A lane before its first record."""
    chain = wire.chain_start(gateway, epoch, lane)
    made = await connection.execute(
        insert(table).values(gateway=gateway, epoch=epoch, lane=lane, seq=0, chain=chain).returning(table.c.id)
    )
    return Lane(id=made.scalar_one(), seq=0, chain=chain)


async def watermarks(connection: AsyncConnection, *, gateway: str, epoch: str) -> wire.Watermarks:
    rows = await connection.execute(_MARKS, {"gateway": gateway, "epoch": epoch})
    return wire.Watermarks(epoch=epoch, lanes={row.lane: wire.Mark(seq=row.seq, chain=row.chain.hex()) for row in rows})


async def had(connection: AsyncConnection, lane: int, *, since: int, until: int) -> dict[int, tuple[bytes, str, str]]:
    """Rows already here by seq: bytes, state, reason."""
    rows = await connection.execute(_HAD, {"lane": lane, "since": since, "until": until})
    return {row.seq: (row.data, row.state, row.reason or "") for row in rows}


async def facts(connection: AsyncConnection, gateway: str, wanted: list[str]) -> dict[str, bytes]:
    """The bytes in which facts of this gateway are already known here."""
    if not wanted:
        return {}
    values = {"gateway": gateway, "facts": bulk.texts(connection, wanted)}
    return dict(await bulk.rows(connection, _facts(connection.dialect.name), values))


RECORD = ("lane", "seq", "fact", "kind", "wall", "received", "state", "reason", "data")
GAP = ("lane", "since", "to", "count", "reason", "received")


async def add(connection: AsyncConnection, rows: list[tuple[Any, ...]]) -> None:
    """Rows of `record`, values in the order of RECORD."""
    await bulk.add(connection, record, RECORD, rows)


async def add_gaps(connection: AsyncConnection, rows: list[tuple[Any, ...]]) -> None:
    """Rows of `log_gap`, values in the order of GAP."""
    await bulk.add(connection, log_gap, GAP, rows)


async def raise_watermark(connection: AsyncConnection, lane: int, *, seq: int, chain: bytes) -> None:
    await bulk.change(connection, _RAISE, {"which": lane, "to": seq, "hash": chain})
