"""Advice on doors, keypads and people."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document.access import Door
from rules.document.places import Path
from rules.document.site import Site
from rules.lint.advice import Advice
from rules.units import MINUTE

_LONG_HELD = 3 * MINUTE


def door_advice(site: Site) -> Iterator[Advice]:
    """On each door, then on those who pass them."""
    for n, door in enumerate(site.doors):
        path: Path = ("doors", n)
        yield from _senses(path, door)
        yield from _unlocks(path, door, site)
        if door.contact is not None and door.policy is None:
            yield Advice(path, "no-policy", f"{door.title} has no policy: forced or held, it is written down, not told")
    yield from _people(site)


def _senses(path: Path, door: Door) -> Iterator[Advice]:
    title = door.title
    if door.contact is None:
        says = f"{title} has no contact: nobody notices that it is forced, held open or never closed"
        yield Advice(path, "no-contact", says)
    elif door.rex is None and door.reader_out is None:
        says = f"{title} has no rex and no reader_out: whoever leaves by the handle forces it"
        yield Advice(path, "no-way-out", says)
    if door.reader is None and door.unlock_schedule is None and door.rex is None:
        yield Advice(path, "nobody-enters", f"{title} has neither reader nor unlock_schedule: only commands open it")
    if door.contact is not None and door.held_after > _LONG_HELD:
        says = f"{title} may stand open for more than 3m before anybody is told"
        yield Advice((*path, "held_after"), "held-long", says)
    if door.anti_passback == "hard" and (door.reader is None or door.reader_out is None):
        says = f"{title} is read on one side only: with hard anti-passback people are locked in or out for good"
        yield Advice((*path, "anti_passback"), "one-sided-passback", says)
    if door.anti_passback == "hard" and door.forgive is None:
        says = f"{title} never forgives: one door held for a friend, and somebody needs help to get out (forgive: 12h)"
        yield Advice((*path, "anti_passback"), "unforgiving-passback", says)


def _unlocks(path: Path, door: Door, site: Site) -> Iterator[Advice]:
    if door.unlock_schedule is None:
        return
    here = (*path, "unlock_schedule")
    if not door.first_in:
        says = f"{door.title} unlocks by {door.unlock_schedule} even when nobody has come in; first_in: true waits"
        yield Advice(here, "unlocks-for-nobody", says)
    if site.schedules[door.unlock_schedule].holidays is None:
        says = f"{door.unlock_schedule} knows no holidays: {door.title} stands unlocked on them as on any other day"
        yield Advice(here, "no-holidays", says)


def _people(site: Site) -> Iterator[Advice]:
    for n, person in enumerate(site.people):
        if not person.codes and not person.cards and person.pin is None:
            yield Advice(("people", n), "no-credential", f"{person.title} has no code and no card: a name, no person")
    if site.keypads and site.people and not any(code.duress for person in site.people for code in person.codes):
        says = "nobody has a duress code: who is forced to disarm can call no help"
        yield Advice(("people",), "no-duress", says)
    if site.keypads and site.people and not any(person.level >= 3 for person in site.people):
        says = "nobody has level 3 or 4: nobody on site may isolate a faulty zone or test one"
        yield Advice(("people",), "nobody-in-charge", says)
