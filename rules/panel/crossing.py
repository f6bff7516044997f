"""Cross-zone: alarm only when n of m zones were active within a time. What nobody confirms is told as ignored, never
swallowed; what somebody confirms rings with the one that confirmed it, first come, first rung."""

from __future__ import annotations

from rules.document.panel import Cross
from rules.events import ZoneIgnored
from rules.panel.parts import Means, ZonePart
from rules.panel.readiness import BLINDING
from rules.turn import Turn


class Crossing:
    """Timers: `panel cross ZONE` (it waits to be confirmed until then)."""

    def __init__(self, *, means: Means) -> None:
        self._timers = means.timers

    def tripped(self, turn: Turn, zone: ZonePart) -> list[ZonePart]:
        """This zone would ring now: those that do ring, in the order in which they were active."""
        cross = zone.spec.cross
        if not zone.confirms:
            return [zone]
        zone.memory.tripped = turn.gt
        ringing = [each for each in zone.confirms if self._confirmed(each, zone, turn.gt)]
        if cross is None:
            ringing.append(zone)
        elif zone not in ringing:
            needed = _needed(zone, cross)
            turn.why(zone.label, "{} of {} zones: not confirmed yet", _count(zone, cross, turn.gt), needed)
            self._timers.set(f"panel cross {zone.id}", at=turn.gt + cross.within, cause=turn.cause)
        for each in ringing:
            self._timers.cancel(f"panel cross {each.id}")
        return sorted(ringing, key=lambda each: each.memory.tripped or 0)

    def unconfirmed(self, turn: Turn, zone: ZonePart) -> None:
        """Its time is over and nobody confirmed it."""
        if zone.memory.condition != "active":
            zone.memory.tripped = None
        turn.why(zone.label, "not confirmed in time")
        turn.make(
            ZoneIgnored, zone.id, partition=zone.partition.id, reason="no other zone confirmed it in time (cross-zone)"
        )

    def forget(self, zone: ZonePart) -> None:
        """It waits for nobody and confirms nobody."""
        self._timers.cancel(f"panel cross {zone.id}")
        zone.memory.tripped = None

    def _confirmed(self, waiting: ZonePart, zone: ZonePart, gt: int) -> bool:
        """Whether `waiting`, which this zone helps to confirm or is, has enough of them now."""
        cross = waiting.spec.cross
        if cross is None or (waiting is not zone and self._timers.get(f"panel cross {waiting.id}") is None):
            return False
        return _count(waiting, cross, gt) >= _needed(waiting, cross)


def _count(zone: ZonePart, cross: Cross, gt: int) -> int:
    """How many of the group were active within the time, or are so since."""
    return sum(
        1
        for each in zone.group
        if each.memory.tripped is not None
        and (gt - each.memory.tripped < cross.within or (each.memory.condition == "active" and _serves(each)))
    )


def _needed(zone: ZonePart, cross: Cross) -> int:
    """How many it takes: a zone never waits for others that cannot confirm it."""
    return max(1, min(cross.count, sum(1 for each in zone.group if each is zone or _serves(each))))


def _serves(zone: ZonePart) -> bool:
    """Whether its being active would be noticed now."""
    memory = zone.memory
    counts = not zone.by_mode or zone.partition.memory.mode in zone.modes
    blind = memory.condition not in ("normal", "active") or any(each in memory.troubles for each in BLINDING)
    return counts and not blind and not zone.left_out and memory.testing is None
