"""What an input means: from a device's word to the answer of its zones.

Theory of operation. A device's word becomes the condition of its zones (normal, active, short, open). What changed
decides: a broken line goes to `troubles`, an input that is normal again restores, and one that is active is answered by
`RESPONSES`. On its way to that answer stand, in this order: nothing known of the zone before (not ready, never an
alarm), a test (it is logged as one), being left out (told as ignored), and inputs that settle after a power loss (held
until then). Nothing active is dropped without a line in the trace, and nothing on which somebody relied without
`zone.ignored`.
"""

from __future__ import annotations

from typing import Literal

from rules.events import DeviceEvent, ZoneIgnored, ZoneTested
from rules.inputs import Condition
from rules.panel.alarms import Alarms
from rules.panel.crossing import Crossing
from rules.panel.parts import ZonePart
from rules.panel.passage import Passage
from rules.panel.setting import Setting
from rules.panel.settling import Settling
from rules.panel.troubles import Troubles
from rules.panel.zones import EVERY_STATE
from rules.turn import Turn

Found = Literal["live", "after_restart"]
NEVER_HEARD = "nothing was known of it before"


class Answering:
    """Decides what follows from a zone's new condition; others do it."""

    def __init__(
        self,
        *,
        alarms: Alarms,
        crossing: Crossing,
        passage: Passage,
        setting: Setting,
        settling: Settling,
        troubles: Troubles,
    ) -> None:
        self._alarms = alarms
        self._crossing = crossing
        self._passage = passage
        self._setting = setting
        self._settling = settling
        self._troubles = troubles

    def changed(self, turn: Turn, zone: ZonePart, now: Condition, event: DeviceEvent) -> None:
        """Its device says what it is now."""
        memory = zone.memory
        before, first = memory.condition, memory.fresh
        memory.fresh = False
        # A button has no memory: each press counts, also one that came again because nobody had taken it.
        pressed = event.kind == "button.pressed" and event.delivery in ("live", "redelivered")
        if now == before and not pressed:
            return
        memory.condition = now
        if before in ("short", "open") and now not in ("short", "open"):
            self._troubles.line_whole(turn, zone)
        if now in ("short", "open"):
            self._troubles.line(turn, zone, now)
        elif now == "normal":
            self._normal(turn, zone, event)
        elif before is None and not (event.delivery == "live" and zone.spec.type in EVERY_STATE):
            self._ignored(turn, zone, NEVER_HEARD)
        else:
            retained = event.delivery == "retained"
            found: Found = "after_restart" if first or retained else "live"
            self._active(turn, zone, event, found=found, straight=retained)

    def late(self, turn: Turn, zone: ZonePart, now: Condition, event: DeviceEvent) -> None:
        """Overtaken by a newer word: it may raise an alarm, and is not what the zone is now."""
        turn.why(zone.label, "was {}, as an overtaken message says", now)
        if now in ("short", "open"):
            self._troubles.line_was(turn, zone, now)
        elif now == "active" and zone.memory.condition is None and zone.by_mode:
            self._ignored(turn, zone, NEVER_HEARD)
        elif now == "active":
            self._active(turn, zone, event, found="live", over=True)

    def _normal(self, turn: Turn, zone: ZonePart, event: DeviceEvent) -> None:
        memory, partition = zone.memory, zone.partition
        if memory.found:
            memory.found = False
            self._ignored(turn, zone, "active only while inputs settled after a power loss")
        if memory.alarmed:
            self._alarms.restored(turn, zone)
        if zone.response == "leave":
            partition.memory.left += 1
        elif zone.response == "switch" and not zone.spec.is_momentary:
            self._switch(turn, zone, event, on=False)

    def _active(
        self,
        turn: Turn,
        zone: ZonePart,
        event: DeviceEvent,
        *,
        found: Found,
        straight: bool = False,
        over: bool = False,
    ) -> None:
        """Answer. `straight`: nobody saw it happen, so it is too late for an entry delay. `over`: normal by now."""
        response = zone.response
        if zone.memory.testing is not None:
            turn.why(zone.label, "active, on test by {}", zone.memory.testing.by)
            turn.make(ZoneTested, zone.id, partition=zone.partition.id)
            return
        if response in ("rest", "pass"):
            turn.why(zone.label, "active: {}", "does not count now" if response == "rest" else "somebody leaves")
            return
        left_out = zone.left_out
        if left_out:
            self._ignored(turn, zone, left_out)
        elif response == "switch":
            self._switch(turn, zone, event, on=True)
        elif response == "leave":
            self._passage.way_out(turn, zone)
        elif self._settling.holds(turn, zone, over=over):
            return
        elif response == "alarm" or straight:
            for each in self._crossing.tripped(turn, zone):
                self._alarms.ring(turn, each, found=found, over=over or each is not zone)
        elif response == "enter" or zone.spec.type == "entry_exit":
            self._passage.come_in(turn, zone, over=over)
        else:
            self._passage.go_on(turn, zone)

    def _ignored(self, turn: Turn, zone: ZonePart, reason: str) -> None:
        turn.why(zone.label, "active, and does not count: {}", reason)
        if zone.expected:
            turn.make(ZoneIgnored, zone.id, partition=zone.partition.id, reason=reason)

    def _switch(self, turn: Turn, zone: ZonePart, event: DeviceEvent, *, on: bool) -> None:
        """A key switch was turned: only where somebody certainly turned it just now."""
        partition = zone.partition
        if event.delivery != "live" or self._settling.settles(partition):
            why = "inputs settle" if event.delivery == "live" else f"its message is {event.delivery}"
            self._ignored(turn, zone, f"a key is not turned by state: {why}")
            return
        turn.why(zone.label, "turned")
        if partition.is_on and (zone.spec.is_momentary or not on):
            self._setting.disarm(turn, partition, by=zone.title)
        elif on and not partition.is_on:
            self._setting.arm(turn, partition, zone.spec.arms or "away", by=zone.title)
