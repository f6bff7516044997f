"""`/account`: one's own passphrase and sessions."""

from __future__ import annotations

from starlette.responses import Response

from relay.access import passwords, people, sessions, throttle
from relay.access.errors import Invalid
from relay.web.gate import PageRoute
from relay.web.pages.sign_in import clear_cookie, set_cookie
from relay.web.visit import Visit


async def show(visit: Visit) -> Response:
    """The page."""
    visit.authorise(visit.person)
    return visit.render("account.html", wrong="")


async def change(visit: Visit) -> Response:
    """A new passphrase, given the present one; every session ends and this browser gets a new one."""
    visit.authorise(visit.person)
    context = visit.console.context
    person = visit.signed_in.person
    now = visit.now
    async with context.db.write() as connection:
        attempt = await throttle.enter(connection, subject=f"account {person.name}", address=visit.address, now=now)
    async with context.db.read() as connection:
        known = await people.credentials(connection, person.name)
    try:
        plain = passwords.check(visit.form.get("passphrase", ""))
        if not await visit.console.passwords.verify(known[1] if known else None, visit.form.get("current", "")):
            raise Invalid("current", "The present passphrase is not right.")
    except Invalid as wrong:
        return visit.render("account.html", status=400, wrong=str(wrong))
    hashed = await visit.console.passwords.hash(plain)
    async with context.db.write() as connection:
        await throttle.good(connection, attempt)
        await people.set_passphrase(connection, person.id, hashed)
        await sessions.end_all(connection, person.id)
        token = await sessions.begin(connection, person.id, now)
    answer = visit.go("/account", "changed")
    set_cookie(visit, answer, token)
    return answer


async def sign_out_everywhere(visit: Visit) -> Response:
    """End every session of one's own."""
    visit.authorise(visit.person)
    async with visit.console.context.db.write() as connection:
        await sessions.end_all(connection, visit.signed_in.person.id)
    answer = visit.go("/sign-in", "everywhere")
    clear_cookie(visit, answer)
    return answer


ROUTES = (
    PageRoute(path="/account", page=show, action="account.manage"),
    PageRoute(path="/account/passphrase", page=change, action="account.manage", method="POST"),
    PageRoute(path="/account/sign-out-everywhere", page=sign_out_everywhere, action="account.manage", method="POST"),
)
