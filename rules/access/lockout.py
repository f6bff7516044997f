"""Wrong codes: counted by source, and none taken for a while after too many.

Theory of operation. A source is a keypad, a reader or a relay that passes proofs. Each wrong code in a row counts; the
last one the source may have locks it until a gateway time that the memory keeps, so that pulling the plug shortens
nothing. While it is locked every code is refused alike, right or wrong. A right code, and the end of the lockout, begin
the count anew. Emergency keys work all the time.
"""

from __future__ import annotations

from rules.access.codes import Credential
from rules.access.memory import AccessMemory
from rules.events import CodeRefused, KeypadLocked, KeypadUnlocked
from rules.timers import Timers
from rules.turn import Turn


class Lockout:
    """The counts of a site. Timer keys are `access lockout SOURCE`."""

    def __init__(self, *, memory: AccessMemory, timers: Timers) -> None:
        self._memory = memory
        self._timers = timers

    def locked(self, source: str, gt: int) -> bool:
        """Whether it takes no code at gateway time `gt`."""
        until = self._memory.locked.get(source)
        return until is not None and gt < until

    def refusal(self, turn: Turn, source: str, found: Credential | None, *, tries: int, lockout: int) -> str | None:
        """Why what was typed or read at `source` opens nothing now, said and counted; None: it is right so far."""
        if self.locked(source, turn.gt):
            self.refuse(turn, source, "locked_out")
            return "locked_out"
        reason = "unknown" if found is None else self._memory.refusal(found, turn.wall)
        if reason in ("unknown", "expired", "used"):
            self.wrong(turn, source, reason, tries=tries, lockout=lockout)
        elif reason is not None:
            self.refuse(turn, source, reason)
        return reason

    def refuse(self, turn: Turn, source: str, reason: str) -> None:
        """Say that a code opened nothing, without counting it."""
        turn.make(CodeRefused, source, reason=reason, tries=self._memory.tries.get(source, 0))

    def wrong(self, turn: Turn, source: str, reason: str, *, tries: int, lockout: int) -> None:
        """A wrong code came from `source`, which has `tries` of them before it is locked for `lockout` µs."""
        memory = self._memory
        count = memory.tries.get(source, 0) + 1
        memory.tries[source] = count
        turn.make(CodeRefused, source, reason=reason, tries=count)
        if count >= tries:
            until = turn.gt + lockout
            memory.locked[source] = until
            self._timers.set(f"access lockout {source}", at=until, cause=turn.cause)
            turn.make(KeypadLocked, source, until=until)

    def right(self, source: str) -> None:
        """A right code came from `source`."""
        self._memory.tries.pop(source, None)

    def lapse(self, turn: Turn, source: str) -> None:
        """The lockout is over."""
        self._memory.tries.pop(source, None)
        self._memory.locked.pop(source, None)
        turn.make(KeypadUnlocked, source)

    def boot(self, turn: Turn) -> None:
        """A lockout whose timer a changed document dropped still ends, and says so."""
        for source, until in self._memory.locked.items():
            if self._timers.get(f"access lockout {source}") is None:
                self._timers.set(f"access lockout {source}", at=max(until, turn.gt + 1), cause=turn.cause)
