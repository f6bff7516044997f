"""Gateways: known at their first contact with a valid identity, locked by a row, never by a list someone must load."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.errors import RelayError
from relay.peer import Peer
from relay.store.schema import epoch as epoch_table
from relay.store.schema import gateway as table

log = structlog.get_logger(__name__)


class Locked(RelayError):
    """This gateway is locked out here."""


class OtherTenant(RelayError):
    """A gateway of this name belongs to somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """What ingest and the channel need to know of a gateway."""

    id: str
    tenant: str
    site: str
    status: str
    epoch: str | None
    lost_incident: str | None


COLUMNS = (table.c.id, table.c.tenant, table.c.site, table.c.status, table.c.epoch, table.c.lost_incident)


async def find(connection: AsyncConnection, gateway: str) -> Gateway | None:
    row = (await connection.execute(select(*COLUMNS).where(table.c.id == gateway))).one_or_none()
    return Gateway(**row._mapping) if row else None


async def every(connection: AsyncConnection) -> dict[str, Gateway]:
    """All of them by id."""
    rows = await connection.execute(select(*COLUMNS))
    return {row.id: Gateway(**row._mapping) for row in rows}


async def locked(connection: AsyncConnection, peer: Peer, *, now: int) -> Gateway:
    """The peer's gateway, its row held until the transaction ends (so that one gateway's cursors commit in order);
    made when this is its first contact. Raises Locked or OtherTenant."""
    row = (await connection.execute(select(*COLUMNS).where(table.c.id == peer.gateway).with_for_update())).one_or_none()
    if row is None:
        await connection.execute(
            insert(table).values(
                id=peer.gateway, tenant=peer.tenant, site=peer.site, status="active", first_seen=now, last_seen=now
            )
        )
        log.info("gateway.first_contact", gateway=peer.gateway, tenant=peer.tenant, site=peer.site)
        return Gateway(
            id=peer.gateway, tenant=peer.tenant, site=peer.site, status="active", epoch=None, lost_incident=None
        )
    return await admitted(connection, Gateway(**row._mapping), peer)


async def admitted(connection: AsyncConnection, found: Gateway, peer: Peer) -> Gateway:
    """The gateway, when the peer may speak for it; its site follows the certificate. Raises Locked or OtherTenant."""
    admit(found, peer)
    if found.site != peer.site:
        await connection.execute(update(table).where(table.c.id == found.id).values(site=peer.site))
        log.info("gateway.moved", gateway=found.id, was=found.site, site=peer.site)
        return replace(found, site=peer.site)
    return found


def admit(found: Gateway, peer: Peer) -> None:
    """Raises Locked or OtherTenant when the peer may not speak for this gateway."""
    if found.tenant != peer.tenant:
        raise OtherTenant(f"a gateway called {peer.gateway} belongs to another tenant; give this one another id")
    if found.status == "locked":
        raise Locked(f"gateway {peer.gateway} is locked at this relay")


async def begin_epoch(
    connection: AsyncConnection, gateway: str, *, epoch: str, supersedes: str | None, now: int
) -> None:
    """A new numbering of the gateway's log becomes the current one."""
    await connection.execute(
        insert(epoch_table).values(gateway=gateway, epoch=epoch, supersedes=supersedes, started=now)
    )
    await connection.execute(update(table).where(table.c.id == gateway).values(epoch=epoch))
    log.info("gateway.epoch_begun", gateway=gateway, epoch=epoch, supersedes=supersedes)


async def had_epoch(connection: AsyncConnection, gateway: str, epoch: str) -> bool:
    statement = select(epoch_table.c.epoch).where(epoch_table.c.gateway == gateway, epoch_table.c.epoch == epoch)
    return await connection.scalar(statement) is not None


async def heard(
    connection: AsyncConnection,
    gateway: str,
    *,
    now: int,
    software: str | None = None,
    outlets: str | None = None,
    storage: str | None = None,
) -> None:
    """Note a sign of life, and what came with it."""
    values: dict[str, object] = {"last_seen": now}
    if software is not None:
        values["software"] = software[:200]
    if outlets is not None:
        values["outlets"] = outlets
    if storage is not None:
        values["storage"] = storage
    await connection.execute(update(table).where(table.c.id == gateway).values(**values))
