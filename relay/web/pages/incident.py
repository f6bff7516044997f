"""`/incidents/{id}`: one incident, its pictures, what happened, and what one can do about it."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from relay.errors import NotFound, Refused
from relay.web.gate import PageRoute
from relay.web.pages.feed import as_data
from relay.web.reading import building, clips, feed, story, told
from relay.web.reading.feed import Item
from relay.web.times import Times
from relay.web.visit import Visit

COMMAND_TIME = 60 * 1_000_000  # µs until a command is too late


async def _load(visit: Visit) -> Item:
    """The incident of the address, once this person may have it."""
    async with visit.console.context.db.read() as connection:
        item = await feed.load(connection, visit.path("id"), visit.now)
    if item is None:
        visit.authorise("incident")  # who may see none is not told whether this one exists
        raise NotFound("There is no incident with this address.")
    visit.authorise(item)
    return item


async def show(visit: Visit) -> Response:
    """The page."""
    item = await _load(visit)
    context = visit.console.context
    times = Times(zone_name=visit.console.zone, now=visit.now)
    async with context.db.read() as connection:
        found = await clips.of_incident(connection, context.blobs, item.id, item.tenant)
        stills = await clips.stills_of(connection, context.blobs, item.id, item.tenant)
        entries = await story.entries_of(connection, item.gateway, item.id, times.now)
        facts = await story.facts_near(connection, item.gateway, entries)
        deliveries = await told.of_incident(connection, item.id, times)
        sirens = await building.sounding(connection, item.gateway)
        commands = await building.commands(connection, item.gateway, item.at, times.now)
    return visit.render(
        "incident.html",
        here="feed",
        item=item,
        clips=found,
        stills=stills,
        story=story.lines(entries, facts, times, context.config.relay.id),
        story_day=times.day(item.at),
        clock_unsure=story.clock_unsure(entries, facts),
        deliveries=deliveries,
        may_act=visit.may("incident.act", item),
        sirens=sirens if visit.may("output.silence", item) else [],
        commands=commands,
    )


async def data(visit: Visit) -> Response:
    """The incident and its entries as JSON."""
    item = await _load(visit)
    async with visit.console.context.db.read() as connection:
        entries = await story.entries_of(connection, item.gateway, item.id, visit.now)
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
        for entry in entries
    ]
    return JSONResponse(as_data(item) | {"entries": listed})


async def _act(visit: Visit, kind: str) -> Response:
    item = await _load(visit)
    person = visit.signed_in.person
    note = visit.form.get("note")
    await visit.console.context.incidents.act(
        incident=item.id, kind=kind, by=person.display, note=note, person=person.id
    )
    return visit.go(f"/incidents/{item.id}", kind)


async def acknowledge(visit: Visit) -> Response:
    """I am on it."""
    return await _act(visit, "acknowledged")


async def resolve(visit: Visit) -> Response:
    """It is settled."""
    return await _act(visit, "resolved")


async def reopen(visit: Visit) -> Response:
    """It is not settled."""
    return await _act(visit, "reopened")


async def note(visit: Visit) -> Response:
    """A remark for the log."""
    return await _act(visit, "noted")


async def silence(visit: Visit) -> Response:
    """Ask the gateway to switch off an output that sounds. That is neither acknowledging nor resolving."""
    item = await _load(visit)
    context = visit.console.context
    device = visit.form.get("device", "")
    async with context.db.read() as connection:
        sounding = await building.sounding(connection, item.gateway)
    if device not in {siren.device for siren in sounding}:
        raise Refused("That siren does not report being on any more.")
    person = visit.signed_in.person
    await context.hub.command(
        gateway=item.gateway,
        actor=person.display,
        name="silence",
        args={"device": device},
        expires=visit.now + COMMAND_TIME,
    )
    return visit.go(f"/incidents/{item.id}", "silenced")


ROUTES = (
    PageRoute(path="/incidents/{id}", page=show, action="incident.view"),
    PageRoute(path="/api/incidents/{id}", page=data, action="incident.view", data=True),
    PageRoute(path="/incidents/{id}/acknowledge", page=acknowledge, action="incident.act", method="POST"),
    PageRoute(path="/incidents/{id}/resolve", page=resolve, action="incident.act", method="POST"),
    PageRoute(path="/incidents/{id}/reopen", page=reopen, action="incident.act", method="POST"),
    PageRoute(path="/incidents/{id}/note", page=note, action="incident.act", method="POST"),
    PageRoute(path="/incidents/{id}/silence", page=silence, action="output.silence", method="POST"),
)
