"""In front of every page: the session, where the form came from, and errors as pages that say what to do next."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from relay.access import people, sessions
from relay.access.errors import AccessError, Forbidden, Invalid, NotSignedIn, TooMany
from relay.access.permissions import Action
from relay.access.sessions import Session
from relay.errors import NotFound, Refused, RelayError
from relay.web.console import Console
from relay.web.visit import Visit

MOST_FORM_BYTES = 65_536
Page = Callable[[Visit], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRoute:
    """A line of the route table: an address, what answers, and the action a person needs. `data` answers errors as
    JSON and never by sending somebody to the sign-in page."""

    path: str
    page: Page
    action: Action
    method: str = "GET"
    data: bool = False


class OutOfPlace(AccessError):
    """A form that did not come from one of our own pages, or is too old."""


class Broken(AccessError):
    """A page that answered without asking whether it may."""


def as_route(line: PageRoute, console: Console) -> Route:
    """The Starlette route of a line."""

    async def endpoint(request: Request) -> Response:
        session = None
        try:
            session = await session_of(request, console)
            visit = Visit(request=request, console=console, action=line.action, session=session)
            if line.method != "GET":
                visit.form = await _form(request, session)
            answer = await line.page(visit)
            if not visit.authorised:
                raise Broken(f"{line.path} answered without authorising {line.action}")
        except Broken:
            raise
        except (AccessError, RelayError) as error:
            return await _refuse(request, console, session, error, data=line.data)
        return answer

    return Route(line.path, endpoint, methods=[line.method], name=f"{line.method} {line.path}")


async def session_of(request: Request, console: Console) -> Session | None:
    """The session of a request's cookie, if it is in force; marked as used."""
    token = request.cookies.get(console.cookie(request.url.scheme))
    if not token or len(token) > 200:
        return None
    context = console.context
    now = context.clock.wall()
    async with context.db.read() as connection:
        session = await sessions.find(connection, token, now)
    if session is not None and now - session.seen > sessions.TOUCH:
        async with context.db.write() as connection:
            await sessions.touch(connection, session, now)
    return session


async def _form(request: Request, session: Session | None) -> dict[str, str]:
    """The form's fields, once it is sure that one of our own pages sent it."""
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    ours = site == "same-origin" if site else origin is None or urlsplit(origin).netloc == request.headers.get("host")
    if not ours:
        raise OutOfPlace("The form came from another site, so nothing was changed.")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM_BYTES:
            raise Refused("The form is too long.")
    try:
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=500))
    except ValueError:
        raise Refused("The form cannot be read.") from None
    if session and not hmac.compare_digest(fields.get("form_token", "").encode(), session.csrf.encode()):
        raise OutOfPlace("The page was too old, so nothing was changed.")
    return fields


@dataclass(frozen=True, slots=True)
class _Words:
    status: int
    heading: str
    next_step: str


_WORDS: dict[type[Exception], _Words] = {
    NotSignedIn: _Words(401, "You are not signed in", "Sign in and try again."),
    Forbidden: _Words(403, "That is not for your role", "Ask an administrator if you need it."),
    OutOfPlace: _Words(403, "Nothing was changed", "Go back, reload the page, and press the button again."),
    NotFound: _Words(404, "There is no such thing here", "It may have been removed, or the address is mistyped."),
    TooMany: _Words(429, "A moment, please", "Wait, then try again. If it was not you, tell an administrator."),
    Invalid: _Words(400, "That cannot be used", "Go back and correct it."),
    Refused: _Words(409, "That is not possible now", "Look at the page again: somebody may have been faster."),
}
_OTHER = _Words(503, "That did not work", "Try again in a moment. If it stays, look at the relay's own log.")


async def _refuse(
    request: Request, console: Console, session: Session | None, error: Exception, *, data: bool
) -> Response:
    words = next((words for kind, words in _WORDS.items() if isinstance(error, kind)), _OTHER)
    headers = {"Retry-After": str(error.wait)} if isinstance(error, TooMany) else {}
    if data:
        return JSONResponse({"status": words.status, "title": str(error)}, words.status, headers)
    if isinstance(error, NotSignedIn) and request.method in ("GET", "HEAD"):
        async with console.context.db.read() as connection:
            if not await people.any_exist(connection):
                return RedirectResponse("/setup", 303)
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/sign-in?next={quote(here, safe='/')}" if here != "/" else "/sign-in", 303)
    answer = error_page(request, console, session, words.status, words.heading, str(error), words.next_step)
    answer.headers.update(headers)
    return answer


def error_page(
    request: Request,
    console: Console,
    session: Session | None,
    status: int,
    heading: str,
    happened: str,
    next_step: str,
) -> Response:
    """A page that says what happened and what to do next."""
    visit = Visit(request=request, console=console, action="anybody", session=session)
    way: dict[str, Any] = {"href": "/", "text": "To the incidents" if session else "To the start"}
    return visit.render(
        "error.html", status=status, code=status, heading=heading, happened=happened, next_step=next_step, way=way
    )
