"""Which news of an incident is told: the stages for what is secret and for what was cancelled."""

from __future__ import annotations

from typing import Any

import pytest

from relay.notify.message import Message, News
from relay.notify.stages import STAGES, Verdict, View, judge, secret, settled
from rules.incidents import Entry, fold
from tests.unit.incident_samples import make


def view(*entries: Entry, **more: Any) -> View:
    opening = make("incident.opened", 1, covert=more.pop("covert", False))
    values: dict[str, Any] = {
        "incident": fold([opening, *entries], now=0), "relay": "cloud", "transition": "opened", "channel": "webhook",
        "recipient": "desk", "digest": None, "keeps": True, "reachable": (), "now": 0, "on_site": False,
    }  # fmt: skip
    return View(**values | more)


@pytest.mark.parametrize("transition", ["opened", "reopened", "cancelled"])
@pytest.mark.parametrize("digest", [None, "house"])
def test_a_secret_is_told_outside_and_never_on_site(transition: str, digest: str | None) -> None:
    outside = view(covert=True, transition=transition, digest=digest)
    assert judge(outside).go
    on_site = view(covert=True, transition=transition, digest=digest, on_site=True)
    assert judge(on_site) == secret(on_site) == Verdict("told from outside the building only")
    assert judge(on_site).until is None, "never, not later"
    assert judge(view(transition=transition, digest=digest, on_site=True)).go


def test_what_is_secret_is_asked_first() -> None:
    assert STAGES[0] is secret


@pytest.mark.parametrize(
    ("kinds", "reason"),
    [
        (["acknowledged"], "acknowledged by Ada before it was sent"),
        (["started"], "already being worked on by Ada before it was sent"),
        (["resolved"], "resolved by Ada before it was sent"),
        (["resolved", "closed"], "closed by Ada before it was sent"),
        (["merged"], "merged into another incident before it was sent"),
        (["cancelled"], "cancelled by Ada before it was sent"),
        (["acknowledged", "cancelled"], "cancelled by Ada before it was sent"),
        (["assigned"], ""),
        (["noted"], ""),
    ],
)
def test_an_alarm_that_somebody_acted_upon_needs_no_ringing(kinds: list[str], reason: str) -> None:
    entries = [make(f"incident.{kind}", n) for n, kind in enumerate(kinds, start=2)]
    assert settled(view(*entries)).reason == reason
    assert settled(view(*entries, digest="house")).go, "old news is told all the same"


@pytest.mark.parametrize("kinds", [[], ["acknowledged"], ["started"], ["resolved"], ["resolved", "closed"]])
def test_that_it_was_cancelled_is_told_whoever_has_it_in_hand(kinds: list[str]) -> None:
    entries = [make(f"incident.{kind}", n) for n, kind in enumerate([*kinds, "cancelled"], start=2)]
    assert settled(view(*entries, transition="cancelled")).go
    gone = [*entries, make("incident.merged", 9)]
    assert settled(view(*gone, transition="cancelled")).reason == "merged into another incident before it was sent"


def test_another_relay_that_told_of_the_alarm_has_not_told_of_the_cancelling() -> None:
    sent = {"state": "sent", "channel": "webhook", "recipient": "desk"}
    told = make("incident.notified", 2, origin="box", **sent)
    cancelled = make("incident.cancelled", 3)
    assert not judge(view(told)).go
    assert judge(view(told, cancelled, transition="cancelled")).go
    again = make("incident.notified", 4, origin="box", **sent)
    assert judge(view(told, cancelled, again, transition="cancelled")).reason == "desk was told by box"


def test_a_message_says_that_it_is_secret_and_otherwise_nothing_of_it() -> None:
    common: dict[str, Any] = {
        "delivery": "d", "incident": "i", "transition": "cancelled", "title": "T", "severity": "high", "state": "open",
        "site": "s", "gateway": "g", "opened": 0, "still": None, "attempt": 1, "possibly_repeated": False,
    }  # fmt: skip
    for covert in (True, False):
        message = Message(id="m", relay="Desk", public_url=None, news=(News(**common, covert=covert),))
        said = message.document()
        assert said["type"] == "incident.cancelled"
        assert said["data"].get("covert") is (True if covert else None)
