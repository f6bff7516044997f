"""Locks: letting go, standing unlocked, locking again.

A lock is an output that is "on" while it is let go and "off" while it locks. Letting somebody in is a *pulse*: it
happens once, has five seconds to happen in, is withheld when the message may be a repeat and is never stated again
after a crash; and a lock with a time of its own relocks even if the gateway dies a moment later. Locking is a *level*:
owed for as long as it takes, and stated for every door at every start, because locking twice harms nobody. Only a door
that shall stand unlocked (schedule, first in, order) is held "on" as a level, and after a start this machine states it
itself (`Outputs.claim`), once it has looked whether that is still so. What a rule holds open (the fire alarm, for one)
no relocking ends.

Nothing here waits for the log: the decision is made in memory and its pulse is an action like any other local output.
"""

from __future__ import annotations

from rules.access.bolt import BOLT, LET_GO
from rules.access.memory import AccessMemory, DoorMemory
from rules.document.access import Door
from rules.events import AccessNotTaken, Boot, DoorLocked, DoorUnlocked
from rules.outputs import Outputs
from rules.timers import Timers
from rules.turn import Turn


class Locks:
    """The locks of all doors, by the table in `bolt.py`. Timer keys are `access lapse DOOR`."""

    def __init__(self, *, memory: AccessMemory, timers: Timers, outputs: Outputs) -> None:
        self._memory = memory
        self._timers = timers
        self._outputs = outputs

    def claim(self, door: Door) -> None:
        """This lock is ours to state after a start."""
        doors, name = self._memory.doors, door.id
        self._outputs.claim(door.lock, by=f"door {name}", stands=lambda: name in doors and doors[name].bolt == "free")

    def memory(self, door: Door) -> DoorMemory:
        """What is remembered of this door."""
        return self._memory.doors.setdefault(door.id, DoorMemory())

    def holder(self, door: Door) -> str | None:
        """Who else holds the lock open, if somebody does: a rule may, when there is a fire."""
        held = self._outputs.held(door.lock)
        return held.rule if held is not None and held.value == "on" and held.rule != f"door {door.id}" else None

    # --- for a time ------------------------------------------------------------------------------------------------

    def let_go(self, turn: Turn, door: Door, *, time: int, reason: str) -> None:
        """Unlock it for `time` µs, or only expect the opening when the message may be a repeat."""
        memory = self.memory(door)
        if memory.bolt == "free":
            self._prolong(turn, door, time)  # nothing to unlock, but somebody is about to pass
            return
        self._outputs.pulse(turn, door.lock, by=f"door {door.id}", action=turn.id(door.id, "unlock"))
        if not turn.live:
            self.expect(turn, door, time=time)
            return
        memory.bolt = BOLT[memory.bolt]["grant"]
        until = self._prolong(turn, door, time)
        turn.make(DoorUnlocked, door.id, reason=reason, until=until)

    def expect(self, turn: Turn, door: Door, *, time: int) -> None:
        """An opening within `time` µs is no force; the lock stays as it is."""
        memory = self.memory(door)
        memory.bolt = BOLT[memory.bolt].get("exit", memory.bolt)
        self._prolong(turn, door, time)

    def _prolong(self, turn: Turn, door: Door, time: int) -> int:
        """The time to pass runs at least that long; until when."""
        key = f"access lapse {door.id}"
        running = self._timers.get(key)
        until = turn.gt + time if running is None else max(running.at, turn.gt + time)
        self._timers.set(key, at=until, cause=turn.cause)
        return until

    def opened(self, turn: Turn, door: Door) -> None:
        """The leaf was opened by right: what was let go for it is used up, as the document says."""
        how = {"on_open": "spend", "on_close": "use"}.get(door.relock, "")
        if self._move(turn, door, how, "opened"):
            self._timers.cancel(f"access lapse {door.id}")

    def closed(self, turn: Turn, door: Door) -> None:
        """The leaf was closed."""
        self._move(turn, door, "close", "closed")

    def lapse(self, turn: Turn, door: Door) -> None:
        """The time to pass is over."""
        self._move(turn, door, "lapse", "time")
        self._not_taken(turn, door)

    def _move(self, turn: Turn, door: Door, event: str, reason: str) -> bool:
        """Whether the event moved the lock; if it is no longer let go, it is locked."""
        memory = self.memory(door)
        following = BOLT[memory.bolt].get(event)
        if following is None:
            return False
        was, memory.bolt, memory.permitted = memory.bolt, following, turn.gt
        if was in LET_GO and following not in LET_GO:
            self._lock(turn, door, reason)
        return True

    def _lock(self, turn: Turn, door: Door, reason: str) -> None:
        holder = self.holder(door)
        if holder is not None:
            turn.why(f"door {door.id}", "not locked ({}): {} holds its lock open", reason, holder)
            return
        self._hold(turn, door, "off", reason)
        turn.make(DoorLocked, door.id, ordinal=reason, reason=reason)

    def _not_taken(self, turn: Turn, door: Door) -> None:
        memory = self.memory(door)
        for each in memory.passing:
            turn.make(AccessNotTaken, door.id, ordinal=each.person, person=each.person)
        memory.passing = []

    # --- standing unlocked -----------------------------------------------------------------------------------------

    def free(self, turn: Turn, door: Door, *, reason: str) -> None:
        """Let it stand unlocked until told otherwise."""
        memory = self.memory(door)
        memory.bolt, memory.free = BOLT[memory.bolt]["free"], reason
        holder = self.holder(door)
        if holder is None:
            self._hold(turn, door, "on", "free")
        else:
            turn.why(f"door {door.id}", "{} holds its lock open already", holder)
        turn.make(DoorUnlocked, door.id, ordinal=reason, reason=reason)

    def secure(self, turn: Turn, door: Door, *, reason: str) -> None:
        """Lock it, whatever let it go, and let nobody in who has not opened it yet."""
        if self._move(turn, door, "secure", reason):
            self.memory(door).free = ""
            self._timers.cancel(f"access lapse {door.id}")
            self._not_taken(turn, door)

    def _hold(self, turn: Turn, door: Door, value: str, what: str) -> None:
        action = turn.id(door.id, "lock", what)
        self._outputs.hold(turn, door.lock, value, duration=None, by=f"door {door.id}", action=action)

    # --- after a start ---------------------------------------------------------------------------------------------

    def boot(self, turn: Turn, door: Door, boot: Boot) -> None:
        """A lock that was let go for a time is locked now; after an unknown time off nobody is about to pass."""
        memory = self.memory(door)
        following = BOLT[memory.bolt].get("boot")
        if following is not None:
            memory.bolt, memory.permitted = following, turn.gt
            turn.make(DoorLocked, door.id, ordinal="boot", reason="boot")
        if boot.off_time is None and self._timers.cancel(f"access lapse {door.id}") is not None:
            self.lapse(turn, door)

    def state(self, turn: Turn, door: Door, boot: Boot) -> None:
        """State the lock as it should be now. What a rule holds for a while ends with an unknown time off."""
        held = self._outputs.held(door.lock)
        lasts = held is not None and (held.until is None or boot.off_time is not None)
        if lasts and self.holder(door) is not None:
            self._outputs.again(turn, door.lock)
        else:
            self._hold(turn, door, "on" if self.memory(door).bolt == "free" else "off", "boot")
