"""`/`: the incidents, open ones first; and the same as JSON for programs."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from relay.web.gate import PageRoute
from relay.web.reading import building, feed
from relay.web.reading.feed import Item
from relay.web.times import WORDS, Times
from relay.web.visit import Visit

_PILLS = (("all", "All"), ("open", "Open"), ("acknowledged", "Acknowledged"), ("resolved", "Resolved"))
_QUIET = {
    "all": ("Nothing needs you", "If something happens it appears here by itself, with its pictures."),
    "open": ("Nothing is open", "Nobody has to do anything just now."),
    "acknowledged": ("Nobody is on anything", "No incident is being looked at."),
    "resolved": ("Nothing resolved yet", "Incidents that are settled are listed here."),
}



def _heading(open_: int, taken: int) -> str:
    if open_ == 1:
        return "One incident is waiting"
    if open_:
        return f"{WORDS.get(open_, open_)} incidents are waiting"
    return "Somebody is on it" if taken else "All quiet"


def _groups(items: list[Item]) -> list[dict[str, object]]:
    titles = (("Waiting for somebody", feed.WAITING), ("Being looked at", ("acknowledged",)))
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
    async with context.db.read() as connection:
        items = await feed.listing(connection, context.blobs, times, state=state)
        counts = await feed.counts(connection, times.now)
        gateways = await building.gateways(connection, context.hub.gateways, times.now)
    last = building.last_word(gateways)
    title, text = _QUIET[state]
    quiet = {"title": title, "text": text}
    if last is None:
        quiet |= {"title": "Nobody has reported yet", "text": "Incidents appear once a gateway reaches this relay."}
    return visit.render(
        "feed.html",
        here="feed",
        heading=_heading(counts["open"], counts["acknowledged"]),
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
    }


async def data(visit: Visit) -> Response:
    """The newest incidents of a state as JSON."""
    visit.authorise("feed")
    context = visit.console.context
    asked = visit.request.query_params.get("state", "all")
    times = Times(zone_name=visit.console.zone, now=visit.now)
    async with context.db.read() as connection:
        items = await feed.listing(connection, context.blobs, times, state=asked if asked in feed.FILTERS else "all")
    return JSONResponse({"incidents": [as_data(item) for item in items]})


ROUTES = (
    PageRoute(path="/", page=show, action="feed.view"),
    PageRoute(path="/api/incidents", page=data, action="feed.view", data=True),
)
