"""`/sign-in` and `/sign-out`."""

from __future__ import annotations

import structlog
from starlette.responses import Response

from relay.access import people, sessions, throttle
from relay.access.errors import TooMany
from relay.web.gate import PageRoute
from relay.web.visit import Visit

log = structlog.get_logger(__name__)

WRONG = "Name or passphrase is not right."


def set_cookie(visit: Visit, answer: Response, token: str) -> None:
    """Give the browser its session. Lax, not Strict: a notification's link must find the person signed in."""
    scheme = visit.request.url.scheme
    answer.set_cookie(
        visit.console.cookie(scheme),
        token,
        max_age=sessions.ABSOLUTE // 1_000_000,
        path="/",
        secure=scheme == "https",
        httponly=True,
        samesite="lax",
    )


def clear_cookie(visit: Visit, answer: Response) -> None:
    """Take the session away from the browser."""
    scheme = visit.request.url.scheme
    name = visit.console.cookie(scheme)
    answer.delete_cookie(name, path="/", secure=scheme == "https", httponly=True, samesite="lax")


def inside(address: str) -> str:
    """Where to go after signing in: a page of ours, never another site."""
    harmless = address.startswith("/") and not address.startswith(("//", "/\\")) and address.isprintable()
    return address if harmless and "\\" not in address else "/"


async def show(visit: Visit) -> Response:
    """The page."""
    visit.authorise("sign-in")
    if visit.person is not None:
        return visit.go("/")
    async with visit.console.context.db.read() as connection:
        if not await people.any_exist(connection):
            return visit.go("/setup")
    return visit.render("sign_in.html", name="", next=inside(visit.request.query_params.get("next", "/")))


async def enter(visit: Visit) -> Response:
    """Check name and passphrase; counted before they are looked at, equally slow for a name nobody has."""
    visit.authorise("sign-in")
    context = visit.console.context
    name, onward = visit.form.get("name", "")[:200], inside(visit.form.get("next", "/"))
    now = visit.now

    def again(text: str, status: int) -> Response:
        answer = visit.render("sign_in.html", status=status, name=name, next=onward, said=("bad", text))
        return answer

    try:
        async with context.db.write() as connection:
            subject = f"account {name.strip().casefold()}"
            attempt = await throttle.enter(connection, subject=subject, address=visit.address, now=now)
    except TooMany as wait:
        log.warning("sign_in.throttled", address=visit.address)
        answer = again(str(wait), 429)
        answer.headers["Retry-After"] = str(wait.wait)
        return answer
    async with context.db.read() as connection:
        known = await people.credentials(connection, name)
    right = await visit.console.passwords.verify(known[1] if known else None, visit.form.get("passphrase", ""))
    if known is None or not right:
        log.info("sign_in.refused", address=visit.address)
        return again(WRONG, 403)
    async with context.db.write() as connection:
        await throttle.good(connection, attempt)
        if visit.session is not None:
            await sessions.end(connection, visit.session)
        token = await sessions.begin(connection, known[0].id, now)
    log.info("sign_in.done", person=known[0].id, address=visit.address)
    answer = visit.go(onward)
    set_cookie(visit, answer, token)
    return answer


async def leave(visit: Visit) -> Response:
    """End this session."""
    visit.authorise(visit.person)
    async with visit.console.context.db.write() as connection:
        await sessions.end(connection, visit.signed_in)
    answer = visit.go("/sign-in", "signed-out")
    clear_cookie(visit, answer)
    return answer


ROUTES = (
    PageRoute(path="/sign-in", page=show, action="anybody"),
    PageRoute(path="/sign-in", page=enter, action="anybody", method="POST"),
    PageRoute(path="/sign-out", page=leave, action="account.manage", method="POST"),
)
