"""Codes as proof: somebody who asks for something through a relay types one, and it says who they are."""

from __future__ import annotations

from rules.access.codes import Credential, Register
from rules.access.duress import Duress
from rules.access.lockout import Lockout
from rules.access.memory import AccessMemory
from rules.document.access import Person
from rules.turn import Turn
from rules.units import SECOND

# A relay that passes proofs may try as often as a keypad whose document says nothing.
TRIES, LOCKOUT = 5, 90 * SECOND
_PROVES_NOTHING = {
    "locked_out": "too many wrong codes: none is taken for a while",
    "unknown": "nobody has this code",
    "clock": "the gateway's clock is not right, so nobody can say whether this code is valid now: set the clock",
    "expired": "this code is not valid today",
    "used": "this code was for one time, and was used",
    "schedule": "this code does not count at this time",
}


class Proofs:
    """Each relay is a source of its own, whose wrong codes count. A code given under duress proves what any other
    does."""

    def __init__(self, *, memory: AccessMemory, register: Register, lockout: Lockout, duress: Duress) -> None:
        self._memory = memory
        self._register = register
        self._lockout = lockout
        self._duress = duress

    def who(self, turn: Turn, digest: str, *, source: str) -> Person | str:
        """Whose code this is, or the sentence that says why it proves nothing."""
        found = self._register.codes.get(digest)
        said = self._take(turn, found, source)
        if found is not None and found.duress:
            self._duress.tell(turn, found.person, source, policy=None, cameras=[])
        return said

    def _take(self, turn: Turn, found: Credential | None, source: str) -> Person | str:
        reason = self._lockout.refusal(turn, source, found, tries=TRIES, lockout=LOCKOUT)
        if found is None or reason is not None:
            return _PROVES_NOTHING[reason or "unknown"]
        self._lockout.right(source)
        found.spend(self._memory.used)
        return found.person
