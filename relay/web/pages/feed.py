"""`/`: the incidents, open ones first; and the same as JSON for programs."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from relay.web.gate import PageRoute
from relay.web.reading import building, feed
from relay.web.reading.feed import Item
from relay.web.times import WORDS, Times
from relay.web.visit import Visit
from rules.incidents import WAITING

_PILLS = (
    ("all", "All"),
    ("open", "Open"),
    ("hand", "In hand"),
    ("mine", "Mine"),
    ("resolved", "Resolved"),
    ("closed", "Closed"),
)
_QUIET = {
    "all": ("Nothing needs you", "If something happens it appears here by itself, with its pictures."),
    "open": ("Nothing is open", "Nobody has to do anything just now."),
    "hand": ("Nobody is on anything", "No incident is being looked at or worked on."),
    "mine": ("Nothing is yours", "Incidents that are assigned to you are listed here until they are settled."),
    "acknowledged": ("Nobody is on anything", "No incident is being looked at."),
    "in_progress": ("Nobody works on anything", "No incident is being worked on."),
    "resolved": ("Nothing waits to be closed", "Incidents that are settled and not yet closed are listed here."),
    "closed": ("Nothing closed yet", "Incidents that are settled and filed are listed here."),
}


def _heading(open_: int, taken: int) -> str:
    if open_ == 1:
        return "One incident is waiting"
    if open_:
        return f"{WORDS.get(open_, open_)} incidents are waiting"
    return "Somebody is on it" if taken else "All quiet"


def _groups(items: list[Item]) -> list[dict[str, object]]:
    titles = (("Waiting for somebody", WAITING), ("In somebody's hands", feed.IN_HAND))
    groups = [(title, [item for item in items if item.state in states]) for title, states in titles]
    named = {state for _, states in titles for state in states}
    groups.append(("Earlier", [item for item in items if item.state not in named]))
    return [{"title": title, "listed": found} for title, found in groups if found]


async def show(visit: Visit) -> Response:
    """The page."""
    visit.authorise("feed")
    context = visit.console.context
    asked = visit.request.query_params.get("state", "all")
    state = asked if asked in feed.FILTERS else "all"
    times = Times(zone_name=visit.console.zone, now=visit.now)
    person = visit.signed_in.person.id
    async with context.db.read() as connection:
        items = await feed.listing(
            connection, context.blobs, times, state=state, person=person, on_site=context.config.on_site
        )
        counts = await feed.counts(connection, times.now, person=person, on_site=context.config.on_site)
        gateways = await building.gateways(connection, context.hub.gateways, times.now)
    last = building.last_word(gateways)
    title, text = _QUIET[state]
    quiet = {"title": title, "text": text}
    if last is None:
        quiet |= {"title": "Nobody has reported yet", "text": "Incidents appear once a gateway reaches this relay."}
    return visit.render(
        "feed.html",
        here="feed",
        heading=_heading(counts["open"], counts["hand"]),
        waiting=counts["open"],
        last_word={"name": last.site_name, "seen": last.last_seen} if last else None,
        pills=[
            {
                "text": word,
                "href": f"/?state={name}" if name != "all" else "/",
                "current": name == state,
                "count": counts.get(name),
            }
            for name, word in _PILLS
        ],
        groups=_groups(items),
        lapses=min((item.lapses for item in items if item.lapses is not None), default=None),
        quiet=quiet,
        older=len(items) >= feed.SHOWN,
        shown=feed.SHOWN,
        gateways=gateways,
        troubles=[trouble for gateway in gateways for trouble in gateway.troubles],
    )


def as_data(item: Item) -> dict[str, object]:
    """An incident for a program; times are wall µs."""
    return {
        "id": item.id,
        "title": item.title,
        "severity": item.severity,
        "state": item.state,
        "opened": item.at,
        "gateway": item.gateway,
        "site": item.site,
        "device": item.device,
        "rule": item.rule,
        "acknowledged_by": item.acknowledged_by,
        "resolved_by": item.resolved_by,
        "merged_into": item.merged_into,
        "acknowledged_until": item.acknowledged_until,
        "started_by": item.started_by,
        "assignee": item.assignee,
        "closed_by": item.closed_by,
        "reason": item.reason,
        "cancelled": item.cancelled,
        "cancelled_by": item.cancelled_by,
        "split_from": item.split_from,
        "covert": item.covert,
    }


async def data(visit: Visit) -> Response:
    """The newest incidents of a state as JSON."""
    visit.authorise("feed")
    context = visit.console.context
    asked = visit.request.query_params.get("state", "all")
    times = Times(zone_name=visit.console.zone, now=visit.now)
    async with context.db.read() as connection:
        items = await feed.listing(
            connection,
            context.blobs,
            times,
            state=asked if asked in feed.FILTERS else "all",
            person=visit.signed_in.person.id,
            on_site=context.config.on_site,
        )
    return JSONResponse({"incidents": [as_data(item) for item in items]})


ROUTES = (
    PageRoute(path="/", page=show, action="feed.view"),
    PageRoute(path="/api/incidents", page=data, action="feed.view", data=True),
)
