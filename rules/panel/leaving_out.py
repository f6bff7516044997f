"""Zones that do not count for a while: bypassed until the next disarming, isolated until ended or a moment, on test
until a moment. Each with who and why.

`until` is wall time, because a person says it and reads it. What ends it is a timer on gateway time, set when it was
said: a wall clock that steps neither prolongs nor ends what lowers protection. After a start with an unknown time off a
test is over, for nobody attends it any more, and an isolation runs as long again as it had left.
"""

from __future__ import annotations

from collections.abc import Callable

from rules.events import (
    ZoneBypassed,
    ZoneIgnored,
    ZoneIsolated,
    ZoneOffTest,
    ZoneOnTest,
    ZoneUnbypassed,
    ZoneUnisolated,
)
from rules.panel.memory import LeftOut
from rules.panel.parts import Means, PartitionPart, ZonePart
from rules.turn import Turn
from rules.units import DAY

LONGEST_TEST = DAY
EXPIRED = "its time was over"


class LeavingOut:
    """Timers: `panel isolated ZONE`, `panel testing ZONE`. `ring` is told of a zone that reacts in every state and is
    active when it counts again, `tamper` of one whose case or line is open then, and why."""

    def __init__(
        self, *, means: Means, ring: Callable[[Turn, ZonePart], None], tamper: Callable[[Turn, ZonePart, str], None]
    ) -> None:
        self._timers = means.timers
        self._ring = ring
        self._tamper = tamper

    def bypass(self, turn: Turn, zone: ZonePart, *, by: str, reason: str) -> str | None:
        """Leave it out until its partition is disarmed next."""
        if not zone.spec.may_be_bypassed:
            return f"{zone.title} is a {zone.spec.type} zone that is not bypassed; isolate it if you must"
        if zone.memory.bypassed is None:
            zone.memory.bypassed = LeftOut(by, reason)
            turn.make(ZoneBypassed, zone.id, partition=zone.partition.id, by=by, reason=reason)
        return None

    def unbypass(self, turn: Turn, zone: ZonePart, *, by: str) -> str | None:
        """It counts again."""
        if zone.memory.bypassed is None:
            return f"{zone.title} is not bypassed"
        zone.memory.bypassed = None
        turn.make(ZoneUnbypassed, zone.id, partition=zone.partition.id, by=by)
        self._counts_again(turn, zone, "its bypass")
        return None

    def isolate(self, turn: Turn, zone: ZonePart, *, by: str, reason: str, until: int | None) -> str | None:
        """Leave it out until somebody ends it, or until wall time `until` (µs)."""
        if until is not None and until <= turn.wall:
            return "that moment is over already"
        self._timers.cancel(f"panel isolated {zone.id}")
        zone.memory.isolated = LeftOut(by, reason, until)
        if until is not None:
            self._timers.set(f"panel isolated {zone.id}", at=turn.gt + until - turn.wall, cause=turn.cause)
        turn.make(ZoneIsolated, zone.id, partition=zone.partition.id, by=by, reason=reason, until=until)
        return None

    def unisolate(self, turn: Turn, zone: ZonePart, *, by: str) -> str | None:
        """It counts again."""
        if zone.memory.isolated is None:
            return f"{zone.title} is not isolated"
        self._timers.cancel(f"panel isolated {zone.id}")
        zone.memory.isolated = None
        turn.make(ZoneUnisolated, zone.id, partition=zone.partition.id, by=by)
        self._whole(turn, zone, "its isolation")
        self._counts_again(turn, zone, "its isolation")
        return None

    def test(self, turn: Turn, zones: list[ZonePart], *, by: str, until: int) -> str | None:
        """What these see until wall time `until` (µs) is logged as a test and told to nobody."""
        if until <= turn.wall:
            return "that moment is over already"
        if until - turn.wall > LONGEST_TEST:
            return "a test lasts a day at most"
        for zone in zones:
            zone.memory.testing = LeftOut(by, "test", until)
            self._timers.set(f"panel testing {zone.id}", at=turn.gt + until - turn.wall, cause=turn.cause)
            turn.make(ZoneOnTest, zone.id, partition=zone.partition.id, by=by, until=until)
        return None

    def end_test(self, turn: Turn, zones: list[ZonePart], *, by: str) -> str | None:
        """They count again."""
        tested = [zone for zone in zones if zone.memory.testing is not None]
        if not tested:
            return "nothing of it is on test"
        for zone in tested:
            self._timers.cancel(f"panel testing {zone.id}")
            zone.memory.testing = None
            turn.make(ZoneOffTest, zone.id, partition=zone.partition.id, by=by)
            self._whole(turn, zone, "its test")
            self._counts_again(turn, zone, "its test")
        return None

    def disarmed(self, turn: Turn, partition: PartitionPart, *, by: str) -> None:
        """Bypasses end with the arming they were made for."""
        for zone in partition.zones:
            if zone.memory.bypassed is not None:
                self.unbypass(turn, zone, by=by)

    def _whole(self, turn: Turn, zone: ZonePart, what: str) -> None:
        """A case or line that was opened meanwhile was told to nobody; a bypass does not cover them."""
        memory = zone.memory
        if memory.tampered and memory.isolated is None and memory.testing is None:
            self._tamper(turn, zone, f"tampered when {what} ended")

    def _counts_again(self, turn: Turn, zone: ZonePart, what: str) -> None:
        """Active at that moment: what may not wait rings now; any other zone counts from its next activity, for a
        window that was open all night is no news at two in the morning."""
        if zone.memory.condition != "active" or not zone.expected or zone.left_out or zone.memory.testing is not None:
            return
        if not zone.by_mode and zone.spec.type != "key_switch":
            self._ring(turn, zone)
            return
        reason = f"{zone.noun} already when {what} ended"
        turn.why(zone.label, "{}", reason)
        turn.make(ZoneIgnored, zone.id, ordinal=what, partition=zone.partition.id, reason=reason)
