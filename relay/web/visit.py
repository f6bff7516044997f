"""One request of one person: who asks, what the route allows, what the form says, and how to answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from relay.access import permissions
from relay.access.people import Person
from relay.access.permissions import Action
from relay.access.sessions import Session
from relay.web.console import Console
from relay.web.times import Times


@dataclass(frozen=True, slots=True)
class Tab:
    """A page in the navigation."""

    name: str
    href: str
    icon: str
    text: str
    action: Action


TABS = (
    Tab("feed", "/", "bell", "Incidents", "feed.view"),
    Tab("gateways", "/gateways", "house", "Gateways", "gateway.view"),
    Tab("people", "/people", "people", "People", "people.view"),
)

# What a page says after it was sent here by a form. Only these words can be put on a page by its address.
SAID: dict[str, tuple[str, str]] = {
    "acknowledged": ("good", "Acknowledged. Everybody who watches sees that you are on it."),
    "started": ("good", "Everybody who watches sees that you are working on it."),
    "resolved": ("good", "Resolved. Close it when nothing is left to do."),
    "filed": ("good", "Closed."),
    "assigned": ("good", "It is yours now."),
    "unassigned": ("good", "It is nobody's in particular now."),
    "merged": ("good", "Merged. Both go on here, in the older of the two."),
    "split": ("good", "This part is an incident of its own now."),
    "reopened": ("good", "Open again."),
    "noted": ("good", "The note is in the log."),
    "held": ("good", "The gateway was asked to keep this footage. The outcome appears below."),
    "released": ("good", "The gateway was asked to release this footage. The outcome appears below."),
    "silenced": ("good", "The gateway was asked to silence it. The outcome appears below."),
    "welcome": ("good", "The account is made and you are signed in. Add the others under People."),
    "added": ("good", "Added. Tell them their first passphrase; they can change it under Account."),
    "closed": ("good", "The account is closed and its sessions have ended."),
    "opened": ("good", "The account is open again."),
    "changed": ("good", "The passphrase is changed. Your other sessions have ended."),
    "signed-out": ("info", "You are signed out."),
    "everywhere": ("info", "You are signed out everywhere."),
    "exists": ("info", "An account exists already. Sign in with it."),
}


@dataclass(slots=True, kw_only=True)
class Visit:
    """What a page gets. It loads its object, calls `authorise`, and answers; an answer without that is a fault."""

    request: Request
    console: Console
    action: Action
    session: Session | None
    form: dict[str, str] = field(default_factory=dict)
    authorised: bool = False

    @property
    def person(self) -> Person | None:
        return self.session.person if self.session else None

    @property
    def form_token(self) -> str:
        return self.session.csrf if self.session else ""

    @property
    def signed_in(self) -> Session:
        """The session, on a page that only a person reaches."""
        assert self.session is not None
        return self.session

    @property
    def now(self) -> int:
        return self.console.context.clock.wall()

    @property
    def address(self) -> str:
        """Where the request came from, as far as the connection itself says."""
        return self.request.client.host if self.request.client else "local"

    def path(self, name: str) -> str:
        """A part of the address, as the route names it."""
        return str(self.request.path_params[name])

    def authorise(self, thing: object) -> None:
        """Pass or raise, for this route's action on this loaded object."""
        permissions.authorise(self.person, self.action, thing)
        self.authorised = True

    def may(self, action: Action, thing: object) -> bool:
        """Whether to offer something."""
        return permissions.may(self.person, action, thing)

    def render(self, template: str, /, *, status: int = 200, here: str = "", **values: Any) -> HTMLResponse:
        """A page from its template."""
        now = self.now
        common = {
            "visit": self,
            "now": now,
            "times": Times(zone_name=self.console.zone, now=now),
            "here": here,
            "tabs": [tab for tab in TABS if self.may(tab.action, tab.name)],
            "said": SAID.get(self.request.query_params.get("said", "")),
        }
        return HTMLResponse(self.console.templates.render(template, common | values), status_code=status)

    def go(self, address: str, said: str = "") -> Response:
        """After a form: see another page."""
        return RedirectResponse(f"{address}?said={said}" if said else address, status_code=303)
