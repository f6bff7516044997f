"""Codes and cards: whose they are, and whether they count now.

They arrive as HMAC digests and are looked up in a dict. That is as safe as a comparison in constant time: how long a
lookup takes depends on the digest only, and nobody without the pepper can steer it, so it teaches nothing about digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from rules.document.access import Card, Code, Person
from rules.document.site import Site
from rules.timetable import Timetable, zone
from rules.units import SECOND


@dataclass(frozen=True, slots=True)
class Credential:
    """One code or card of `person`; it counts from wall time `since` until before `until` (µs)."""

    person: Person
    digest: str
    since: int | None
    until: int | None
    timetable: Timetable | None = None
    once: bool = False
    duress: bool = False

    def refusal(self, wall: int, used: set[str]) -> str | None:
        """Why it does not count at wall time `wall`: expired (or not valid yet), used, schedule; None: it does."""
        if (self.since is not None and wall < self.since) or (self.until is not None and wall >= self.until):
            return "expired"
        if self.once and self.digest in used:
            return "used"
        if self.timetable is not None and not self.timetable.holds(wall):
            return "schedule"
        return None

    def spend(self, used: set[str]) -> None:
        """It was accepted: one that counts once is used."""
        if self.once:
            used.add(self.digest)


class Register:
    """Everybody's codes and cards, by digest."""

    def __init__(self, *, site: Site, timetables: Mapping[str, Timetable]) -> None:
        here = zone(site.site.timezone)
        self.people = {person.id: person for person in site.people}
        self.codes: dict[str, Credential] = {}
        self.cards: dict[str, Credential] = {}
        for person in site.people:
            for code in person.codes:
                since, until = _bounds(code, here)
                timetable = timetables[code.schedule] if code.schedule is not None else None
                self.codes[code.digest] = Credential(
                    person, code.digest, since, until, timetable, code.once, code.duress
                )
            for card in person.cards:
                self.cards[card.digest] = Credential(person, card.digest, *_bounds(card, here))


def _bounds(valid: Code | Card, here: ZoneInfo) -> tuple[int | None, int | None]:
    since = None if valid.since is None else _midnight(date.fromisoformat(valid.since), here)
    until = None if valid.until is None else _midnight(date.fromisoformat(valid.until) + timedelta(days=1), here)
    return since, until


def _midnight(day: date, here: ZoneInfo) -> int:
    return round(datetime(day.year, day.month, day.day, tzinfo=here).timestamp()) * SECOND
