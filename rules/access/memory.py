"""What is remembered of doors, codes and people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.access.codes import Credential
    from rules.document.site import Site


@dataclass(slots=True)
class Passing:
    """Somebody who was let in and has not opened the door yet; `area` is where they will be, if the door says so."""

    person: str
    area: str


@dataclass(slots=True)
class DoorMemory:
    """One door: the state of its lock and of its leaf (tables in `bolt.py` and `leaf.py`), why it stands unlocked, who
    is about to pass, whether they get more time, whether it was ordered shut until its schedule is over, when it was
    last closed properly, and when an opening was last permitted."""

    bolt: str = "locked"
    leaf: str = "unknown"
    free: str = ""
    passing: list[Passing] = field(default_factory=list)
    extended: bool = False
    shut: bool = False
    closed: int | None = None
    permitted: int | None = None


@dataclass(slots=True)
class Badge:
    """The last card that was let in at a reader, for the second one that arms."""

    person: str
    at: int


@dataclass(slots=True)
class Whereabouts:
    """Where a person was last seen to go, and when."""

    area: str
    at: int


@dataclass(slots=True)
class AccessMemory:
    """Plain data; gateway times in µs. `tries` and `locked` are kept by source (a keypad, a reader, a relay), `used`
    holds digests of spent codes. By reader or keypad: `pins` is the card (its digest) that a PIN is awaited for,
    `seconds` and `pairs` the person whom a second one is awaited for, `asking` the requests to exit that are active.
    `stale`: nobody has looked yet what the schedules of this document say. `doubted`: the wall clock shows a time that
    cannot be."""

    doors: dict[str, DoorMemory] = field(default_factory=dict)
    tries: dict[str, int] = field(default_factory=dict)
    locked: dict[str, int] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    pins: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    badges: dict[str, Badge] = field(default_factory=dict)
    inside: dict[str, Whereabouts] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    lockdown: str = ""
    threat: int = 0
    stale: bool = True
    doubted: bool = False

    def refusal(self, credential: Credential, wall: int) -> str | None:
        """Why it does not count at wall time `wall`: expired, used, schedule, or clock, when only a clock in doubt says
        one of the others; None: it does."""
        reason = credential.refusal(wall, self.used)
        return "clock" if self.doubted and reason in ("expired", "schedule") else reason

    def fit(self, site: Site) -> None:
        """Forget what the site has no more. A lockout, a lockdown and the threat level stay."""
        doors = {door.id for door in site.doors}
        people = {person.id for person in site.people}
        devices = {device.id for device in site.devices}
        areas = {area for door in site.doors for area in door.areas} | {"outside"}
        digests = {code.digest for person in site.people for code in person.codes}
        self.doors = {name: door for name, door in self.doors.items() if name in doors}
        for door in self.doors.values():
            door.passing = [each for each in door.passing if each.person in people]
        self.used &= digests
        cards = {card.digest for person in site.people for card in person.cards}
        self.pins = _kept(self.pins, devices, cards)
        self.seconds = _kept(self.seconds, devices, people)
        self.pairs = _kept(self.pairs, devices, people)
        self.badges = {name: badge for name, badge in self.badges.items() if name in devices and badge.person in people}
        self.inside = {name: at for name, at in self.inside.items() if name in people and at.area in areas}
        self.asking &= devices
        self.stale = True


def _kept(waiting: dict[str, str], devices: set[str], known: set[str]) -> dict[str, str]:
    return {device: what for device, what in waiting.items() if device in devices and what in known}
