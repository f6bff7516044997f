"""What is wrong with a zone itself: tamper, its line, its battery, and whether it is there at all. Unavailable is
trouble, not intrusion.

Theory of operation. `device.lost`, a silence longer than the zone's supervision allows, a low battery, a mains failure
and a broken line of a fire, CO, water or technical zone are *troubles*: each begins and ends with a fact, opens a low
incident of the partition, and makes no noise. An opened case and a broken line of any other zone are *tamper*: an alarm
when the partition is armed, an incident when it is not. Any word of a device but `device.lost` is proof of life, unless
the broker kept it.
"""

from __future__ import annotations

from rules.events import (
    DeviceEvent,
    DeviceLost,
    ZoneIgnored,
    ZoneTampered,
    ZoneTroubled,
    ZoneUntampered,
    ZoneUntroubled,
)
from rules.panel.alarms import Alarms
from rules.panel.parts import Means, ZonePart
from rules.panel.report import Reports
from rules.panel.zones import LINE_IS_TROUBLE
from rules.turn import Turn

# {event kind: (trouble, whether it begins)}
_TOLD = {
    "battery.low": ("battery", True),
    "battery.restored": ("battery", False),
    "mains.lost": ("mains", True),
    "mains.restored": ("mains", False),
    "device.lost": ("lost", True),
    "camera.lost": ("lost", True),
    "device.restored": ("lost", False),
    "camera.restored": ("lost", False),
}
_REASONS = {"battery": "has a low battery", "mains": "has no mains supply", "lost": "is lost"}


class Troubles:
    """Timers: `panel silent ZONE` (its supervision window ends)."""

    def __init__(self, *, means: Means, alarms: Alarms, reports: Reports) -> None:
        self._timers = means.timers
        self._alarms = alarms
        self._reports = reports

    def alive(self, turn: Turn, zone: ZonePart, event: DeviceEvent) -> None:
        """Its device was heard, if what was heard proves it."""
        if (
            zone.spec.supervision is None
            or event.delivery == "retained"
            or event.kind in ("device.lost", "camera.lost")
        ):
            return
        memory = zone.memory
        memory.heard, memory.heard_in = turn.gt, event.id
        if "silent" in memory.troubles:
            self._end(turn, zone, "silent")
        if self._timers.get(f"panel silent {zone.id}") is None:
            self._watch(turn, zone)

    def window(self, turn: Turn, zone: ZonePart) -> None:
        """Armed or disarmed, another window holds."""
        memory = zone.memory
        if zone.spec.supervision is not None and memory.heard is not None and "silent" not in memory.troubles:
            self._watch(turn, zone)

    def silent(self, turn: Turn, zone: ZonePart) -> None:
        """The window ended, if nothing was heard in it."""
        if zone.spec.supervision is None or zone.memory.heard is None:
            return  # the document says so since it began
        if zone.memory.heard + self._length(zone) > turn.gt:
            self._watch(turn, zone)
            return
        self._begin(turn, zone, "silent", "was not heard of for longer than it may be silent")

    def expect(self, turn: Turn, zone: ZonePart) -> None:
        """The gateway is there and listens: a device that never says a word is missed from now on."""
        if zone.spec.supervision is not None and zone.memory.heard is None:
            zone.memory.heard, zone.memory.heard_in = turn.gt, turn.cause
            self._watch(turn, zone)

    def started(self, zone: ZonePart, *, gt: int) -> None:
        """Nobody could hear it while the gateway was off: its window begins anew."""
        memory = zone.memory
        if zone.spec.supervision is not None and memory.heard is not None:
            memory.heard = gt
            timer = self._timers.get(f"panel silent {zone.id}")
            if timer is not None:
                self._timers.set(f"panel silent {zone.id}", at=gt + self._length(zone), cause=timer.cause)

    def hear(self, turn: Turn, zone: ZonePart, event: DeviceEvent) -> None:
        """Its device told something beside its state."""
        if event.kind == "tamper.opened":
            self._case(turn, zone, "open", event)
        elif event.kind == "tamper.closed":
            self._case(turn, zone, "closed", event)
        elif event.kind in _TOLD and event.delivery != "late":
            trouble, begins = _TOLD[event.kind]
            if begins:
                more = f": {event.reason}" if isinstance(event, DeviceLost) else ""
                self._begin(turn, zone, trouble, _REASONS[trouble] + more)
            else:
                self._end(turn, zone, trouble)

    def line(self, turn: Turn, zone: ZonePart, state: str) -> None:
        """Its line is short or open."""
        zone.memory.line = state
        if zone.spec.type in LINE_IS_TROUBLE:
            self._begin(turn, zone, "line", f"has a line that is {state}")
        else:
            self._tampered(turn, zone, f"line {state}")

    def line_was(self, turn: Turn, zone: ZonePart, state: str) -> None:
        """Its line was short or open for a moment, as an overtaken message says."""
        memory = zone.memory
        quiet = memory.tampered or memory.testing is not None or memory.isolated is not None or memory.shut
        if zone.spec.type not in LINE_IS_TROUBLE and not quiet:
            self._alarms.tamper(turn, zone, reason=f"line {state}", event=turn.cause)

    def line_whole(self, turn: Turn, zone: ZonePart) -> None:
        """Its line is neither short nor open any more."""
        if zone.memory.line:
            zone.memory.line = ""
            self._end(turn, zone, "line")
            self._untampered(turn, zone)

    def _case(self, turn: Turn, zone: ZonePart, case: str, event: DeviceEvent) -> None:
        memory = zone.memory
        if event.delivery == "late":
            turn.why(zone.label, "its case was {}, as an overtaken message says", case)
            if case == "open" and memory.case != "open":
                self._alarms.tamper(turn, zone, reason="case opened", event=turn.cause)
            return
        known, memory.case = memory.case, case
        if known == case:
            return
        if case == "closed":
            self._untampered(turn, zone)
        elif known is None and event.delivery == "retained":
            memory.tampered = True
            turn.why(zone.label, "its case is open, and nothing was known of it: not ready")
            turn.make(ZoneIgnored, zone.id, partition=zone.partition.id, reason="case open, nothing known before")
        else:
            self._tampered(turn, zone, "case opened")

    def _tampered(self, turn: Turn, zone: ZonePart, reason: str) -> None:
        memory = zone.memory
        first, memory.tampered = not memory.tampered, True
        if not first:
            turn.why(zone.label, "tampered again: {}", reason)
            return
        fact = turn.make(ZoneTampered, zone.id, partition=zone.partition.id, reason=reason)
        why = "on test" if memory.testing else "isolated" if memory.isolated else "shut down" if memory.shut else ""
        if why:
            turn.why(zone.label, "tampered ({}), {}: nobody is told", reason, why)
            return
        self._alarms.tamper(turn, zone, reason=reason, event=fact.id)

    def _untampered(self, turn: Turn, zone: ZonePart) -> None:
        memory = zone.memory
        if memory.tampered and memory.case != "open" and not memory.line:
            memory.tampered = False
            fact = turn.make(ZoneUntampered, zone.id, partition=zone.partition.id)
            self._reports.restored(turn, zone, "tamper", f"{zone.title} is whole again", fact.id)

    def _begin(self, turn: Turn, zone: ZonePart, trouble: str, reason: str) -> None:
        memory = zone.memory
        if trouble in memory.troubles:
            turn.why(zone.label, "the same trouble again: {}", trouble)
            return
        memory.troubles[trouble] = reason
        fact = turn.make(
            ZoneTroubled, zone.id, ordinal=trouble, partition=zone.partition.id, trouble=trouble, reason=reason
        )
        if memory.testing is not None or memory.isolated is not None:
            turn.why(zone.label, "trouble ({}) while on test or isolated: nobody is told", trouble)
            return
        self._reports.tell(turn, zone.partition, self._reports.of_zone(zone, "trouble", f" {reason}", fact.id))

    def _end(self, turn: Turn, zone: ZonePart, trouble: str) -> None:
        if zone.memory.troubles.pop(trouble, None) is not None:
            fact = turn.make(ZoneUntroubled, zone.id, ordinal=trouble, partition=zone.partition.id, trouble=trouble)
            self._reports.restored(turn, zone, "trouble", f"{zone.title}: {trouble} is over", fact.id)

    def _watch(self, turn: Turn, zone: ZonePart) -> None:
        heard = zone.memory.heard
        assert heard is not None
        at = max(turn.gt, heard + self._length(zone))
        self._timers.set(f"panel silent {zone.id}", at=at, cause=zone.memory.heard_in or turn.cause)

    def _length(self, zone: ZonePart) -> int:
        assert zone.spec.supervision is not None
        return zone.spec.supervision.armed if zone.partition.is_on else zone.spec.supervision.disarmed
