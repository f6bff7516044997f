"""What a role may do. One function decides, after the object was loaded; the route table names actions."""

from __future__ import annotations

from typing import Literal, get_args

from relay.access.errors import Forbidden, NotSignedIn
from relay.access.people import Person

Action = Literal[
    "anybody",  # sign-in, set-up, the looks of the pages: no session
    "feed.view",
    "incident.view",
    "incident.act",  # acknowledge, start, assign, note, resolve, close, reopen, merge, split
    "output.silence",
    "media.view",
    "media.hold",
    "media.release",
    "gateway.view",
    "people.view",
    "people.manage",
    "account.manage",  # one's own
]
ACTIONS: tuple[str, ...] = get_args(Action)

_VIEWER: frozenset[str] = frozenset({"feed.view", "incident.view", "media.view", "gateway.view", "account.manage"})
_GUARD = _VIEWER | {"incident.act", "output.silence", "media.hold"}
_ADMIN = _GUARD | {"people.view", "people.manage", "media.release"}
GRANTS: dict[str, frozenset[str]] = {"viewer": _VIEWER, "guard": _GUARD, "admin": _ADMIN}

_WORDS: dict[str, str] = {
    "feed.view": "see the incidents",
    "incident.view": "see this incident",
    "incident.act": "act on incidents",
    "output.silence": "silence a siren",
    "media.view": "see pictures and clips",
    "media.hold": "put footage on hold",
    "media.release": "release footage that is on hold",
    "gateway.view": "see the gateways",
    "people.view": "see the people",
    "people.manage": "add or change people",
    "account.manage": "change this account",
}


def may(person: Person | None, action: Action, thing: object) -> bool:
    """Whether this person may do this to this loaded object. Nobody signed in may do nothing but what is anybody's."""
    if action == "anybody":
        return True
    if person is None or person.disabled is not None or action not in GRANTS.get(person.role, frozenset()):
        return False
    return action != "account.manage" or (isinstance(thing, Person) and thing.id == person.id)


def authorise(person: Person | None, action: Action, thing: object) -> None:
    """Let it pass or raise NotSignedIn or Forbidden. `thing` is the loaded object, or the name of a collection."""
    if may(person, action, thing):
        return
    if person is None:
        raise NotSignedIn("Sign in first.")
    raise Forbidden(f"Your role ({person.role}) may not {_WORDS[action]}.")
