"""Schedules as they are followed: what each says now, since when, and what changed since somebody last looked.

Theory of operation. Of each schedule that somebody listens to, the calendar remembers what it said and since which edge
(wall time). Whoever looks compares: a later edge has been passed, and is told, however late. When edges passed unseen
and the schedule says again what it said, the last two are told, end and beginning, so that no night is lost. When the
clock was set back before the edge that was told last, by up to three hours, that edge is not undone and does not come
twice: the schedule stands still until the clock is there again. A clock set back further was wrong before; what it says
now counts.

A clock that shows a time before this program was written is broken, not set back (a gateway without battery begins in
1970): the calendar then goes on by gateway time, from the last wall time it believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from rules.calendar.memory import CalendarMemory, Followed
from rules.timers import Timers
from rules.timetable import Timetable
from rules.units import HOUR, SECOND

STANDS_STILL = 3 * HOUR
# 1 January 2024.
BELIEVED = 1_704_067_200 * SECOND
# The wall clock is kept right by small steps and the boot-time clock is not: below this it is the same clock.
TOLERANCE = SECOND


class Edge(NamedTuple):
    """A schedule began (`on`) or ended at wall time `at`; `late` when that was found out afterwards."""

    schedule: str
    on: bool
    at: int
    late: bool


class Follower:
    """Follows the schedules of `timetables` that are in `names`. Their next edges are timers `calendar edge NAME`."""

    def __init__(
        self, *, timetables: Mapping[str, Timetable], names: Iterable[str], memory: CalendarMemory, timers: Timers
    ) -> None:
        self._timetables = {name: timetables[name] for name in names}
        self._memory = memory
        self._timers = timers

    def believe(self, wall: int, gt: int) -> bool:
        """Take the wall clock as it is, if it can be believed. Whether it is another one than before."""
        memory = self._memory
        offset = wall - gt
        if wall < BELIEVED or (memory.offset is not None and abs(offset - memory.offset) <= TOLERANCE):
            return False
        memory.offset = offset
        return True

    def wall(self, gt: int) -> int | None:
        """Wall time at a gateway time, by the clock that was believed last; None before there was one."""
        return None if self._memory.offset is None else gt + self._memory.offset

    def on(self, schedule: str) -> bool:
        """Whether it is on as it was told."""
        followed = self._memory.followed.get(schedule)
        return followed is not None and followed.on

    def begins(self, schedule: str) -> int | None:
        """When a schedule that is off begins, wall µs."""
        followed = self._memory.followed.get(schedule)
        return None if followed is None or followed.on else followed.until

    def names(self) -> list[str]:
        """All that are followed, in the order of the document."""
        return list(self._timetables)

    def starting(self, gt: int) -> None:
        """The gateway starts at this gateway time: what passed while it was off is found by looking."""
        for name in self._timetables:
            timer = self._timers.get(f"calendar edge {name}")
            if timer is not None and timer.at <= gt:
                self._timers.cancel(f"calendar edge {name}")

    def look(self, schedule: str, *, gt: int, cause: str) -> list[Edge]:
        """What changed by now. The first look changes nothing: what one finds is no edge."""
        wall = self.wall(gt)
        if wall is None:
            return []
        before = self._memory.followed.get(schedule)
        edges, now = self._compare(schedule, before, wall)
        self._memory.followed[schedule] = now
        key = f"calendar edge {schedule}"
        if now.until is None:
            self._timers.cancel(key)
        else:
            self._timers.set(key, at=gt + now.until - wall, cause=cause)
        return edges

    def _compare(self, schedule: str, before: Followed | None, wall: int) -> tuple[list[Edge], Followed]:
        set_back = before is not None and before.since is not None and wall < before.since
        if before is not None and before.since is not None and wall < before.since <= wall + STANDS_STILL:
            return [], before
        if before is not None and not set_back and (before.until is None or wall < before.until):
            return [], before
        table = self._timetables[schedule]
        found = table.period(wall)
        now = Followed(found.on, found.since, found.until)
        if before is None:
            return [], now
        last = Edge(schedule, now.on, wall if now.since is None else now.since, True)
        last = last._replace(late=wall - last.at > TOLERANCE)
        if now.on != before.on:
            return [last], now
        if set_back or before.since is None or now.since is None or now.since <= before.since:
            return [], now
        missed = table.period(now.since - 1).since
        return [Edge(schedule, not now.on, now.since if missed is None else missed, True), last], now
