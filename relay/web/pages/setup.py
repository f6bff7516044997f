"""`/setup`: the first account, with the code the relay printed."""

from __future__ import annotations

import structlog
from starlette.responses import Response

from relay.access import passwords, people, sessions, setup, throttle
from relay.access.errors import Invalid, TooMany
from relay.web.gate import PageRoute
from relay.web.pages.people import new_id
from relay.web.pages.sign_in import set_cookie
from relay.web.visit import Visit

log = structlog.get_logger(__name__)

TRIES = 5  # a minute, for everybody together
WRONG = "This is not the code. Look at what the relay printed when it last started; an older code no longer works."


async def _settled(visit: Visit) -> bool:
    async with visit.console.context.db.read() as connection:
        return await people.any_exist(connection)


def _page(visit: Visit, wrong: str = "", status: int = 200) -> Response:
    form = {name: visit.form.get(name, "") for name in ("display", "name")}
    said = ("bad", wrong) if wrong else None
    return visit.render("setup.html", status=status, said=said, display=form["display"], name=form["name"])


async def show(visit: Visit) -> Response:
    """The page; once an account exists there is nothing here."""
    visit.authorise("setup")
    return visit.go("/sign-in", "exists") if await _settled(visit) else _page(visit)


async def make(visit: Visit) -> Response:
    """Use the code and make the administrator, both or neither."""
    visit.authorise("setup")
    if await _settled(visit):
        return visit.go("/sign-in", "exists")
    context = visit.console.context
    now = visit.now
    try:
        name = people.check_name(visit.form.get("name", ""))
        display = people.check_display(visit.form.get("display", ""))
        plain = passwords.check(visit.form.get("passphrase", ""))
        async with context.db.write() as connection:
            attempt = await throttle.enter(
                connection, subject="set-up", address=visit.address, now=now, per_subject=TRIES
            )
        hashed = await visit.console.passwords.hash(plain)
        async with context.db.write() as connection:
            if not await setup.redeem(connection, visit.form.get("code", "")[:200], now):
                raise Invalid("code", WRONG)
            await throttle.good(connection, attempt)
            person = await people.add(
                connection, id=new_id(now), name=name, display=display, role="admin", password_hash=hashed, now=now
            )
            token = await sessions.begin(connection, person.id, now)
    except Invalid as wrong:
        if wrong.field == "code":
            log.warning("setup.wrong_code", address=visit.address)
        return _page(visit, str(wrong), 403 if wrong.field == "code" else 400)
    except TooMany as wait:
        answer = _page(visit, str(wait), 429)
        answer.headers["Retry-After"] = str(wait.wait)
        return answer
    log.info("setup.done", person=person.id)
    answer = visit.go("/", "welcome")
    set_cookie(visit, answer, token)
    return answer


ROUTES = (
    PageRoute(path="/setup", page=show, action="anybody"),
    PageRoute(path="/setup", page=make, action="anybody", method="POST"),
)
