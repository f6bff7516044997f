"""Inputs that settle: after a power loss sensors say odd things for a while, and what they said meanwhile is state.

Theory of operation. A start that was not orderly begins a time of settling for each partition. Until it ends, what
becomes active in an armed partition is held: normal again by then, it is told as ignored; still active, it is the
zone's alarm, found after restart, without an entry delay, for nobody saw when it happened. Hold-up, fire and CO are
never held. While something is held, another power loss does not begin the time anew. An orderly restart leaves inputs
as they were, and nothing settles.
"""

from __future__ import annotations

from rules.events import ZoneIgnored, ZoneTested
from rules.panel.alarms import Alarms
from rules.panel.parts import Means, PartitionPart, ZonePart
from rules.panel.zones import NEVER_WAIT
from rules.turn import Turn


class Settling:
    """Timers: `panel settled PARTITION`."""

    def __init__(self, *, means: Means, alarms: Alarms) -> None:
        self._timers = means.timers
        self._alarms = alarms

    def begin(self, turn: Turn, partition: PartitionPart) -> None:
        """Power came back."""
        if self.settles(partition) and any(zone.memory.found for zone in partition.zones):
            # Whoever can cut the power again and again would put off the alarm for ever.
            turn.why(partition.label, "power was lost again: what is held is held no longer for that")
        elif partition.spec.settle:
            self._timers.set(f"panel settled {partition.id}", at=turn.gt + partition.spec.settle, cause=turn.cause)
            turn.why(partition.label, "inputs settle")

    def settles(self, partition: PartitionPart) -> bool:
        """Whether they still do."""
        return self._timers.get(f"panel settled {partition.id}") is not None

    def holds(self, turn: Turn, zone: ZonePart, *, over: bool) -> bool:
        """Whether this zone, which would react now, is held until inputs have settled."""
        if over or zone.spec.type in NEVER_WAIT or not self.settles(zone.partition):
            return False
        zone.memory.found = True
        turn.why(zone.label, "active while inputs settle: held until they have")
        return True

    def over(self, turn: Turn, partition: PartitionPart) -> None:
        """They have: what is still active and counts is an alarm."""
        for zone in partition.zones:
            if not zone.memory.found:
                continue
            zone.memory.found = False
            if not zone.expected:
                turn.why(zone.label, "active when inputs had settled, and does not count now")
            elif zone.memory.testing is not None:
                turn.make(ZoneTested, zone.id, partition=partition.id)
            elif zone.left_out:
                turn.make(ZoneIgnored, zone.id, partition=partition.id, reason=zone.left_out)
            else:
                self._alarms.ring(turn, zone, found="after_restart")
