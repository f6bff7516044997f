"""`/gateways`: each gateway, when it was heard, what is stored of it, what troubles it."""

from __future__ import annotations

from starlette.responses import Response

from relay.web.gate import PageRoute
from relay.web.reading import building
from relay.web.reading.building import GatewayView
from relay.web.times import WORDS
from relay.web.visit import Visit


def _summary(gateways: list[GatewayView]) -> str:
    if not gateways:
        return "None has reached this relay."
    silent = sum(gateway.silent for gateway in gateways)
    many = "One gateway" if len(gateways) == 1 else f"{WORDS.get(len(gateways), len(gateways))} gateways"
    return f"{many}, {silent} silent." if silent else f"{many}, all heard."


async def show(visit: Visit) -> Response:
    """The page."""
    visit.authorise("gateways")
    context = visit.console.context
    async with context.db.read() as connection:
        gateways = await building.gateways(connection, context.hub.gateways, visit.now)
    return visit.render("gateways.html", here="gateways", gateways=gateways, summary=_summary(gateways))


ROUTES = (PageRoute(path="/gateways", page=show, action="gateway.view"),)
