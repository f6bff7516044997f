"""Lockdown and threat level: what the site as a whole is at. Both are memory, so a reboot ends neither."""

from __future__ import annotations

from rules.access.memory import AccessMemory
from rules.document.access import Door, Person
from rules.events import LockdownEnded, LockdownStarted, ThreatChanged
from rules.turn import Turn

CALM, HIGHEST = 0, 10


class Watch:
    """Asked at every door, told by people."""

    def __init__(self, *, memory: AccessMemory) -> None:
        self._memory = memory

    @property
    def threat(self) -> int:
        """The level now; 0 is calm."""
        return self._memory.threat

    @property
    def locked_down(self) -> bool:
        """Whether a lockdown is on."""
        return bool(self._memory.lockdown)

    def bars(self, door: Door, person: Person, *, out: bool) -> bool:
        """Whether the lockdown keeps this person from passing: not somebody exempt, and not the way out."""
        return self.locked_down and not person.exempt and not (door.way_out and out)

    def threatens(self, door: Door, person: Person) -> bool:
        """Whether the threat level has closed this door, and is above what this person may still pass at."""
        return self._closed(door) and person.threat < self._memory.threat

    def shuts(self, door: Door) -> bool:
        """Whether the door may not stand unlocked for everybody now."""
        return self.locked_down or self._closed(door)

    def _closed(self, door: Door) -> bool:
        return door.threat is not None and self._memory.threat >= door.threat

    def lockdown(self, turn: Turn, on: bool, *, by: str, reason: str) -> str | None:
        """Begin or end it. None, or the sentence that says why nothing changed."""
        if on == self.locked_down:
            return "the site is locked down already" if on else "the site is not locked down"
        self._memory.lockdown = f"{by}: {reason}" if on else ""
        if on:
            turn.make(LockdownStarted, "", by=by, reason=reason)
        else:
            turn.make(LockdownEnded, "", by=by)
        return None

    def change(self, turn: Turn, level: int, *, by: str) -> str | None:
        """Set the threat level. None, or the sentence that says why nothing changed."""
        if not CALM <= level <= HIGHEST:
            return f"a threat level is {CALM} to {HIGHEST}, not {level}"
        if level == self._memory.threat:
            return f"the threat level is {level} already"
        self._memory.threat = level
        turn.make(ThreatChanged, "", level=level, by=by)
        return None
