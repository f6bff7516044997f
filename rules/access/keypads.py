"""Keypads: what a code, a card or a key does to the partition."""

from __future__ import annotations

from rules.access.codes import Credential, Register
from rules.access.duress import Duress
from rules.access.emergency import Emergency
from rules.access.levels import may
from rules.access.lockout import Lockout
from rules.access.memory import AccessMemory
from rules.document.access import Keypad, Person
from rules.document.site import Site
from rules.events import CardRead, CodeEntered, CodePending, KeyPressed, Mode
from rules.panel.panel import Panel
from rules.timers import Timers
from rules.turn import Turn
from rules.units import SECOND

# How long the second person has to type their code.
PAIR_WITHIN = 30 * SECOND
_ARMS: dict[str, Mode] = {"arm_away": "away", "arm_stay": "stay", "arm_night": "night", "arm_custom": "custom"}


class Keypads:
    """All keypads of a site. A code or card alone disarms and never arms, so that a message that comes twice does
    nothing twice; arming is a wish or a key. Timer keys are `access pair KEYPAD`."""

    def __init__(
        self,
        *,
        site: Site,
        memory: AccessMemory,
        timers: Timers,
        panel: Panel,
        register: Register,
        lockout: Lockout,
        duress: Duress,
        emergency: Emergency,
    ) -> None:
        self._memory = memory
        self._timers = timers
        self._panel = panel
        self._register = register
        self._lockout = lockout
        self._duress = duress
        self._emergency = emergency
        self._titles = {device.id: device.title for device in site.devices}
        self._policies = {partition.id: partition.policy for partition in site.partitions}

    def code(self, turn: Turn, event: CodeEntered, keypad: Keypad) -> None:
        """Digits were typed."""
        code = self._register.codes.get(event.digest)
        self._take(turn, event, keypad, code, _ARMS.get(event.wish))
        if code is not None and code.duress and event.delivery != "retained":
            policy = keypad.policy or self._policies.get(keypad.partition)
            self._duress.tell(turn, code.person, keypad.device, policy=policy, cameras=keypad.cameras)

    def card(self, turn: Turn, event: CardRead, keypad: Keypad) -> None:
        """A card was read at it: as good as a code."""
        self._take(turn, event, keypad, self._register.cards.get(event.digest), None)

    def key(self, turn: Turn, event: KeyPressed, keypad: Keypad) -> None:
        """A key that needs no code. Emergency keys work also while the keypad is locked out."""
        if event.delivery == "retained":
            turn.why(f"keypad {keypad.device}", "the broker kept {}: nobody presses it now", event.key)
        elif event.key in ("panic", "fire", "help"):
            self._emergency.key(turn, event.key, keypad)
        elif event.delivery == "late":
            turn.why(f"keypad {keypad.device}", "{} was overtaken by newer messages", event.key)
        elif not keypad.quick_arm:
            turn.why(f"keypad {keypad.device}", "{} needs a code here", event.key)
            self._lockout.refuse(turn, keypad.device, "level")
        else:
            self._arm(turn, keypad, _ARMS[event.key], by=self._titles.get(keypad.device, keypad.device))

    def _take(
        self, turn: Turn, event: CodeEntered | CardRead, keypad: Keypad, found: Credential | None, mode: Mode | None
    ) -> None:
        device = keypad.device
        if event.delivery in ("late", "retained"):
            turn.why(f"keypad {device}", "a code that is not of this moment does nothing")
            return
        reason = self._lockout.refusal(turn, device, found, tries=keypad.tries, lockout=keypad.lockout)
        if found is None or reason is not None:
            return
        person = found.person
        if not may(person, "disarm" if mode is None else "arm", keypad.partition):
            self._lockout.refuse(turn, device, "level")
            return
        self._lockout.right(device)
        found.spend(self._memory.used)
        if mode is not None:
            self._arm(turn, keypad, mode, by=person.title)
        else:
            self._disarm(turn, keypad, person)

    def _arm(self, turn: Turn, keypad: Keypad, mode: Mode, *, by: str) -> None:
        refused = self._panel.arm(turn, keypad.partition, mode, by=by)
        if refused is not None:
            turn.why(f"keypad {keypad.device}", "{} was not armed: {}", keypad.partition, refused)

    def _disarm(self, turn: Turn, keypad: Keypad, person: Person) -> None:
        device, by = keypad.device, person.title
        if keypad.two_person:
            first = self._memory.pairs.get(device)
            if first is None or first == person.id:
                self._memory.pairs[device] = person.id
                self._timers.set(f"access pair {device}", at=turn.gt + PAIR_WITHIN, cause=turn.cause)
                turn.make(CodePending, device, what="second_person", person=person.id)
                return
            del self._memory.pairs[device]
            self._timers.cancel(f"access pair {device}")
            by = f"{self._register.people[first].title} and {by}"
        refused = self._panel.disarm(turn, keypad.partition, by=by)
        if refused is not None:
            turn.why(f"keypad {device}", "{} was not disarmed: {}", keypad.partition, refused)

    def lapse(self, turn: Turn, device: str) -> None:
        """The second person's code did not come."""
        if self._memory.pairs.pop(device, None) is not None:
            self._lockout.refuse(turn, device, "second_person")
