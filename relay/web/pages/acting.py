"""What one can do about an incident: forms that write entries, and one that asks the gateway for something."""

from __future__ import annotations

from starlette.responses import Response

from relay.errors import NotFound, Refused
from relay.web.gate import PageRoute
from relay.web.pages.incident import load
from relay.web.reading import building, feed
from relay.web.visit import Visit

COMMAND_TIME = 60 * 1_000_000  # µs until a command is too late
MINUTE = 60 * 1_000_000
LONGEST_WHILE = 24 * 60  # minutes an acknowledgement may be given for


async def _act(
    visit: Visit, kind: str, said: str = "", *, reason: str | None = None, until: int | None = None
) -> Response:
    item = await load(visit)
    person = visit.signed_in.person
    await visit.console.context.incidents.act(
        incident=item.id,
        kind=kind,
        by=person.display,
        note=visit.form.get("note"),
        person=person.id,
        reason=reason,
        until=until,
    )
    return visit.go(f"/incidents/{item.id}", said or kind)


async def acknowledge(visit: Visit) -> Response:
    """I am on it; with `minutes`, for so long."""
    asked = visit.form.get("minutes", "")
    if not asked:
        return await _act(visit, "acknowledged")
    item = await load(visit)
    minutes = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    if not 1 <= minutes <= LONGEST_WHILE:
        raise Refused(f"“{item.title}” can be acknowledged for 1 to {LONGEST_WHILE} minutes.")
    return await _act(visit, "acknowledged", until=visit.now + minutes * MINUTE)


async def start(visit: Visit) -> Response:
    """I am working on it."""
    return await _act(visit, "started")


async def resolve(visit: Visit) -> Response:
    """It is settled, and this is what it was."""
    reason = visit.form.get("reason", "")
    if not reason:
        await load(visit)
        raise Refused("Say what it was: that is what the next one learns from.")
    return await _act(visit, "resolved", reason=reason)


async def close(visit: Visit) -> Response:
    """Nothing is left to do."""
    return await _act(visit, "closed", "filed")


async def reopen(visit: Visit) -> Response:
    """It is not settled."""
    return await _act(visit, "reopened")


async def note(visit: Visit) -> Response:
    """A remark for the log."""
    return await _act(visit, "noted")


async def assign(visit: Visit) -> Response:
    """It is mine."""
    return await _act(visit, "assigned")


async def unassign(visit: Visit) -> Response:
    """It is nobody's in particular."""
    return await _act(visit, "unassigned")


async def merge(visit: Visit) -> Response:
    """It is the same as another one of this gateway."""
    item = await load(visit)
    context = visit.console.context
    other = visit.form.get("other", "")
    async with context.db.read() as connection:
        known = await feed.load(connection, other, visit.now, on_site=context.config.on_site)
    if known is None:  # what is not shown here must not answer in another way than what does not exist
        raise NotFound("There is no such incident to merge with.")
    person = visit.signed_in.person
    goes_on = await context.incidents.merge(
        incident=item.id, other=known.id, by=person.display, person=person.id, note=visit.form.get("note")
    )
    return visit.go(f"/incidents/{goes_on}", "merged")


async def split(visit: Visit) -> Response:
    """A part of it is another one. Fields `clip ID` and `still ID` are what belongs there."""
    item = await load(visit)
    person = visit.signed_in.person
    chosen = [name.partition(" ") for name in visit.form]
    made = await visit.console.context.incidents.split(
        incident=item.id,
        title=visit.form.get("title", ""),
        clips=[subject for what, _, subject in chosen if what == "clip"],
        stills=[subject for what, _, subject in chosen if what == "still"],
        by=person.display,
        person=person.id,
    )
    return visit.go(f"/incidents/{made}", "split")


async def silence(visit: Visit) -> Response:
    """Ask the gateway to switch off an output that sounds. That is neither acknowledging nor resolving."""
    item = await load(visit)
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
    *(
        PageRoute(path=f"/incidents/{{id}}/{name}", page=page, action="incident.act", method="POST")
        for name, page in (
            ("acknowledge", acknowledge),
            ("start", start),
            ("resolve", resolve),
            ("close", close),
            ("reopen", reopen),
            ("note", note),
            ("assign", assign),
            ("unassign", unassign),
            ("merge", merge),
            ("split", split),
        )
    ),
    PageRoute(path="/incidents/{id}/silence", page=silence, action="output.silence", method="POST"),
)
