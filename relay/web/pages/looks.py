"""What every page looks like: static files, the icon, the manifest that lets a phone install the console."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from relay.errors import NotFound
from relay.web.gate import PageRoute
from relay.web.visit import Visit


async def static(visit: Visit) -> Response:
    """A static file."""
    visit.authorise("static")
    answer = visit.console.assets.answer(visit.path("version"), visit.path("name"))
    if answer is None:
        raise NotFound("There is no such file.")
    return answer


async def favicon(visit: Visit) -> Response:
    """What browsers ask for by themselves."""
    visit.authorise("static")
    return visit.go(visit.console.assets.address("icon.svg"))


async def manifest(visit: Visit) -> Response:
    """The web app manifest."""
    visit.authorise("static")
    console = visit.console
    name = console.context.config.relay.name
    source = console.assets.address("icon.svg")
    icon = {"src": source, "sizes": "any", "type": "image/svg+xml", "purpose": "any maskable"}
    values = {
        "id": "/",
        "name": f"Nightporter, {name}",
        "short_name": "Nightporter",
        "start_url": "/",
        "scope": "/",
        "display": "standalone",
        "background_color": "#0b111d",
        "theme_color": "#0b111d",
        "icons": [icon],
    }
    return JSONResponse(values, media_type="application/manifest+json", headers={"Cache-Control": "no-cache"})


ROUTES = (
    PageRoute(path="/static/{version}/{name}", page=static, action="anybody", data=True),
    PageRoute(path="/favicon.ico", page=favicon, action="anybody", data=True),
    PageRoute(path="/manifest.webmanifest", page=manifest, action="anybody", data=True),
)
