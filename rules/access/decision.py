"""The access decision: an ordered table of reasons why not. The first that holds is the answer; none: granted.

It is made from memory alone (dict lookups, prepared when the engine is built), so it takes microseconds and needs no
store: a door opens for whom it should while the disk is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from rules.access.areas import Areas
from rules.access.codes import Credential
from rules.access.levels import may
from rules.access.lockout import Lockout
from rules.access.memory import AccessMemory
from rules.access.watch import Watch
from rules.document.access import Door
from rules.document.site import Site
from rules.panel.panel import Panel
from rules.timetable import Timetable

Pin = Literal["missing", "wrong", "right"]


@dataclass(frozen=True, slots=True)
class Request:
    """Somebody wants to pass `door` at `reader`, `out` or in, at gateway time `gt` and wall time `wall`; `second` is
    who came before them to a door that takes two. `late`: the message is not of this moment."""

    door: Door
    reader: str
    out: bool
    credential: Credential | None
    gt: int
    wall: int
    pin: Pin = "missing"
    second: str | None = None
    late: bool = False


class Desk:
    """Knows what the table asks about."""

    def __init__(
        self,
        *,
        site: Site,
        timetables: Mapping[str, Timetable],
        memory: AccessMemory,
        areas: Areas,
        watch: Watch,
        lockout: Lockout,
        panel: Panel,
    ) -> None:
        self._memory = memory
        self._areas = areas
        self._watch = watch
        self._lockout = lockout
        self._panel = panel
        self._timetables = timetables
        # By door, then by access level: its timetable, None for always.
        self._rights: dict[str, dict[str, Timetable | None]] = {door.id: {} for door in site.doors}
        for level in site.access_levels:
            timetable = timetables[level.schedule] if level.schedule is not None else None
            for door in level.doors:
                self._rights[door][level.id] = timetable

    def decide(self, request: Request) -> str | None:
        """The first reason not to let them in; None: let them in."""
        return next((reason for reason, holds in REASONS if holds(self, request)), None)

    def needs_pin(self, door: Door, wall: int) -> bool:
        """Whether a card alone does not do now."""
        return door.pin == "always" or (door.pin != "never" and self._timetables[door.pin].holds(wall))

    # --- the tests of the table; those after `unknown` may rely on a credential ------------------------------------

    def _late(self, request: Request) -> bool:
        return request.late

    def _unknown(self, request: Request) -> bool:
        return request.credential is None

    def _clock(self, request: Request) -> bool:
        """What its times say is no reason as long as nobody knows the time."""
        if not self._memory.doubted:
            return False
        return self._memory.refusal(_credential(request), request.wall) == "clock" or self._schedule(request)

    def _expired(self, request: Request) -> bool:
        return self._memory.refusal(_credential(request), request.wall) in ("expired", "used")

    def _schedule(self, request: Request) -> bool:
        if self._memory.refusal(_credential(request), request.wall) == "schedule":
            return True
        rights = self._granting(request)
        return bool(rights) and not any(each is None or each.holds(request.wall) for each in rights)

    def _level(self, request: Request) -> bool:
        return not self._granting(request)

    def _granting(self, request: Request) -> list[Timetable | None]:
        rights = self._rights[request.door.id]
        return [rights[level] for level in _credential(request).person.access if level in rights]

    def _anti_passback(self, request: Request) -> bool:
        door, person = request.door, _credential(request).person
        if door.anti_passback != "hard":
            return False
        # Let in somewhere else a moment ago: the card may be in another hand by now.
        elsewhere = (each for name, each in self._memory.doors.items() if name != door.id)
        if any(passing.person == person.id and passing.area for each in elsewhere for passing in each.passing):
            return True
        return self._areas.violation(door, person.id, out=request.out, gt=request.gt)

    def _armed(self, request: Request) -> bool:
        partition = request.door.partition
        if partition is None or may(_credential(request).person, "disarm", partition):
            return False
        return self._panel.mode(partition) != "disarmed"

    def _lockdown(self, request: Request) -> bool:
        return self._watch.bars(request.door, _credential(request).person, out=request.out)

    def _threat(self, request: Request) -> bool:
        return self._watch.threatens(request.door, _credential(request).person)

    def _locked_out(self, request: Request) -> bool:
        return self._pin_asked(request) and self._lockout.locked(request.reader, request.gt)

    def _pin(self, request: Request) -> bool:
        return self._pin_asked(request) and request.pin != "right"

    def _pin_asked(self, request: Request) -> bool:
        return request.pin != "missing" or self.needs_pin(request.door, request.wall)

    def _second_person(self, request: Request) -> bool:
        return request.door.two_person and request.second in (None, _credential(request).person.id)


def _credential(request: Request) -> Credential:
    assert request.credential is not None, "asked before the row `unknown`"
    return request.credential


# Locked out stands before the PIN: while it lasts, nobody learns whether a PIN was right.
REASONS: tuple[tuple[str, Callable[[Desk, Request], bool]], ...] = (
    ("late", Desk._late),
    ("unknown", Desk._unknown),
    ("clock", Desk._clock),
    ("expired", Desk._expired),
    ("schedule", Desk._schedule),
    ("level", Desk._level),
    ("anti_passback", Desk._anti_passback),
    ("armed", Desk._armed),
    ("lockdown", Desk._lockdown),
    ("threat", Desk._threat),
    ("locked_out", Desk._locked_out),
    ("pin", Desk._pin),
    ("second_person", Desk._second_person),
)
