"""Who may pass and who may arm: codes, cards and doors.

Everything that is asked in a moment (whose code, which door, what right) is looked up in dicts made when the engine is
built. A device that belongs to no door and no keypad costs one lookup.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rules.access.alarm import DoorAlarm
from rules.access.areas import Areas
from rules.access.codes import Register
from rules.access.decision import Desk
from rules.access.door import Doors
from rules.access.duress import Duress
from rules.access.emergency import Emergency
from rules.access.keypads import Keypads
from rules.access.lockout import Lockout
from rules.access.locks import Locks
from rules.access.memory import AccessMemory
from rules.access.proof import Proofs
from rules.access.readers import Readers
from rules.access.report import Reports
from rules.access.watch import Watch
from rules.casebook import Casebook
from rules.document.access import Door, Keypad, Person
from rules.document.site import Site
from rules.events import (
    Boot,
    ButtonPressed,
    CardRead,
    ClockDoubted,
    ClockStepped,
    ClockTrusted,
    CodeEntered,
    DeviceEvent,
    Event,
    KeyPressed,
)
from rules.inputs import condition
from rules.machine import Machine
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.timers import Timers
from rules.turn import Turn

_CREDENTIALS = frozenset({"card.read", "code.entered", "key.pressed"})
_Role = Callable[[Turn, DeviceEvent], None]


class Access(Machine):
    """All doors, keypads and people of a site. Timer keys are `access WHAT SUBJECT`."""

    def __init__(
        self,
        *,
        site: Site,
        memory: AccessMemory,
        timers: Timers,
        outputs: Outputs,
        casebook: Casebook,
        panel: Panel,
    ) -> None:
        timetables = site.timetables()
        reports = Reports(site=site, casebook=casebook)
        self._memory = memory
        self._register = Register(site=site, timetables=timetables)
        self._areas = Areas(site=site, inside=memory.inside)
        self._watch = Watch(memory=memory)
        self._lockout = Lockout(memory=memory, timers=timers)
        duress = Duress(site=site, reports=reports)
        self._proofs = Proofs(memory=memory, register=self._register, lockout=self._lockout, duress=duress)
        self._doors = Doors(
            memory=memory,
            site=site,
            timetables=timetables,
            timers=timers,
            locks=Locks(memory=memory, timers=timers, outputs=outputs),
            areas=self._areas,
            watch=self._watch,
            alarm=DoorAlarm(site=site, outputs=outputs, reports=reports),
        )
        self._readers = Readers(
            memory=memory,
            timers=timers,
            panel=panel,
            register=self._register,
            desk=Desk(
                site=site,
                timetables=timetables,
                memory=memory,
                areas=self._areas,
                watch=self._watch,
                lockout=self._lockout,
                panel=panel,
            ),
            doors=self._doors,
            areas=self._areas,
            lockout=self._lockout,
            duress=duress,
        )
        self._keypads = Keypads(
            site=site,
            memory=memory,
            timers=timers,
            panel=panel,
            register=self._register,
            lockout=self._lockout,
            duress=duress,
            emergency=Emergency(site=site, outputs=outputs, reports=reports, panel=panel),
        )
        self._by_id = {door.id: door for door in site.doors}
        self._by_reader: dict[str, Door] = {}
        self._roles: dict[str, list[_Role]] = {}
        for door in site.doors:
            self._wire(door)
        for keypad in site.keypads:
            self._roles.setdefault(keypad.device, []).append(self._keypad(keypad))

    def _wire(self, door: Door) -> None:
        for reader, out in ((door.reader, False), (door.reader_out, True)):
            if reader is not None:
                self._by_reader[reader] = door
                self._roles.setdefault(reader, []).append(self._reader(door, out))
        for device, role in ((door.contact, self._contact(door)), (door.rex, self._rex(door))):
            if device is not None:
                self._roles.setdefault(device, []).append(role)

    # --- devices ---------------------------------------------------------------------------------------------------

    def sense(self, turn: Turn, event: DeviceEvent) -> None:
        """A device told something."""
        roles = self._roles.get(event.device)
        if roles is not None:
            for role in roles:
                role(turn, event)
        elif event.kind in _CREDENTIALS:
            turn.why(f"device {event.device}", "belongs to no door and no keypad of the document")

    def _reader(self, door: Door, out: bool) -> _Role:
        def role(turn: Turn, event: DeviceEvent) -> None:
            if isinstance(event, CardRead):
                self._readers.card(turn, event, door, out=out)
            elif isinstance(event, CodeEntered):
                self._readers.code(turn, event, door, out=out)

        return role

    def _keypad(self, keypad: Keypad) -> _Role:
        def role(turn: Turn, event: DeviceEvent) -> None:
            if isinstance(event, CodeEntered):
                self._keypads.code(turn, event, keypad)
            elif isinstance(event, KeyPressed):
                self._keypads.key(turn, event, keypad)
            elif isinstance(event, CardRead):
                self._keypads.card(turn, event, keypad)

        return role

    def _contact(self, door: Door) -> _Role:
        def role(turn: Turn, event: DeviceEvent) -> None:
            what = condition(event)
            if what is None:
                return
            if what == "normal":  # a wire that is cut or bridged is no closed door
                if event.delivery != "late":
                    self._doors.closed(turn, door)
            elif event.delivery == "late":
                self._doors.opened_late(turn, door)
            elif event.delivery == "retained":
                self._doors.found_open(turn, door)
            else:
                self._doors.opened(turn, door)

        return role

    def _rex(self, door: Door) -> _Role:
        def role(turn: Turn, event: DeviceEvent) -> None:
            what = condition(event)
            if what is None or event.delivery == "late":
                return
            asked = event.device in self._memory.asking
            if what == "active":
                self._memory.asking.add(event.device)
            else:  # nor does a wire that is cut or bridged ask to leave
                self._memory.asking.discard(event.device)
            # A button may never say that it was let go; each press counts, so that nobody is kept in.
            if what == "active" and event.delivery != "retained" and (not asked or isinstance(event, ButtonPressed)):
                self._doors.exit(turn, door)

        return role

    # --- time ------------------------------------------------------------------------------------------------------

    def describe(self, door: str) -> dict[str, Any]:
        """Everything that decides what this door does, as plain data; empty when there is no such door."""
        known = self._by_id.get(door)
        return {} if known is None else self._doors.describe(known)

    def lapse(self, turn: Turn, what: str, subject: str) -> None:
        """A timer of ours ended."""
        if what == "lockout":
            self._lockout.lapse(turn, subject)
        elif what == "pair":
            self._keypads.lapse(turn, subject)
        elif what in ("pin", "second_person"):
            door = self._by_reader.get(subject)
            if door is not None:
                self._readers.lapse(turn, what, subject, door)
        else:
            self._doors.lapse(turn, what, subject)

    def boot(self, turn: Turn, boot: Boot) -> None:
        """The gateway started: every lock is stated as it should be now."""
        self._memory.doubted = bool(boot.doubted)
        self._lockout.boot(turn)
        self._doors.boot(turn, boot)
        self._memory.stale = False

    def tick(self, turn: Turn, fact: Event) -> None:
        """Another document or wall clock, or one in doubt: look at every schedule again."""
        if isinstance(fact, ClockDoubted | ClockTrusted):
            self._memory.doubted = isinstance(fact, ClockDoubted)
        if self._memory.stale:
            self._memory.stale = False
            self._lockout.boot(turn)
        elif not isinstance(fact, ClockStepped | ClockDoubted | ClockTrusted):
            return
        for door in self._by_id.values():
            self._doors.look(turn, door)

    # --- what people ask for through a relay, and other machines ------------------------------------------------------

    def who(self, digest: str, turn: Turn, *, source: str) -> Person | str:
        """Whose code this is, given as proof through `source`; or the sentence that says why it proves nothing."""
        return self._proofs.who(turn, digest, source=source)

    def unlock(self, turn: Turn, door: str, *, by: str, stay: bool = False) -> str | None:
        """Let a door go for its usual time, or to `stay` so until it is locked. None, or why not."""
        known = self._by_id.get(door)
        if known is None:
            return f"{door} is no door of this site"
        turn.why(f"door {door}", "unlocked by {}", by)
        return self._doors.unlock(turn, known, stay=stay)

    def lock(self, turn: Turn, door: str, *, by: str) -> str | None:
        """Lock a door, also against its schedule until that begins anew. None, or why not."""
        known = self._by_id.get(door)
        if known is None:
            return f"{door} is no door of this site"
        turn.why(f"door {door}", "locked by {}", by)
        return self._doors.lock(turn, known)

    def lockdown(self, turn: Turn, on: bool, *, by: str, reason: str = "") -> str | None:
        """Begin or end a lockdown. None, or why nothing changed."""
        said = self._watch.lockdown(turn, on, by=by, reason=reason)
        if said is None:
            if on:
                self._readers.shut(turn, self._by_reader)
            self._settle(turn)
        return said

    def threat(self, turn: Turn, level: int, *, by: str) -> str | None:
        """Set the threat level, 0 (calm) to 10. None, or why nothing changed."""
        said = self._watch.change(turn, level, by=by)
        if said is None:
            self._settle(turn)
        return said

    @property
    def threat_level(self) -> int:
        """The threat level now; 0 is calm."""
        return self._watch.threat

    def _settle(self, turn: Turn) -> None:
        for door in self._by_id.values():
            self._doors.shut(turn, door)
            self._doors.look(turn, door)

    def muster(self, turn: Turn, *, by: str) -> dict[str, list[str]]:
        """Who is in the building, by area; told as a fact as well."""
        return self._areas.muster(turn, by=by)

    def forgive(self, turn: Turn, person: str, *, by: str) -> str | None:
        """Forget where a person is, so that anti-passback lets them through once more. None, or why not."""
        known = self._register.people.get(person)
        if known is None:
            return f"{person} is nobody of this site"
        self._areas.forgive(turn, known, by=by)
        return None
