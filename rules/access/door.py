"""Doors: who passes, what the contact means, and when a door stands unlocked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rules.access.alarm import DoorAlarm
from rules.access.areas import Areas
from rules.access.leaf import LEAF
from rules.access.locks import Locks
from rules.access.memory import AccessMemory, DoorMemory, Passing
from rules.access.watch import Watch
from rules.document.access import Door, Person
from rules.document.site import Site
from rules.events import Boot, DoorForced, DoorHeld, DoorHeldSoon, DoorSecured, ExitRequested
from rules.timers import Timers
from rules.timetable import Timetable
from rules.turn import Turn
from rules.units import MINUTE, SECOND

# A leaf that swings back on the latch is still the same opening.
BOUNCE = SECOND // 2
# How much later than the opening itself a message about it may come: longer ago than that, nobody had let them in.
LATEST = MINUTE


class Doors:
    """All door machines of a site. Timer keys are `access warn|held|schedule DOOR`, and those of the locks."""

    def __init__(
        self,
        *,
        site: Site,
        timetables: Mapping[str, Timetable],
        memory: AccessMemory,
        timers: Timers,
        locks: Locks,
        areas: Areas,
        watch: Watch,
        alarm: DoorAlarm,
    ) -> None:
        self._doors = {door.id: door for door in site.doors}
        self._timetables = timetables
        self._memory = memory
        self._timers = timers
        self._locks = locks
        self._areas = areas
        self._watch = watch
        self._alarm = alarm
        for door in site.doors:
            locks.claim(door)

    # --- letting people through ------------------------------------------------------------------------------------

    def grant(self, turn: Turn, door: Door, people: list[Person], *, out: bool) -> None:
        """Let these people through, together."""
        memory = self._locks.memory(door)
        _, area = self._areas.sides(door, out=out)
        memory.passing += [Passing(person.id, area) for person in people]
        memory.extended = any(person.extended for person in people)
        if door.first_in and not out and turn.live and memory.bolt != "free" and self._in_schedule(door, turn):
            self._free(turn, door, "first_in")
        self._locks.let_go(turn, door, time=door.extended_for if memory.extended else door.unlock_for, reason="access")
        self._extend(turn, door, memory)
        if door.contact is None or memory.leaf in ("open", "warned", "held", "forced"):
            self._take(turn, memory)  # nobody will see them open it

    def exit(self, turn: Turn, door: Door) -> None:
        """Somebody asked to leave. It works whatever the site is at: no lockdown keeps people in."""
        turn.make(ExitRequested, door.id)
        if door.rex_unlocks:
            self._locks.let_go(turn, door, time=door.unlock_for, reason="exit")
        else:
            self._locks.expect(turn, door, time=door.unlock_for)
        self._extend(turn, door, self._locks.memory(door))

    def _take(self, turn: Turn, memory: DoorMemory) -> None:
        """Those who were let in are through."""
        for each in memory.passing:
            if each.area:
                self._areas.enter(turn, each.person, each.area)
        memory.passing = []

    # --- ordered by people -----------------------------------------------------------------------------------------

    def unlock(self, turn: Turn, door: Door, *, stay: bool) -> str | None:
        """Let it go for its usual time, or to stay so. None, or why not."""
        memory = self._locks.memory(door)
        if not stay:
            self._locks.let_go(turn, door, time=door.unlock_for, reason="order")
            self._extend(turn, door, memory)
            return None
        if self._watch.shuts(door):
            return f"{door.title} cannot stand unlocked now: the site is locked down or the threat level is too high"
        memory.shut = False
        if memory.bolt == "free":
            memory.free = "order"
        else:
            self._free(turn, door, "order")
        return None

    def lock(self, turn: Turn, door: Door) -> str | None:
        """Lock it. A schedule that has it unlocked now frees it again next time. None, or why it stays open."""
        memory = self._locks.memory(door)
        memory.shut = memory.shut or self._in_schedule(door, turn)
        self._secure(turn, door, "order")
        holder = self._locks.holder(door)
        return None if holder is None else f"{door.title} stays open: {holder} holds its lock"

    def armed(self, turn: Turn, door: Door) -> None:
        """Its partition is being armed from outside: nobody is to come in behind."""
        if self._locks.memory(door).bolt != "free":
            self._secure(turn, door, "armed")

    # --- standing unlocked -----------------------------------------------------------------------------------------

    def _in_schedule(self, door: Door, turn: Turn) -> bool:
        """Whether its schedule has it unlocked now, or would once the first one is in."""
        if self._memory.doubted:  # what stands open lets everybody in: not by a time that cannot be
            return False
        if door.unlock_schedule is None or self._watch.shuts(door) or self._locks.memory(door).shut:
            return False
        return self._timetables[door.unlock_schedule].holds(turn.wall)

    def _free(self, turn: Turn, door: Door, reason: str) -> None:
        self._locks.free(turn, door, reason=reason)
        for what in ("warn", "held"):
            self._timers.cancel(f"access {what} {door.id}")
        self._extend(turn, door, self._locks.memory(door))

    def _secure(self, turn: Turn, door: Door, reason: str) -> None:
        memory = self._locks.memory(door)
        was_free = memory.bolt == "free"
        self._locks.secure(turn, door, reason=reason)
        if was_free and memory.leaf in ("open", "warned"):
            self._watch_open(turn, door, memory)

    def shut(self, turn: Turn, door: Door) -> None:
        """Lock it, if the lockdown or the threat level asks for it."""
        if self._watch.shuts(door):
            self._secure(turn, door, "lockdown" if self._watch.locked_down else "threat")

    def look(self, turn: Turn, door: Door) -> None:
        """Bring the door to what its schedule, the lockdown and the threat level say now."""
        memory = self._locks.memory(door)
        if memory.bolt == "free":
            self.shut(turn, door)
        if door.unlock_schedule is None:
            if memory.free in ("schedule", "first_in"):  # a document before this one had it so
                self._secure(turn, door, "schedule")
            return
        timetable = self._timetables[door.unlock_schedule]
        if self._memory.doubted:
            if memory.free in ("schedule", "first_in"):
                self._secure(turn, door, "clock")
        elif not timetable.holds(turn.wall):
            memory.shut = False
            if memory.free in ("schedule", "first_in"):
                self._secure(turn, door, "schedule")
        elif memory.bolt != "free" and not door.first_in and self._in_schedule(door, turn):
            self._free(turn, door, "schedule")
        edge = timetable.next_edge(turn.wall)
        if edge is not None:
            self._timers.set(f"access schedule {door.id}", at=turn.gt + edge - turn.wall, cause=turn.cause)

    # --- the contact -----------------------------------------------------------------------------------------------

    def opened(self, turn: Turn, door: Door) -> None:
        """The contact says that it is open."""
        memory = self._locks.memory(door)
        following = LEAF[memory.leaf].get("enter" if self._permitted(turn, door, memory) else "break")
        if following is None:
            return  # it says again what it said
        memory.leaf = following
        if following == "forced":
            turn.why(f"door {door.id}", "opened while locked, and nobody was let in")
            self._alarm.forced(turn, door, turn.make(DoorForced, door.id))
            return
        self._take(turn, memory)
        self._locks.opened(turn, door)
        self._watch_open(turn, door, memory)

    def _permitted(self, turn: Turn, door: Door, memory: DoorMemory) -> bool:
        bounced = memory.closed is not None and turn.gt - memory.closed < BOUNCE
        return memory.bolt != "locked" or bounced or self._locks.holder(door) is not None

    def closed(self, turn: Turn, door: Door) -> None:
        """The contact says that it is closed."""
        memory = self._locks.memory(door)
        was, following = memory.leaf, LEAF[memory.leaf].get("close")
        if following is None:
            return
        memory.leaf, memory.extended = following, False
        for what in ("warn", "held"):
            self._timers.cancel(f"access {what} {door.id}")
        if was in ("forced", "held"):
            self._alarm.ended(turn, door, was, turn.make(DoorSecured, door.id))
        memory.closed = turn.gt if was in ("open", "warned", "held") else None
        self._locks.closed(turn, door)

    def found_open(self, turn: Turn, door: Door) -> None:
        """The broker kept that it is open: nobody saw the opening, so nobody is accused; but it may not stay so."""
        memory = self._locks.memory(door)
        following = LEAF[memory.leaf].get("found")
        if following is not None:
            turn.why(f"door {door.id}", "found open")
            memory.leaf = following
            self._watch_open(turn, door, memory)

    def opened_late(self, turn: Turn, door: Door) -> None:
        """Word of an opening that newer messages overtook: an alarm if nobody had been let in at that time, and no
        trace in the memory."""
        memory = self._locks.memory(door)
        lately = memory.permitted is not None and turn.gt - memory.permitted < LATEST
        if lately or self._permitted(turn, door, memory):
            turn.why(f"door {door.id}", "word of an earlier opening, which was permitted")
        else:
            self._alarm.forced(turn, door, turn.make(DoorForced, door.id))

    def _extend(self, turn: Turn, door: Door, memory: DoorMemory) -> None:
        """Somebody else is let in while it is open."""
        following = LEAF[memory.leaf].get("extend")
        if following is not None:
            memory.leaf = following
            self._watch_open(turn, door, memory)

    def _watch_open(self, turn: Turn, door: Door, memory: DoorMemory) -> None:
        """The leaf is open; unless the door is free, it should not stay so."""
        if memory.bolt == "free":
            return
        extra = door.extended_for - door.unlock_for if memory.extended else 0
        at = turn.gt + door.held_after + extra
        self._timers.set(f"access held {door.id}", at=at, cause=turn.cause)
        if door.warn_before:
            self._timers.set(f"access warn {door.id}", at=at - door.warn_before, cause=turn.cause)

    # --- time ------------------------------------------------------------------------------------------------------

    def lapse(self, turn: Turn, what: str, name: str) -> None:
        """A timer of this door ended."""
        door = self._doors.get(name)
        if door is None:
            return  # the document has it no more
        memory = self._locks.memory(door)
        if what == "lapse":
            self._locks.lapse(turn, door)
        elif what == "schedule":
            self.look(turn, door)
        elif what == "warn":
            following, held = LEAF[memory.leaf].get("warn"), self._timers.get(f"access held {name}")
            if following is not None and held is not None:
                memory.leaf = following
                turn.make(DoorHeldSoon, name, until=held.at)
        else:
            following = LEAF[memory.leaf].get("hold")
            if following is not None:
                memory.leaf = following
                self._alarm.held(turn, door, turn.make(DoorHeld, name))

    def boot(self, turn: Turn, boot: Boot) -> None:
        """The gateway started: every lock is stated as it should be now."""
        for door in self._doors.values():
            self._locks.boot(turn, door, boot)
            was_free = self._locks.memory(door).bolt == "free"
            self.look(turn, door)
            if was_free == (self._locks.memory(door).bolt == "free"):  # else looking has stated it
                self._locks.state(turn, door, boot)

    def describe(self, door: Door) -> dict[str, Any]:
        """Lock, leaf, why it stands open, who is about to pass, which timers run until when (gateway time, µs)."""
        memory = self._locks.memory(door)
        timers = {what: self._timers.get(f"access {what} {door.id}") for what in ("lapse", "warn", "held", "schedule")}
        return {
            "lock": memory.bolt,
            "leaf": memory.leaf,
            "unlocked_by": memory.free or self._locks.holder(door) or "",
            "about_to_pass": [each.person for each in memory.passing],
            "ordered_shut": memory.shut,
            "shut_by_site": self._watch.shuts(door),
            "timers": {what: timer.at for what, timer in timers.items() if timer is not None},
        }
