"""`/incidents/{id}`: one incident, its pictures, and what happened. What one can do about it is in `acting.py`."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from relay.errors import NotFound
from relay.store import holds
from relay.web.gate import PageRoute
from relay.web.pages.feed import as_data
from relay.web.reading import building, clips, feed, outside, reasons, story, told
from relay.web.reading.feed import Item
from relay.web.times import Times
from relay.web.visit import Visit


async def load(visit: Visit) -> Item:
    """The incident of the address, once this person may have it."""
    context = visit.console.context
    async with context.db.read() as connection:
        item = await feed.load(connection, visit.path("id"), visit.now, on_site=context.config.on_site)
    if item is None:
        visit.authorise("incident")  # who may see none is not told whether this one exists
        raise NotFound("There is no incident with this address.")
    visit.authorise(item)
    return item


async def show(visit: Visit) -> Response:
    """The page."""
    item = await load(visit)
    context = visit.console.context
    times = Times(zone_name=visit.console.zone, now=visit.now)
    may_act = visit.may("incident.act", item)
    async with context.db.read() as connection:
        found = await clips.of_incident(connection, context.blobs, item.id, item.tenant, times)
        strips = await clips.strips_of(connection, context.blobs, item.id, item.tenant)
        stills = await clips.stills_of(connection, context.blobs, item.id, item.tenant)
        folded = await story.folded(connection, item.gateway, item.id, times.now)
        facts = await story.facts_near(connection, item.gateway, folded.entries)
        deliveries = await told.of_incident(connection, item.id, times)
        safe = await outside.line(connection, item, times, on_site=context.config.on_site)
        sirens = await building.sounding(connection, item.gateway)
        commands = await building.commands(connection, item.gateway, item.at, times.now, incident=item.id)
        hold = await holds.of_incident(connection, item.gateway, item.id)
        evicted = await clips.evicted(connection, item.gateway, item.id, times)
        others = await feed.mergeable(connection, item, times.now) if may_act and item.state != "merged" else []
        came_from = await feed.titles(connection, item.gateway, folded.merged_from)
        went_to = await feed.titles(connection, item.gateway, folded.split_into)
        part_of = await feed.titles(connection, item.gateway, [item.split_from] if item.split_from else [])
    return visit.render(
        "incident.html",
        here="feed",
        item=item,
        clips=found,
        strips={strip.clip: strip for strip in strips if strip.have},
        stills=stills,
        hold=hold,
        evicted=evicted,
        may_hold=visit.may("media.hold", item)
        and item.state != "merged"
        and not evicted
        and bool(found or stills or item.clip_expected),
        may_release=visit.may("media.release", item),
        story=story.lines(folded.entries, facts, times, context.config.relay.id),
        story_day=times.day(item.at),
        clock_unsure=story.clock_unsure(folded.entries, facts),
        deliveries=deliveries,
        safe=safe,
        may_act=may_act,
        mine=item.assignee_id is not None and item.assignee_id == visit.signed_in.person.id,
        reasons=reasons.CHOICES,
        others=others,
        came_from=came_from,
        went_to=went_to,
        part_of=part_of,
        sirens=sirens if visit.may("output.silence", item) else [],
        commands=commands,
    )


async def data(visit: Visit) -> Response:
    """The incident and its entries as JSON."""
    item = await load(visit)
    async with visit.console.context.db.read() as connection:
        folded = await story.folded(connection, item.gateway, item.id, visit.now)
    listed = [
        {
            "id": entry.id,
            "kind": entry.kind,
            "lamport": entry.lamport,
            "origin": entry.origin,
            "by": entry.by,
            "wall": entry.wall,
            "body": entry.body,
        }
        for entry in folded.entries
    ]
    more = {"merged_from": list(folded.merged_from), "split_into": list(folded.split_into)}
    return JSONResponse(as_data(item) | more | {"entries": listed})


ROUTES = (
    PageRoute(path="/incidents/{id}", page=show, action="incident.view"),
    PageRoute(path="/api/incidents/{id}", page=data, action="incident.view", data=True),
)
