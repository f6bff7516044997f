"""What may be seen where. A secret incident (duress) must look like nothing at all to whoever stands in the building:
a relay on site keeps its entries, so that nothing is lost, and shows them to nobody."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from relay.changes import Change
from relay.store.schema import clip, incident


def shown(*, on_site: bool) -> ColumnElement[bool]:
    """The incidents that a relay in this place shows."""
    return incident.c.covert == 0 if on_site else true()


async def without_secrets(connection: AsyncConnection, change: Change) -> Change:
    """What changed, as people in the building may learn of it."""
    hidden = await _hidden(connection, change.incidents)
    of_clips = select(clip.c.id).join(incident, incident.c.id == clip.c.incident)
    clips = set(await connection.scalars(of_clips.where(clip.c.id.in_(change.clips), incident.c.covert == 1)))
    return Change(
        incidents=change.incidents - hidden, clips=change.clips - clips, gateways=change.gateways, resync=change.resync
    )


async def _hidden(connection: AsyncConnection, wanted: Iterable[str]) -> set[str]:
    query = select(incident.c.id).where(incident.c.id.in_(list(wanted)), incident.c.covert == 1)
    return set(await connection.scalars(query))
