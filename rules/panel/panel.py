"""The alarm panel: what inputs, codes and time mean for partitions and zones. This file puts its parts together."""

from __future__ import annotations

from typing import Any, Literal

from rules.casebook import Casebook
from rules.document.site import Site
from rules.events import Boot, DeviceEvent, Mode
from rules.inputs import condition
from rules.machine import Machine
from rules.outputs import Outputs
from rules.panel.alarms import Alarms
from rules.panel.answering import Answering
from rules.panel.crossing import Crossing
from rules.panel.leaving_out import EXPIRED, LeavingOut
from rules.panel.memory import PanelMemory
from rules.panel.parts import Means, PartitionPart, ZonePart, parts
from rules.panel.passage import Passage
from rules.panel.report import Reports
from rules.panel.setting import Setting
from rules.panel.settling import Settling
from rules.panel.troubles import Troubles
from rules.panel.view import view
from rules.timers import Timers
from rules.turn import Turn

_NOTHING: list[ZonePart] = []


class Panel(Machine):
    """All partitions of a site. Timer keys are `panel WHAT SUBJECT`."""

    def __init__(
        self, *, site: Site, memory: PanelMemory, timers: Timers, outputs: Outputs, casebook: Casebook
    ) -> None:
        means = Means(place=site.site, timers=timers, outputs=outputs, casebook=casebook)
        self._timers = timers
        self._partitions, self._zones = parts(site, memory)
        self._by_device: dict[str, list[ZonePart]] = {}
        for zone in self._zones.values():
            self._by_device.setdefault(zone.spec.device, []).append(zone)
        reports = Reports(means=means, names={device.id: device.title for device in site.devices})
        self._alarms = Alarms(means=means, reports=reports, partitions=self._partitions)
        self._passage = Passage(means=means, alarms=self._alarms, zones=self._zones)
        self._troubles = Troubles(means=means, alarms=self._alarms, reports=reports)
        self._leaving = LeavingOut(means=means, ring=self._alarms.ring, tamper=self._alarms.found_tampered)
        self._crossing = Crossing(means=means)
        self._settling = Settling(means=means, alarms=self._alarms)
        self._setting = Setting(
            alarms=self._alarms,
            crossing=self._crossing,
            leaving=self._leaving,
            passage=self._passage,
            troubles=self._troubles,
        )
        self._answering = Answering(
            alarms=self._alarms,
            crossing=self._crossing,
            passage=self._passage,
            setting=self._setting,
            settling=self._settling,
            troubles=self._troubles,
        )

    # --- what happens ---

    def sense(self, turn: Turn, event: DeviceEvent) -> None:
        """A device told something."""
        zones = self._by_device.get(event.device)
        if zones is None:
            return
        now = condition(event)
        for zone in zones:
            self._troubles.alive(turn, zone, event)
            if now is None:
                self._troubles.hear(turn, zone, event)
            elif event.delivery == "late":
                self._answering.late(turn, zone, now, event)
            else:
                self._answering.changed(turn, zone, now, event)

    def lapse(self, turn: Turn, what: str, subject: str) -> None:
        """A timer of ours ended."""
        partition, zone = self._partitions.get(subject), self._zones.get(subject)
        if partition is not None:
            if what == "exit":
                self._passage.exit_over(turn, partition)
                self._setting.owner_armed(turn, partition)
            elif what == "entry":
                self._passage.entry_over(turn, partition)
            elif what == "abort":
                self._alarms.confirm(turn, partition)
            elif what == "cutoff":
                self._alarms.cut_off(turn, partition)
            elif what == "settled":
                self._settling.over(turn, partition)
        elif zone is not None:
            if what == "cross":
                self._crossing.unconfirmed(turn, zone)
            elif what == "silent":
                self._troubles.silent(turn, zone)
            elif what == "isolated":
                self._leaving.unisolate(turn, zone, by=EXPIRED)
            elif what == "testing":
                self._leaving.end_test(turn, [zone], by=EXPIRED)

    def starting(self, boot: Boot) -> None:
        """Before anything that was due while the gateway was off: nobody could be heard meanwhile."""
        for zone in self._zones.values():
            self._troubles.started(zone, gt=boot.gt)

    def boot(self, turn: Turn, boot: Boot) -> None:
        """The gateway started; what was due while it was off has ended already, if the time off is known. If it is not,
        nobody is given more time than they had: delays and abort windows are over."""
        for zone in self._zones.values():
            zone.memory.fresh = True
            self._troubles.expect(turn, zone)
        for partition in self._partitions.values():
            if not boot.clean:
                self._settling.begin(turn, partition)
            if boot.off_time is None:
                self._unknown_off(turn, partition)

    # --- what people, timetables and rules want ---

    def mode(self, partition: str) -> str:
        """ "disarmed", or the mode the partition is armed in or leaves for."""
        part = self._partitions.get(partition)
        return "disarmed" if part is None or not part.is_on else part.memory.mode

    def state(self, partition: str) -> str:
        """disarmed, exiting, armed or entering."""
        part = self._partitions.get(partition)
        return "disarmed" if part is None else part.memory.state

    def ready(self, partition: str, mode: Mode, *, gt: int) -> list[str]:
        """Why the partition cannot be armed in this mode now, each a sentence; empty when it can."""
        part = self._partitions.get(partition)
        return [_no_partition(partition)] if part is None else self._setting.ready(part, mode, gt=gt)

    def arm(self, turn: Turn, partition: str, mode: Mode, *, by: str, force: bool = False) -> str | None:
        """Begin to arm. None when it does, else the sentence that says why not. `force` leaves out what is not
        ready, where that may be left out."""
        part = self._partitions.get(partition)
        return _no_partition(partition) if part is None else self._setting.arm(turn, part, mode, by=by, force=force)

    def disarm(self, turn: Turn, partition: str, *, by: str) -> str | None:
        """Disarm now; None, or why not. A partition that is disarmed has its sirens silenced and its alarm aborted."""
        part = self._partitions.get(partition)
        if part is None:
            return _no_partition(partition)
        self._setting.disarm(turn, part, by=by)
        return None

    def silence(self, turn: Turn, partition: str, *, by: str) -> str | None:
        """Stop the partition's sirens."""
        part = self._partitions.get(partition)
        return _no_partition(partition) if part is None else self._alarms.silence(turn, part, by=by)

    def clear(self, turn: Turn, partition: str, *, by: str) -> str | None:
        """Wipe the alarm memory; a fire that is out is reset."""
        part = self._partitions.get(partition)
        return _no_partition(partition) if part is None else self._alarms.clear(turn, part, by=by)

    def bypass(self, turn: Turn, zone: str, *, by: str, reason: str) -> str | None:
        """Leave a zone out until its partition is disarmed next."""
        part = self._zones.get(zone)
        return _no_zone(zone) if part is None else self._leaving.bypass(turn, part, by=by, reason=reason)

    def unbypass(self, turn: Turn, zone: str, *, by: str) -> str | None:
        """A bypassed zone counts again."""
        part = self._zones.get(zone)
        return _no_zone(zone) if part is None else self._leaving.unbypass(turn, part, by=by)

    def isolate(self, turn: Turn, zone: str, *, by: str, reason: str, until: int | None = None) -> str | None:
        """Leave a zone out until somebody ends it, or wall time `until` (µs)."""
        part = self._zones.get(zone)
        return _no_zone(zone) if part is None else self._leaving.isolate(turn, part, by=by, reason=reason, until=until)

    def unisolate(self, turn: Turn, zone: str, *, by: str) -> str | None:
        """An isolated zone counts again."""
        part = self._zones.get(zone)
        return _no_zone(zone) if part is None else self._leaving.unisolate(turn, part, by=by)

    def test(self, turn: Turn, subject: str, *, by: str, until: int) -> str | None:
        """Put a zone, or all zones of a partition, on test until wall time `until` (µs)."""
        zones = self._subject(subject)
        return self._leaving.test(turn, zones, by=by, until=until) if zones else _no_zone(subject)

    def end_test(self, turn: Turn, subject: str, *, by: str) -> str | None:
        """A zone, or all zones of a partition, count again."""
        zones = self._subject(subject)
        return self._leaving.end_test(turn, zones, by=by) if zones else _no_zone(subject)

    def holdup(
        self,
        turn: Turn,
        partition: str,
        device: str,
        *,
        by: str,
        silent: bool,
        kind: Literal["hold_up", "fire", "duress"] = "hold_up",
    ) -> str | None:
        """Somebody asks for help at a device of this partition. `by` is who, as people outside read it. Duress is told
        in secret and changes nothing on site."""
        part = self._partitions.get(partition)
        if part is None:
            return _no_partition(partition)
        covert = kind == "duress"
        self._alarms.call(turn, part, kind, who=by, device=device, silent=silent or covert, covert=covert)
        return None

    def describe(self, zone: str) -> dict[str, Any]:
        """Everything that decides what this zone would do, as plain data; empty when there is no such zone."""
        part = self._zones.get(zone)
        return {} if part is None else view(part, self._timers)

    # --- inside ---

    def _unknown_off(self, turn: Turn, part: PartitionPart) -> None:
        if self._timers.cancel(f"panel exit {part.id}") is not None:
            self._passage.exit_over(turn, part)
            self._setting.owner_armed(turn, part)
        elif self._timers.cancel(f"panel entry {part.id}") is not None:
            self._passage.entry_over(turn, part)
        self._alarms.boot(turn, part)
        tested = [zone for zone in part.zones if zone.memory.testing is not None]
        if tested:
            self._leaving.end_test(turn, tested, by="the start of the gateway")

    def _subject(self, subject: str) -> list[ZonePart]:
        part = self._partitions.get(subject)
        if part is not None:
            return part.zones
        zone = self._zones.get(subject)
        return _NOTHING if zone is None else [zone]


def _no_zone(zone: str) -> str:
    return f"there is no zone {zone}"


def _no_partition(partition: str) -> str:
    return f"there is no partition {partition}"
