"""How the building is now: troubles and device states, kept from the events that raise and end them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, delete
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import upsert
from relay.store.schema import device_state, trouble
from rules.events import DeviceEvent, Event, OutputReported, StorageFull, StorageLow


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind raises or ends the trouble `family/<value of attribute>`."""

    family: str
    attribute: str = ""
    raises: bool = False


# What raises a trouble and what ends it. A new pair is a new pair of lines here.
TROUBLES: dict[str, Rule] = {
    "camera.lost": Rule("camera", "device", raises=True),
    "camera.restored": Rule("camera", "device"),
    "device.lost": Rule("device", "device", raises=True),
    "device.restored": Rule("device", "device"),
    "broker.lost": Rule("broker", "broker", raises=True),
    "broker.restored": Rule("broker", "broker"),
    "outlet.lost": Rule("outlet", "outlet", raises=True),
    "outlet.refused": Rule("outlet", "outlet", raises=True),
    "outlet.silent": Rule("outlet", "outlet", raises=True),
    "outlet.restored": Rule("outlet", "outlet"),
    "outlet.retired": Rule("outlet", "outlet"),
    "budget.low": Rule("budget", "outlet", raises=True),
    "budget.spent": Rule("budget", "outlet", raises=True),
    "budget.ample": Rule("budget", "outlet"),
    "disk.full": Rule("disk", "path", raises=True),
    "disk.restored": Rule("disk", "path"),
    "storage.low": Rule("storage", raises=True),
    "storage.full": Rule("storage", raises=True),
    "storage.ample": Rule("storage"),
    "media.lost": Rule("media", raises=True),
    "media.restored": Rule("media"),
    "store.failed": Rule("store", raises=True),
    "store.restored": Rule("store"),
    "store.suspect": Rule("log", raises=True),
    "store.recovered": Rule("log", raises=True),
    "store.sound": Rule("log"),
    "ballast.released": Rule("ballast", raises=True),
    "ballast.restored": Rule("ballast"),
    "clock.doubted": Rule("clock", raises=True),
    "clock.trusted": Rule("clock"),
    "clock.drifted": Rule("drift", "outlet", raises=True),
    "clock.agreed": Rule("drift", "outlet"),
    "device.flooding": Rule("flood", "device", raises=True),
    "device.calm": Rule("flood", "device"),
    "boot": Rule("store"),  # that a boot could be written is proof enough
}

STATES: dict[str, tuple[str, str]] = {
    "contact.opened": ("contact", "open"),
    "contact.closed": ("contact", "closed"),
    "motion.started": ("motion", "started"),
    "motion.ended": ("motion", "ended"),
    "tamper.opened": ("tamper", "opened"),
    "tamper.closed": ("tamper", "closed"),
}

_CLEAR = delete(trouble).where(trouble.c.gateway == bindparam("whose"), trouble.c.key == bindparam("which"))


def key(family: str, subject: str) -> str:
    return f"{family}/{subject}" if subject else family


def _reason(event: Event) -> str:
    if isinstance(event, StorageLow):
        return f"Room for about {event.days} {'day' if event.days == 1 else 'days'}, {event.free / 1e9:.1f} GB."
    if isinstance(event, StorageFull):
        return f"{event.waiting / 1e9:.1f} GB wait for a copy elsewhere, {event.held / 1e9:.1f} GB are on hold."
    free = getattr(event, "free", None)
    return str(getattr(event, "reason", "")) or (f"{free} bytes free" if free is not None else "")


async def apply(connection: AsyncConnection, gateway: str, events: Iterable[Event]) -> bool:
    """Follow the events of lane P1 in their order; True when a trouble or state was touched."""
    troubles: dict[str, dict[str, object] | None] = {}
    states: dict[tuple[str, str], dict[str, object]] = {}
    for event in events:
        rule = TROUBLES.get(event.kind)
        if rule is not None:
            subject = str(getattr(event, rule.attribute)) if rule.attribute else ""
            named = key(rule.family, subject)
            raised = {"kind": event.kind, "subject": subject, "reason": _reason(event), "since": event.wall}
            troubles[named] = {"gateway": gateway, "key": named} | raised if rule.raises else None
        if isinstance(event, DeviceEvent) and event.delivery != "late":
            if isinstance(event, OutputReported):
                aspect, value = "output", "on" if event.on else "off"
            elif event.kind in STATES:
                aspect, value = STATES[event.kind]
            else:
                continue
            row = {"gateway": gateway, "device": event.device, "aspect": aspect, "value": value, "wall": event.wall}
            states[(event.device, aspect)] = row
    raised_rows = [row for row in troubles.values() if row is not None]
    ended = [{"whose": gateway, "which": named} for named, row in troubles.items() if row is None]
    if raised_rows:
        # The first moment stands while a trouble lasts; its reason may change.
        keeping = upsert.replacing(connection, trouble, "gateway", "key", keep=("since",))
        await connection.execute(keeping, raised_rows)
    if ended:
        await connection.execute(_CLEAR, ended)
    if states:
        replacing = upsert.replacing(connection, device_state, "gateway", "device", "aspect")
        await connection.execute(replacing, list(states.values()))
    return bool(troubles or states)


async def raise_own(
    connection: AsyncConnection, gateway: str, *, family: str, kind: str, reason: str, since: int
) -> None:
    """A trouble that the relay itself sees (the gateway is silent)."""
    row = {"gateway": gateway, "key": family, "kind": kind, "subject": "", "reason": reason, "since": since}
    await connection.execute(upsert.replacing(connection, trouble, "gateway", "key", keep=("since",)), [row])


async def clear_own(connection: AsyncConnection, gateway: str, *, family: str) -> None:
    await connection.execute(_CLEAR, [{"whose": gateway, "which": family}])
