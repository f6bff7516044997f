"""Wall time at work: what schedules begin and end, arming by schedule, and what is late."""

from __future__ import annotations

from rules.calendar.arming import Armings
from rules.calendar.follow import Edge, Follower
from rules.calendar.listened import listened
from rules.calendar.memory import CalendarMemory
from rules.document.site import Site
from rules.events import (
    Boot,
    ClockStepped,
    DeviceEvent,
    Event,
    MadeEvent,
    PartitionArmed,
    PartitionDisarmed,
    PartitionExiting,
    ScheduleEnded,
    ScheduleStarted,
)
from rules.machine import Machine
from rules.panel.panel import Panel
from rules.timers import Timers
from rules.turn import Turn


class Calendar(Machine):
    """Turns the edges of timetables into timers on gateway time, `calendar WHAT SUBJECT`, and sets them anew when the
    wall clock is another one. Schedules nobody listens to cost nothing."""

    def __init__(self, *, site: Site, memory: CalendarMemory, timers: Timers, panel: Panel) -> None:
        told = listened(site)
        arming = {each.arming.schedule for each in site.partitions if each.arming is not None}
        names = [name for name in site.schedules if name in told or name in arming]
        self._told = told
        self._follower = Follower(
            timetables=site.timetables() if names else {}, names=names, memory=memory, timers=timers
        )
        self._armings = Armings(site=site, memory=memory, timers=timers, follower=self._follower, panel=panel)
        self._busy = bool(names)

    def starting(self, boot: Boot) -> None:
        """The gateway starts; called before what was due meanwhile is decided."""
        self._follower.starting(boot.gt)
        self._armings.starting(boot)

    def tick(self, turn: Turn, fact: Event) -> None:
        """The wall clock is new, or another one than ours (nobody need have told us): set every timer by it."""
        if self._busy and (self._follower.believe(fact.wall, fact.gt) or isinstance(fact, Boot | ClockStepped)):
            for schedule in self._follower.names():
                self._follow(turn, schedule)

    def sense(self, turn: Turn, event: DeviceEvent) -> None:
        """A device told something."""
        self._armings.sense(turn, event)

    def hear(self, turn: Turn, fact: MadeEvent) -> None:
        """The panel made something known."""
        if isinstance(fact, PartitionExiting | PartitionArmed | PartitionDisarmed):
            self._armings.hear(turn, fact)

    def lapse(self, turn: Turn, what: str, subject: str) -> None:
        """A timer of ours ended."""
        if what != "edge":
            self._armings.lapse(turn, what, subject)
        elif subject in self._follower.names():
            self._follow(turn, subject)

    def _follow(self, turn: Turn, schedule: str) -> None:
        edges = self._follower.look(schedule, gt=turn.gt, cause=turn.cause)
        for edge in edges:
            self._cross(turn, edge, over=edge is not edges[-1])
        self._armings.look(turn, schedule)

    def _cross(self, turn: Turn, edge: Edge, *, over: bool) -> None:
        """Tell of an edge; `over`: the next one has been passed as well."""
        name = edge.schedule
        turn.why(f"schedule {name}", "{}{}", "began" if edge.on else "ended", ", found late" if edge.late else "")
        if name in self._told:
            turn.make(ScheduleStarted if edge.on else ScheduleEnded, name, since=edge.at, late=edge.late)
        if not edge.on:
            self._armings.ended(turn, name)
        elif not over:
            self._armings.began(turn, name)
