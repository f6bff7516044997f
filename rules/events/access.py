"""What the doors and the codes make of readers, keypads and contacts: who was let in, where, and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rules.events.base import MadeEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRefused(MadeEvent):
    """A code was typed that opens nothing: `reason` unknown, clock (the gateway's is not right, its times cannot be
    judged), expired, schedule, used, level, locked_out or second_person; `tries` wrong ones in a row."""

    kind: ClassVar[str] = "code.refused"
    subject_field: ClassVar[str] = "device"
    device: str
    reason: str
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CodePending(MadeEvent):
    """A right code was typed and one more thing is awaited before it disarms: `what` is second_person."""

    kind: ClassVar[str] = "code.pending"
    subject_field: ClassVar[str] = "device"
    device: str
    what: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeypadLocked(MadeEvent):
    """Too many wrong codes: this keypad, reader or relay is listened to no more until gateway time `until`."""

    kind: ClassVar[str] = "keypad.locked"
    subject_field: ClassVar[str] = "device"
    device: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeypadUnlocked(MadeEvent):
    """The keypad takes codes again."""

    kind: ClassVar[str] = "keypad.unlocked"
    subject_field: ClassVar[str] = "device"
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DuressRaised(MadeEvent):
    """Somebody was forced to use a code. On site everything looks as usual; told in secret."""

    kind: ClassVar[str] = "duress.raised"
    subject_field: ClassVar[str] = "device"
    device: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PanicRaised(MadeEvent):
    """Somebody asked for help at a keypad: `what` is panic, fire or help."""

    kind: ClassVar[str] = "panic.raised"
    subject_field: ClassVar[str] = "device"
    device: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessGranted(MadeEvent):
    """A person may pass, into `area` if the door says where it leads. `violation` is anti_passback when they should be
    elsewhere and the door lets them in all the same."""

    kind: ClassVar[str] = "access.granted"
    subject_field: ClassVar[str] = "door"
    door: str
    person: str
    reader: str
    area: str = ""
    violation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDenied(MadeEvent):
    """Nobody was let in; `reason` is late, unknown, clock, expired, schedule, level, anti_passback, armed, lockdown,
    threat, locked_out, pin or second_person, or card: digits came where a card comes first."""

    kind: ClassVar[str] = "access.denied"
    subject_field: ClassVar[str] = "door"
    door: str
    reader: str
    reason: str
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPending(MadeEvent):
    """One more thing is awaited before the door opens: `what` is pin or second_person."""

    kind: ClassVar[str] = "access.pending"
    subject_field: ClassVar[str] = "door"
    door: str
    reader: str
    what: str
    person: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessNotTaken(MadeEvent):
    """The door was unlocked for somebody, who did not open it."""

    kind: ClassVar[str] = "access.not_taken"
    subject_field: ClassVar[str] = "door"
    door: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRequested(MadeEvent):
    """Somebody asked to leave: the door contact is shunted, and unlocked where it must be."""

    kind: ClassVar[str] = "exit.requested"
    subject_field: ClassVar[str] = "door"
    door: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorUnlocked(MadeEvent):
    """The lock was let go, until gateway time `until` or until told otherwise: `reason` is access, exit, order,
    schedule or first_in."""

    kind: ClassVar[str] = "door.unlocked"
    subject_field: ClassVar[str] = "door"
    door: str
    reason: str
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorLocked(MadeEvent):
    """The lock was set again: `reason` is opened, closed, time, schedule, clock, order, armed, lockdown, threat or
    boot."""

    kind: ClassVar[str] = "door.locked"
    subject_field: ClassVar[str] = "door"
    door: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorForced(MadeEvent):
    """The door opened and nobody was let through."""

    kind: ClassVar[str] = "door.forced"
    subject_field: ClassVar[str] = "door"
    door: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorHeldSoon(MadeEvent):
    """The door is still open; it counts as held at gateway time `until`."""

    kind: ClassVar[str] = "door.held_soon"
    subject_field: ClassVar[str] = "door"
    door: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorHeld(MadeEvent):
    """The door was held open for too long."""

    kind: ClassVar[str] = "door.held"
    subject_field: ClassVar[str] = "door"
    door: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSecured(MadeEvent):
    """A door that was forced or held is closed again."""

    kind: ClassVar[str] = "door.secured"
    subject_field: ClassVar[str] = "door"
    door: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaEntered(MadeEvent):
    """A person is now in this area, one of `occupancy`; before, they were in `left`."""

    kind: ClassVar[str] = "area.entered"
    subject_field: ClassVar[str] = "area"
    area: str
    person: str
    left: str = ""
    occupancy: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class LockdownStarted(MadeEvent):
    """Every door is locked, and opens only for people the document exempts, for requests to exit and, where it is a
    way out, from inside."""

    kind: ClassVar[str] = "lockdown.started"
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LockdownEnded(MadeEvent):
    """The lockdown is over."""

    kind: ClassVar[str] = "lockdown.ended"
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreatChanged(MadeEvent):
    """The threat level is another one: 0 is calm."""

    kind: ClassVar[str] = "threat.changed"
    level: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MusterTaken(MadeEvent):
    """Who is where, by area: the list for the assembly point."""

    kind: ClassVar[str] = "muster.taken"
    areas: dict[str, list[str]]
    by: str
