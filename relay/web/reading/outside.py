"""One line about what of an incident is safe outside the building."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.store import outside
from relay.store.schema import gateway as table
from relay.web.reading.feed import Item
from relay.web.times import Times

RECENT = 7 * 86_400 * 1_000_000  # µs: of an older incident nobody waits to hear that it is not outside
_PARTS = (
    ("still", "first picture"),
    ("pictures", "key pictures"),
    ("pre_roll", "the time before"),
    ("clip", "all of it"),
)


async def line(connection: AsyncConnection, item: Item, times: Times, *, on_site: bool) -> str:
    """For the relay in the building: what is outside. For one elsewhere: since when it is here. Empty when there is
    nothing to say."""
    found = await outside.of_incident(connection, item.gateway, item.id)
    if found:
        return _said(found, item, times, on_site=on_site)
    if on_site and times.now - item.at < RECENT and await _somewhere(connection, item.gateway):
        return "Not outside the building yet: it waits on the gateway."
    return ""


def _said(found: Mapping[str, int], item: Item, times: Times, *, on_site: bool) -> str:
    parts = [f"{words} after {_span(found[what])}" for what, words in _PARTS if what in found]
    if "clip" in found and len(parts) > 1:  # once all of it is there, the steps in between are no news
        parts = [part for part in parts if part.startswith(("first picture", "all of it"))]
    record = found.get("record")
    if on_site:
        begin = f"Outside the building after {_span(record)}" if record is not None else "Outside the building"
    elif record is not None:
        begin = f"Here since {times.short(item.at + record)}, {_span(record)} after it opened"
    else:
        begin = "Here"
    return f"{begin}{': ' if parts else ''}{', '.join(parts)}"


async def _somewhere(connection: AsyncConnection, gateway: str) -> bool:
    """Whether the gateway has an outlet that keeps a copy, by its last heartbeat."""
    text = await connection.scalar(select(table.c.outlets).where(table.c.id == gateway))
    return any(state.get("keeps_copy") for state in json.loads(text or "{}").values())


def _span(micros: int) -> str:
    """0.4 s, 38 s, 3 min, 2 h 10 min, 3 days."""
    seconds = max(micros, 0) / 1_000_000
    if seconds < 9.95:
        return f"{max(seconds, 0.1):.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {rest} min" if rest and hours < 10 else f"{hours} h"
    return f"{hours // 24} days"
