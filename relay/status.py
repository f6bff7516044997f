"""What `nightporter relay status` shows, read from the database beside a running relay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select

from relay import restored
from relay.clock import SystemClock
from relay.config import Config
from relay.store import sight
from relay.store.database import Database
from relay.store.schema import delivery, gateway, incident, lane, record, trouble

SILENT = 90_000_000  # µs


async def collect(config: Config) -> dict[str, Any]:
    """Facts as plain JSON values. StoreError when there is no database yet."""
    db = Database(url=config.database_url)
    await db.open_to_read()
    now = SystemClock().wall()
    try:
        async with db.read() as connection:
            gateways = []
            for row in await connection.execute(select(gateway).order_by(gateway.c.id)):
                lanes = await connection.execute(
                    select(lane.c.lane, lane.c.seq)
                    .where(lane.c.gateway == row.id, lane.c.epoch == row.epoch)
                    .order_by(lane.c.lane)
                )
                troubles = await connection.execute(
                    select(trouble.c.key, trouble.c.reason).where(trouble.c.gateway == row.id).order_by(trouble.c.key)
                )
                gateways.append(
                    {
                        "id": row.id,
                        "site": row.site,
                        "status": row.status,
                        "silent": now - row.last_seen > SILENT,
                        "last_seen": datetime.fromtimestamp(row.last_seen / 1e6, UTC).isoformat(timespec="seconds"),
                        "lanes": {one.lane: one.seq for one in lanes},
                        "troubles": {one.key: one.reason for one in troubles},
                    }
                )
            waiting = await _count(connection, delivery, delivery.c.state.in_(("queued", "held", "sending")))
            failed = await _count(connection, delivery, delivery.c.state.in_(("failed", "expired")))
            quarantined = await _count(connection, record, record.c.state.in_(("quarantined", "conflict")))
            going_on = incident.c.state.in_(("none", "open", "acknowledged", "in_progress"))
            opened = await _count(connection, incident, sight.shown(on_site=config.on_site) & going_on)
    finally:
        await db.close()
    last = restored.read(db.path)
    return {
        "relay": config.relay.id,
        "restored": last.sentence if last else None,
        "gateways": gateways,
        "incidents_open": opened,
        "notifications": {"waiting": waiting, "failed": failed},
        "records_put_aside": quarantined,
    }


async def _count(connection: Any, table: Any, condition: Any) -> int:
    return int(await connection.scalar(select(func.count()).select_from(table).where(condition)) or 0)


def worrying(found: dict[str, Any]) -> bool:
    """Whether somebody should look: a silent gateway, a trouble, a notification nobody got."""
    return bool(found["notifications"]["failed"]) or any(one["silent"] or one["troubles"] for one in found["gateways"])


def shown(found: dict[str, Any]) -> str:
    """The same for a person."""
    lines = [f"relay {found['relay']}: {found['incidents_open']} incidents open"]
    if found["restored"]:
        lines.append(f"  {found['restored']}")
    for one in found["gateways"]:
        lanes = ", ".join(f"{name} {seq}" for name, seq in one["lanes"].items()) or "nothing sent yet"
        state = "locked" if one["status"] == "locked" else "silent" if one["silent"] else "heard"
        lines.append(f"  gateway {one['id']} at {one['site']}: {state}, last {one['last_seen']}; {lanes}")
        lines += [f"    trouble {key}: {reason}" for key, reason in one["troubles"].items()]
    told = found["notifications"]
    lines.append(f"notifications: {told['waiting']} waiting, {told['failed']} not delivered")
    if found["records_put_aside"]:
        lines.append(f"{found['records_put_aside']} records were put aside: unreadable, or contradicting others")
    return "\n".join(lines)
