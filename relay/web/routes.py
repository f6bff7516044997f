"""The route table of the console, and the application made of it."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from relay.access.passwords import Passwords
from relay.context import RelayContext
from relay.web.assets import Assets
from relay.web.console import Console
from relay.web.gate import PageRoute, as_route, error_page, session_of
from relay.web.headers import SecureHeaders
from relay.web.pages import (
    account,
    acting,
    events,
    feed,
    gateways,
    holding,
    incident,
    looks,
    media,
    people,
    setup,
    sign_in,
)
from relay.web.templates import Templates
from relay.web.times import machine_zone

TABLE: tuple[PageRoute, ...] = (
    *feed.ROUTES,
    *incident.ROUTES,
    *acting.ROUTES,
    *holding.ROUTES,
    *media.ROUTES,
    *events.ROUTES,
    *gateways.ROUTES,
    *people.ROUTES,
    *account.ROUTES,
    *sign_in.ROUTES,
    *setup.ROUTES,
    *looks.ROUTES,
)


def build(context: RelayContext, *, passwords: Passwords | None = None, zone: str | None = None) -> Starlette:
    """The people's application. It starts nothing; streams end when `context.changes` is closed."""
    assets = Assets()
    console = Console(
        context=context,
        templates=Templates(assets=assets, relay_name=context.config.relay.name),
        assets=assets,
        passwords=passwords or Passwords(),
        zone=zone or machine_zone(),
    )

    async def plain_error(request: Request, error: Exception) -> Response:
        """Addresses and methods the table does not have."""
        assert isinstance(error, HTTPException)
        if request.url.path.startswith("/api/"):
            return JSONResponse({"status": error.status_code, "title": error.detail}, error.status_code)
        heading = "There is no such page" if error.status_code == 404 else "That cannot be done here"
        happened = "The address leads nowhere."
        step = "It may be mistyped. Everything can be reached from the incidents."
        session = await session_of(request, console)
        answer = error_page(request, console, session, error.status_code, heading, happened, step)
        answer.headers.update(error.headers or {})
        return answer

    async def broken(request: Request, error: Exception) -> Response:
        """A fault of ours. It is in the relay's log with its place; the person is told what to do."""
        return error_page(
            request,
            console,
            None,
            500,
            "Something broke here",
            "The relay could not make this page. Alarms, recording and notification do not depend on it.",
            "Try again. If it stays, look at the relay's log around this minute and report it.",
        )

    application = Starlette(
        routes=[as_route(line, console) for line in TABLE],
        middleware=[Middleware(SecureHeaders)],
        exception_handlers={HTTPException: plain_error, 500: broken},
    )
    application.state.console = console
    return application
