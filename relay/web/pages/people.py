"""`/people`: who may sign in; an administrator adds people and closes accounts."""

from __future__ import annotations

import secrets

from starlette.responses import Response

from relay.access import passwords
from relay.access import people as accounts
from relay.access.errors import Invalid
from relay.access.people import Person
from relay.access.sessions import end_all
from relay.errors import NotFound, Refused
from relay.web.gate import PageRoute
from relay.web.visit import Visit
from rules import ids

ROLES = {
    "viewer": "Sees incidents, clips and gateways.",
    "guard": "Also acknowledges, resolves, notes, and silences sirens.",
    "admin": "Also adds people and closes accounts.",
}


def new_id(now: int) -> str:
    """The id of a new account."""
    return ids.time_ordered(wall=now, random=secrets.token_bytes(10))


async def show(visit: Visit) -> Response:
    """The page."""
    visit.authorise("people")
    return await _page(visit)


async def _page(visit: Visit, wrong: str = "") -> Response:
    async with visit.console.context.db.read() as connection:
        people = await accounts.everybody(connection)
    form = {name: visit.form.get(name, "") for name in ("display", "name")} | {"role": visit.form.get("role", "guard")}
    status = 400 if wrong else 200
    return visit.render("people.html", status=status, here="people", people=people, roles=ROLES, form=form, wrong=wrong)


async def add(visit: Visit) -> Response:
    """Make an account with a first passphrase."""
    visit.authorise("people")
    context = visit.console.context
    try:
        name = accounts.check_name(visit.form.get("name", ""))
        display = accounts.check_display(visit.form.get("display", ""))
        role = accounts.check_role(visit.form.get("role", ""))
        plain = passwords.check(visit.form.get("passphrase", ""))
        hashed = await visit.console.passwords.hash(plain)
        async with context.db.write() as connection:
            now = visit.now
            await accounts.add(
                connection, id=new_id(now), name=name, display=display, role=role, password_hash=hashed, now=now
            )
    except Invalid as wrong:
        return await _page(visit, str(wrong))
    return visit.go("/people", "added")


async def _other(visit: Visit) -> Person:
    async with visit.console.context.db.read() as connection:
        person = await accounts.load(connection, visit.path("id"))
    visit.authorise(person or "people")
    if person is None:
        raise NotFound("There is no such account.")
    if person.id == visit.signed_in.person.id:
        raise Refused("You cannot close the account you are using. Another administrator can.")
    return person


async def close(visit: Visit) -> Response:
    """Close an account and end its sessions."""
    person = await _other(visit)
    async with visit.console.context.db.write() as connection:
        await accounts.set_disabled(connection, person.id, visit.now)
        await end_all(connection, person.id)
    return visit.go("/people", "closed")


async def reopen(visit: Visit) -> Response:
    """Open a closed account again."""
    person = await _other(visit)
    async with visit.console.context.db.write() as connection:
        await accounts.set_disabled(connection, person.id, None)
    return visit.go("/people", "opened")


ROUTES = (
    PageRoute(path="/people", page=show, action="people.view"),
    PageRoute(path="/people", page=add, action="people.manage", method="POST"),
    PageRoute(path="/people/{id}/close", page=close, action="people.manage", method="POST"),
    PageRoute(path="/people/{id}/open", page=reopen, action="people.manage", method="POST"),
)
