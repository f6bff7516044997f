"""Readers: from a card, and what is typed after it, to a decision."""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest

from rules.access.areas import Areas
from rules.access.codes import Credential, Register
from rules.access.decision import Desk, Pin, Request
from rules.access.door import Doors
from rules.access.duress import Duress
from rules.access.levels import may
from rules.access.lockout import Lockout
from rules.access.memory import AccessMemory, Badge
from rules.document.access import Door
from rules.events import AccessDenied, AccessGranted, AccessPending, CardRead, CodeEntered
from rules.panel.panel import Panel
from rules.timers import Timers
from rules.turn import Turn
from rules.units import SECOND

# How long a reader waits for the PIN, a door for the second person, and a partition for the second card.
PIN_WITHIN = 15 * SECOND
SECOND_WITHIN = 30 * SECOND
DOUBLE_WITHIN = 5 * SECOND


class Readers:
    """All readers of a site. Timer keys are `access pin|second_person READER`."""

    def __init__(
        self,
        *,
        memory: AccessMemory,
        timers: Timers,
        panel: Panel,
        register: Register,
        desk: Desk,
        doors: Doors,
        areas: Areas,
        lockout: Lockout,
        duress: Duress,
    ) -> None:
        self._memory = memory
        self._timers = timers
        self._panel = panel
        self._register = register
        self._desk = desk
        self._doors = doors
        self._areas = areas
        self._lockout = lockout
        self._duress = duress

    def card(self, turn: Turn, event: CardRead, door: Door, *, out: bool) -> None:
        """A card was read."""
        credential = self._register.cards.get(event.digest)
        if credential is not None and self._double(turn, event, door, credential):
            return
        late = event.delivery in ("late", "retained")
        if not late:
            self._forget(self._memory.pins, "pin", event.device)
        self._decide(turn, door, event.device, out=out, credential=credential, late=late)

    def code(self, turn: Turn, event: CodeEntered, door: Door, *, out: bool) -> None:
        """Digits were typed: the PIN of the card before them, or a code that opens by itself."""
        reader, code = event.device, self._register.codes.get(event.digest)
        if event.delivery in ("late", "retained"):
            self._deny(turn, door, reader, "late")
        else:
            waiting = self._forget(self._memory.pins, "pin", reader)
            if waiting is not None:
                self._pin(turn, event, door, self._register.cards[waiting], code, out=out)
            elif not door.codes or self._desk.needs_pin(door, turn.wall):
                self._deny(turn, door, reader, "card")
            elif self._lockout.locked(reader, turn.gt):
                self._deny(turn, door, reader, "locked_out")
            elif code is None:
                self._lockout.wrong(turn, reader, "unknown", tries=door.tries, lockout=door.lockout)
                self._deny(turn, door, reader, "unknown")
            else:
                refusal = self._memory.refusal(code, turn.wall)
                if refusal in ("expired", "used"):
                    self._lockout.wrong(turn, reader, refusal, tries=door.tries, lockout=door.lockout)
                self._decide(turn, door, reader, out=out, credential=code, pin="right")
        if code is not None and code.duress and event.delivery != "retained":
            self._duress.tell(turn, code.person, reader, policy=door.policy, cameras=door.cameras)

    def _pin(
        self, turn: Turn, event: CodeEntered, door: Door, card: Credential, code: Credential | None, *, out: bool
    ) -> None:
        """The card is looked at once more with its PIN: a lockdown may have come between."""
        person, reader = card.person, event.device
        right = person.pin is not None and compare_digest(person.pin, event.digest)
        locked = self._lockout.locked(reader, turn.gt)
        if code is not None and code.person is person and self._memory.refusal(code, turn.wall) is None:
            right = True
            if not locked:
                code.spend(self._memory.used)
        if not right and not locked:
            self._lockout.wrong(turn, reader, "unknown", tries=door.tries, lockout=door.lockout)
        # Locked by this very try, or before it: either way nothing is said about the PIN's being right.
        self._decide(turn, door, reader, out=out, credential=card, pin="right" if right else "wrong")

    def _decide(
        self,
        turn: Turn,
        door: Door,
        reader: str,
        *,
        out: bool,
        credential: Credential | None,
        pin: Pin = "missing",
        late: bool = False,
    ) -> None:
        second = self._memory.seconds.get(reader)
        request = Request(
            door=door,
            reader=reader,
            out=out,
            credential=credential,
            gt=turn.gt,
            wall=turn.wall,
            pin=pin,
            second=second,
            late=late,
        )
        reason = self._desk.decide(request)
        if pin == "right" and reason in (None, "second_person"):
            self._lockout.right(reader)
        if credential is None:
            self._deny(turn, door, reader, reason or "unknown")
        elif reason is None:
            self._grant(turn, door, reader, out=out, credential=credential, second=second)
        elif reason == "pin" and pin == "missing":
            self._memory.pins[reader] = credential.digest
            self._wait(turn, door, reader, "pin", PIN_WITHIN, credential.person.id)
        elif reason == "second_person":
            credential.spend(self._memory.used)
            self._memory.seconds[reader] = credential.person.id
            self._wait(turn, door, reader, "second_person", SECOND_WITHIN, credential.person.id)
        else:
            self._deny(turn, door, reader, reason, credential.person.id)

    def _grant(
        self, turn: Turn, door: Door, reader: str, *, out: bool, credential: Credential, second: str | None
    ) -> None:
        person = credential.person
        disarmed = False
        if door.partition is not None and door.badge_disarms and self._disarms(turn, door.partition):
            refused = self._panel.disarm(turn, door.partition, by=person.title)
            if refused is not None:
                turn.why(f"door {door.id}", "{} is armed and was not disarmed: {}", door.partition, refused)
                self._deny(turn, door, reader, "armed", person.id)
                return
            disarmed = True
        credential.spend(self._memory.used)
        people = [person]
        if door.two_person and second is not None:
            self._forget(self._memory.seconds, "second_person", reader)
            people.insert(0, self._register.people[second])
        _, area = self._areas.sides(door, out=out)
        for each in people:
            wrong = door.anti_passback != "none" and self._areas.violation(door, each.id, out=out, gt=turn.gt)
            turn.make(
                AccessGranted,
                door.id,
                ordinal=each.id,
                person=each.id,
                reader=reader,
                area=area,
                violation="anti_passback" if wrong else "",
            )
        self._doors.grant(turn, door, people, out=out)
        if door.double_badge_arms is not None and turn.live:
            if disarmed:
                self._memory.badges.pop(reader, None)
            else:
                self._memory.badges[reader] = Badge(person.id, turn.gt)

    def _disarms(self, turn: Turn, partition: str) -> bool:
        """Whether being let in disarms. The door does not open for a message that may be a repeat: nobody comes in, and
        it may have been armed since; only somebody who is in already is spared the alarm."""
        state = self._panel.state(partition)
        return state != "disarmed" and (turn.live or state == "entering")

    def _double(self, turn: Turn, event: CardRead, door: Door, credential: Credential) -> bool:
        """Whether this was the second reading of a card that was let in a moment ago, and arms."""
        badge = self._memory.badges.get(event.device)
        if badge is None or door.double_badge_arms is None or door.partition is None or event.delivery != "live":
            return False
        person = credential.person
        if badge.person != person.id or turn.gt - badge.at >= DOUBLE_WITHIN or not may(person, "arm", door.partition):
            return False
        if self._memory.refusal(credential, turn.wall) is not None:
            return False
        del self._memory.badges[event.device]
        refused = self._panel.arm(turn, door.partition, door.double_badge_arms, by=person.title)
        if refused is None:
            self._doors.armed(turn, door)
        else:
            turn.why(f"door {door.id}", "the second card did not arm {}: {}", door.partition, refused)
        return True

    def _deny(self, turn: Turn, door: Door, reader: str, reason: str, person: str = "", waited: str = "") -> None:
        turn.make(
            AccessDenied,
            door.id,
            ordinal=f"{reader} {person} {waited}",
            reader=reader,
            reason=reason,
            person=person,
        )

    # --- waiting ---------------------------------------------------------------------------------------------------

    def _wait(self, turn: Turn, door: Door, reader: str, what: str, time: int, person: str) -> None:
        self._timers.set(f"access {what} {reader}", at=turn.gt + time, cause=turn.cause)
        turn.make(AccessPending, door.id, reader=reader, what=what, person=person)

    def _forget(self, waiting: dict[str, str], what: str, reader: str) -> str | None:
        """End the waiting; what was waited with: the digest of a card, or a person."""
        self._timers.cancel(f"access {what} {reader}")
        return waiting.pop(reader, None)

    def lapse(self, turn: Turn, what: str, reader: str, door: Door) -> None:
        """The PIN, or the second person, did not come."""
        memory = self._memory
        self._end(turn, door, reader, memory.pins if what == "pin" else memory.seconds, what, reason=what)

    def shut(self, turn: Turn, doors: Mapping[str, Door]) -> None:
        """A lockdown began: nobody is waited for any more. `doors` are those of the readers."""
        for what, waiting in (("pin", self._memory.pins), ("second_person", self._memory.seconds)):
            for reader in list(waiting):
                self._end(turn, doors[reader], reader, waiting, what, reason="lockdown")

    def _end(self, turn: Turn, door: Door, reader: str, waiting: dict[str, str], what: str, *, reason: str) -> None:
        found = self._forget(waiting, what, reader)
        if found is not None:
            person = self._register.cards[found].person.id if what == "pin" else found
            self._deny(turn, door, reader, reason, person, what)
