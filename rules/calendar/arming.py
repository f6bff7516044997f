"""Arming by schedule: the warning, the arming itself, and who is late. See `life.py` for the theory of operation."""

from __future__ import annotations

from collections.abc import Iterator

from rules.calendar.follow import TOLERANCE, Follower
from rules.calendar.life import LIFE
from rules.calendar.memory import ArmingMemory, CalendarMemory
from rules.document.panel import ARMED_TYPES, Arming
from rules.document.site import Site
from rules.events import (
    ArmingDue,
    ArmingLate,
    ArmingPostponed,
    Boot,
    CameraLost,
    DeviceEvent,
    DeviceLost,
    MotionEnded,
    MotionStarted,
    PartitionArmed,
    PartitionDisarmed,
    PartitionExiting,
)
from rules.inputs import condition
from rules.panel.panel import Panel
from rules.timers import Timers
from rules.turn import Turn
from rules.units import MINUTE

# A partition that is not ready is looked at again after this time.
RETRY = 5 * MINUTE
_TIMERS = ("soon", "warned", "quiet", "retry", "late", "open")


class Armings:
    """All partitions that a schedule arms. Timer keys are `calendar soon|warned|quiet|retry|late|open PARTITION`."""

    def __init__(self, *, site: Site, memory: CalendarMemory, timers: Timers, follower: Follower, panel: Panel) -> None:
        self._memory = memory
        self._timers = timers
        self._follower = follower
        self._panel = panel
        self._armings: dict[str, Arming] = {}
        self._of_schedule: dict[str, list[str]] = {}
        for partition in site.partitions:
            if partition.arming is not None:
                self._armings[partition.id] = partition.arming
                self._of_schedule.setdefault(partition.arming.schedule, []).append(partition.id)
        self._watched = self._watch(site)

    def schedules(self) -> list[str]:
        """The schedules that arm something."""
        return list(self._of_schedule)

    def _watch(self, site: Site) -> dict[str, list[str]]:
        """By device, the partitions where it tells that somebody is there."""
        watched: dict[str, list[str]] = {}
        for zone in site.zones:
            arming = self._armings.get(zone.partition)
            if arming is not None and arming.on_quiet is not None and zone.type in ARMED_TYPES:
                there = watched.setdefault(zone.device, [])
                if zone.partition not in there:
                    there.append(zone.partition)
        return watched

    # --- what happens ---

    def starting(self, boot: Boot) -> None:
        """The gateway starts. Nobody heard a warning while it was off, so nothing is armed on the strength of it, and
        nobody knows who moved meanwhile."""
        for name, memory in self._memory.armings.items():
            for what in ("soon", "warned", "quiet", "retry"):
                timer = self._timers.get(f"calendar {what} {name}")
                if timer is None or timer.at > boot.gt:
                    continue
                self._timers.cancel(f"calendar {what} {name}")
                if what == "retry":
                    self._timers.set(f"calendar retry {name}", at=boot.gt + RETRY, cause=boot.id)
            memory.moving.clear()
            memory.stirred = boot.gt

    def began(self, turn: Turn, schedule: str) -> None:
        """The schedule's time has come."""
        for name, arming, memory in self._by(schedule):
            self._timers.cancel(f"calendar soon {name}")
            self._timers.cancel(f"calendar open {name}")
            if arming.late_to_close is not None:
                self._set(turn, "late", name, turn.gt + arming.late_to_close)
            if memory.state == "warning":
                continue
            if self._panel.mode(name) != "disarmed":
                self._keep(turn, name, memory)
            elif arming.auto and self._quiet(name, turn):
                self._warn(turn, name, until=turn.gt + arming.warn)
            else:
                self._wait(turn, name)

    def ended(self, turn: Turn, schedule: str) -> None:
        """The schedule's time is over. Nothing is disarmed by it."""
        for name, arming, memory in self._by(schedule):
            for what in _TIMERS:
                self._timers.cancel(f"calendar {what} {name}")
            if memory.state != "idle":
                self._move(turn, name, "end")
            if arming.late_to_open is not None and self._panel.mode(name) != "disarmed":
                self._set(turn, "open", name, turn.gt + arming.late_to_open)

    def look(self, turn: Turn, schedule: str) -> None:
        """The wall clock is new, or another one: what is still to come is timed anew."""
        wall = self._follower.wall(turn.gt)
        if wall is None:
            return
        begins = self._follower.begins(schedule)
        for name in self._of_schedule.get(schedule, ()):
            if name not in self._memory.armings:
                self._find(turn, name)
            arming, memory = self._armings[name], self._memory.armings[name]
            self._when_quiet(turn, name)
            if memory.state == "warning" and self._timers.get(f"calendar warned {name}") is None:
                self._warn(turn, name, until=turn.gt + arming.warn)  # it would have ended while the gateway was off
            if begins is None or not arming.auto:
                continue
            if memory.state == "warning" and begins - wall > arming.warn + TOLERANCE:
                self._postpone(turn, name, "withdraw", "clock")
            if memory.state in ("idle", "left"):
                self._set(turn, "soon", name, turn.gt + max(begins - wall - arming.warn, 0))

    def sense(self, turn: Turn, event: DeviceEvent) -> None:
        """Somebody may be there."""
        partitions = self._watched.get(event.device)
        if partitions is None or event.delivery == "late":
            return
        for name in partitions:
            memory = self._memory.armings.get(name)
            if memory is None:
                continue
            if event.delivery == "retained":
                self._sees(memory, event)  # how it is, not that somebody moved just now
                self._when_quiet(turn, name)
            elif condition(event) in ("active", "normal") or (
                isinstance(event, DeviceLost | CameraLost) and event.device in memory.moving
            ):
                self._stirred(turn, name, memory, event)

    def _sees(self, memory: ArmingMemory, event: DeviceEvent) -> None:
        if isinstance(event, MotionStarted):
            memory.moving.add(event.device)
        elif isinstance(event, MotionEnded | DeviceLost | CameraLost):  # who is lost tells no end of what it saw
            memory.moving.discard(event.device)

    def _stirred(self, turn: Turn, name: str, memory: ArmingMemory, event: DeviceEvent) -> None:
        memory.stirred = turn.gt
        self._sees(memory, event)
        if memory.state == "warning":
            in_time = self._follower.on(self._armings[name].schedule)
            self._postpone(turn, name, "stir" if in_time else "withdraw", "activity")
        self._when_quiet(turn, name)

    def hear(self, turn: Turn, fact: PartitionExiting | PartitionArmed | PartitionDisarmed) -> None:
        """The panel did something, at whoever's wish."""
        name = fact.partition
        arming, memory = self._armings.get(name), self._memory.armings.get(name)
        if arming is None or memory is None:
            return
        memory.exiting = isinstance(fact, PartitionExiting)
        if isinstance(fact, PartitionDisarmed):
            memory.stirred = turn.gt  # whoever did it is there
            self._timers.cancel(f"calendar open {name}")
            before_its_time = memory.state == "armed" and self._follower.on(arming.schedule)
            self._move(turn, name, "disarm")
            if before_its_time and arming.early_open:
                turn.make(ArmingLate, name, ordinal="open", what="early_open")
            self._when_quiet(turn, name)
            return
        self._move(turn, name, "arm" if isinstance(fact, PartitionArmed) else "exit")
        if memory.state in ("closing", "armed"):
            for what in ("soon", "warned", "quiet", "retry"):
                self._timers.cancel(f"calendar {what} {name}")
        if memory.state == "armed":
            self._timers.cancel(f"calendar late {name}")

    def lapse(self, turn: Turn, what: str, name: str) -> None:
        """A timer of ours ended."""
        arming, memory = self._armings.get(name), self._memory.armings.get(name)
        if arming is None or memory is None:
            return  # a changed site arms it by no schedule any more
        if what == "soon":
            self._announce(turn, name, arming)
        elif what == "warned":
            self._arm(turn, name, arming)
        elif what == "quiet" and memory.state in ("waiting", "left") and self._quiet(name, turn):
            self._warn(turn, name, until=turn.gt + arming.warn)
        elif what == "retry" and memory.state == "waiting":
            self._retry(turn, name, arming)
        elif what == "late" and self._panel.mode(name) == "disarmed":
            turn.make(ArmingLate, name, ordinal="close", what="late_to_close")
        elif what == "open" and self._panel.mode(name) != "disarmed":
            turn.make(ArmingLate, name, ordinal="still", what="late_to_open")

    # --- what follows ---

    def _by(self, schedule: str) -> Iterator[tuple[str, Arming, ArmingMemory]]:
        for name in self._of_schedule.get(schedule, ()):
            memory = self._memory.armings.get(name)
            if memory is not None:
                yield name, self._armings[name], memory

    def _find(self, turn: Turn, name: str) -> None:
        """The first look at a partition. If it falls into the schedule, that is how things are, and no reason to arm at
        once. Nobody knows who was there before: as if somebody had moved just now."""
        arming = self._armings[name]
        memory = self._memory.armings[name] = ArmingMemory(arming.schedule, stirred=turn.gt)
        if not self._follower.on(arming.schedule):
            return
        if self._panel.mode(name) != "disarmed":
            self._keep(turn, name, memory)
            return
        self._wait(turn, name)
        if arming.late_to_close is not None:
            self._set(turn, "late", name, turn.gt + arming.late_to_close)

    def _keep(self, turn: Turn, name: str, memory: ArmingMemory) -> None:
        """People armed it already, or are about to."""
        self._move(turn, name, "leave" if memory.exiting else "keep")
        if memory.state == "armed":
            self._timers.cancel(f"calendar late {name}")

    def _announce(self, turn: Turn, name: str, arming: Arming) -> None:
        """Shortly before the schedule begins."""
        wall = self._follower.wall(turn.gt)
        begins = self._follower.begins(arming.schedule)
        if wall is None or begins is None or self._panel.mode(name) != "disarmed":
            return
        if self._quiet(name, turn):
            self._warn(turn, name, until=turn.gt + max(begins - wall, arming.warn))
        else:
            turn.why(f"partition {name}", "arming is not announced: somebody moved there lately")

    def _warn(self, turn: Turn, name: str, *, until: int) -> None:
        arming = self._armings[name]
        self._move(turn, name, "due")
        if until <= turn.gt:
            self._arm(turn, name, arming)
            return
        self._set(turn, "warned", name, until)
        turn.make(
            ArmingDue, name, mode=arming.mode, until=until + (self._follower.wall(turn.gt) or turn.wall) - turn.gt
        )

    def _arm(self, turn: Turn, name: str, arming: Arming) -> None:
        refused = self._panel.arm(turn, name, arming.mode, by=f"schedule {arming.schedule}", force=arming.force)
        if refused is None:
            turn.why(f"partition {name}", "armed by schedule {}", arming.schedule)
            self._move(turn, name, "exit")  # the panel's own fact follows, and says whether there is an exit delay
            return
        turn.why(f"partition {name}", "not armed by schedule {}: {}", arming.schedule, refused)
        self._move(turn, name, "refuse")
        self._set(turn, "retry", name, turn.gt + RETRY)

    def _retry(self, turn: Turn, name: str, arming: Arming) -> None:
        reasons = [] if arming.force else self._panel.ready(name, arming.mode, gt=turn.gt)
        if reasons:
            turn.why(f"partition {name}", "still not ready: {}", "; ".join(reasons))
            self._set(turn, "retry", name, turn.gt + RETRY)
        elif self._quiet(name, turn):
            self._warn(turn, name, until=turn.gt + arming.warn)
        else:
            self._when_quiet(turn, name)

    def _wait(self, turn: Turn, name: str) -> None:
        self._move(turn, name, "wait")
        self._when_quiet(turn, name)

    def _when_quiet(self, turn: Turn, name: str) -> None:
        """Come back when nobody moved for long enough, if that is what is waited for."""
        arming, memory = self._armings[name], self._memory.armings[name]
        if arming.on_quiet is None or not arming.auto or memory.state not in ("waiting", "left"):
            return
        if memory.moving:
            self._timers.cancel(f"calendar quiet {name}")
        elif self._follower.on(arming.schedule):
            self._set(turn, "quiet", name, max(memory.stirred + arming.on_quiet, turn.gt))

    def _postpone(self, turn: Turn, name: str, event: str, reason: str) -> None:
        self._timers.cancel(f"calendar warned {name}")
        self._move(turn, name, event)
        turn.make(ArmingPostponed, name, ordinal=reason, mode=self._armings[name].mode, reason=reason)

    def _quiet(self, name: str, turn: Turn) -> bool:
        arming, memory = self._armings[name], self._memory.armings[name]
        if arming.on_quiet is None:
            return True
        return not memory.moving and turn.gt - memory.stirred >= arming.on_quiet

    def _move(self, turn: Turn, name: str, event: str) -> None:
        memory = self._memory.armings[name]
        after = LIFE[memory.state].get(event)
        if after is not None and after != memory.state:
            turn.why(f"partition {name}", "arming by schedule: {} -> {} ({})", memory.state, after, event)
            memory.state = after

    def _set(self, turn: Turn, what: str, name: str, at: int) -> None:
        self._timers.set(f"calendar {what} {name}", at=at, cause=turn.cause)
