"""Alarms: sirens at once, people outside after the abort window or as soon as somebody confirms, and the way back."""

from __future__ import annotations

from typing import Literal

from rules.events import (
    AlarmAborted,
    AlarmCancelled,
    AlarmCleared,
    AlarmConfirmed,
    AlarmSilenced,
    ZoneAlarmed,
    ZoneRestored,
    ZoneShutDown,
)
from rules.panel.memory import Footage, Waiting
from rules.panel.parts import Means, PartitionPart, ZonePart
from rules.panel.report import Report, Reports
from rules.panel.zones import NEVER_WAIT
from rules.turn import Turn

# These make no noise: water and technical faults chase nobody away, and nobody wakes for them.
_QUIET = frozenset({"water", "technical", "trouble", "duress"})
# These end the waiting of a burglary: help must not be late for a formality.
_CONFIRMS = frozenset({"burglary", "tamper", "hold_up", "fire", "co"})
_LATCHED = frozenset({"fire", "co"})


class Alarms:
    """Timers: `panel abort PARTITION` (people outside are told), `panel cutoff PARTITION` (the sirens rest)."""

    def __init__(self, *, means: Means, reports: Reports, partitions: dict[str, PartitionPart]) -> None:
        self._timers = means.timers
        self._outputs = means.outputs
        self._reports = reports
        self._partitions = partitions

    def ring(
        self,
        turn: Turn,
        zone: ZonePart,
        *,
        found: Literal["live", "after_restart"] = "live",
        over: bool = False,
        along: bool = False,
        more: str = "",
    ) -> None:
        """This zone is in alarm. `over`: it was, and is normal by now. `along`: part of an entry that rings already, so
        no second zone that would confirm it. `more` is what the incident says beside its name."""
        memory, partition = zone.memory, zone.partition
        turn.why(zone.label, "alarm ({})", zone.kind)
        memory.alarmed = True
        _remember(partition, zone.id, zone.kind)
        silent = zone.spec.is_silent
        if not silent:
            self._sound(turn, partition, zone.kind, zone.id)
        fact = turn.make(ZoneAlarmed, zone.id, partition=partition.id, type=zone.spec.type, found=found, silent=silent)
        if found == "after_restart":
            more = " (found after restart)"
        self._tell(turn, partition, self._reports.of_zone(zone, zone.kind, more, fact.id), along=along)
        if over and memory.condition != "active":
            self.restored(turn, zone)
        self._swing(turn, zone)

    def tamper(self, turn: Turn, zone: ZonePart, *, reason: str, event: str) -> None:
        """A zone's line or case was touched. Armed, that is as bad as a burglar; disarmed, it is somebody at work."""
        partition = zone.partition
        _remember(partition, zone.id, "tamper")
        self._sound(turn, partition, "tamper", zone.id)
        self._tell(turn, partition, self._reports.of_zone(zone, "tamper", f": {reason}", event))
        self._swing(turn, zone)

    def found_tampered(self, turn: Turn, zone: ZonePart, reason: str) -> None:
        """It was tampered with while that was told to nobody, and is so still."""
        self.tamper(turn, zone, reason=reason, event=turn.cause)

    def call(
        self, turn: Turn, partition: PartitionPart, kind: str, *, who: str, device: str, silent: bool, covert: bool
    ) -> None:
        """Somebody asks for help at a keypad: `kind` is hold_up, fire or duress."""
        turn.why(partition.label, "{} by {}", kind, who)
        if not silent:
            self._sound(turn, partition, kind, device)
        if kind != "duress":
            _remember(partition, device, kind)
        self._tell(turn, partition, self._reports.of_person(kind, who, device, covert))

    def restored(self, turn: Turn, zone: ZonePart) -> None:
        """The cause of its alarm is over."""
        zone.memory.alarmed = False
        fact = turn.make(ZoneRestored, zone.id, partition=zone.partition.id)
        self._reports.restored(turn, zone, zone.kind, f"{zone.title} is normal again", fact.id)

    def confirm(self, turn: Turn, partition: PartitionPart) -> None:
        """Tell people outside now."""
        waiting = partition.memory.waiting
        if waiting is None:
            return
        self._timers.cancel(f"panel abort {partition.id}")
        partition.memory.waiting = None
        partition.tell("confirmed")
        turn.why(partition.label, "people outside are told of {}", waiting.zone)
        turn.make(AlarmConfirmed, partition.id, zone=waiting.zone)
        self._reports.open_waiting(turn, partition, waiting)

    def disarmed(self, turn: Turn, partition: PartitionPart, *, by: str, asked_again: bool) -> None:
        """Somebody disarmed, or showed their code although it was disarmed already: no burglar, then."""
        memory = partition.memory
        waiting, told = memory.waiting, memory.told.get("burglary")
        if memory.sounding == "burglary" or (memory.sounding and asked_again):
            self.silence(turn, partition, by=by)
        if waiting is not None:
            self._timers.cancel(f"panel abort {partition.id}")
            memory.waiting = None
            turn.why(partition.label, "disarmed within the abort window: nobody outside is told")
            turn.make(AlarmAborted, partition.id, zone=waiting.zone, by=by)
        elif told is not None and not told.over:
            soon = turn.gt - told.at < partition.spec.cancel_window
            if soon:
                turn.make(AlarmCancelled, partition.id, zone=told.zone, by=by)
            self._reports.disarmed(turn, told, by=by, soon=soon)
        if memory.telling != "quiet":
            partition.tell("disarm")
        _over(partition, ["burglary", "tamper"])  # what comes now is another story: it opens its own incident

    def silence(self, turn: Turn, partition: PartitionPart, *, by: str) -> str | None:
        """Stop the sirens; whatever made them sound goes on."""
        if not partition.memory.sounding:
            return f"no siren of {partition.spec.title} sounds"
        partition.memory.sounding = ""
        self._timers.cancel(f"panel cutoff {partition.id}")
        for siren in partition.spec.sirens:
            action = turn.id("panel", partition.id, "silence", siren)
            others = self._sounds_for(siren)
            if others:
                turn.why(partition.label, "{} sounds on for {}", siren, others[0].id)
                self._until_cut_off(turn, siren, others, action)
                continue
            self._outputs.hold(turn, siren, "off", duration=None, by=f"panel {partition.id}", action=action)
        turn.make(AlarmSilenced, partition.id, by=by)
        return None

    def cut_off(self, turn: Turn, partition: PartitionPart) -> None:
        """The sirens have sounded long enough; the outputs stopped them."""
        partition.memory.sounding = ""
        turn.make(AlarmSilenced, partition.id, by="cut-off")

    def clear(self, turn: Turn, partition: PartitionPart, *, by: str) -> str | None:
        """Reset: the memory of alarms is wiped, a fire that is out is over. Refused while it burns."""
        memory = partition.memory
        burning = [zone.title for zone in partition.zones if zone.id in memory.latched and _active(zone)]
        if burning:
            return f"{' and '.join(burning)} still in alarm"
        pressed = [zone for zone in partition.zones if zone.spec.type == "hold_up" and _active(zone)]
        if not (memory.memory or memory.sounding or pressed):
            return f"{partition.spec.title} has no alarm to clear"
        if memory.sounding:
            self.silence(turn, partition, by=by)
        for zone in pressed:
            _release(turn, zone)
        self.forget(turn, partition, by=by)
        return None

    def forget(self, turn: Turn, partition: PartitionPart, *, by: str) -> None:
        """Wipe the memory of alarms, as arming does, too; an alarm that waits to be told waits on."""
        memory = partition.memory
        for zone in partition.zones:
            if zone.id in memory.memory and zone.spec.type == "hold_up" and _active(zone):
                _release(turn, zone)
        if memory.telling == "told":
            partition.tell("forgotten")
        _over(partition, [kind for kind in memory.told if kind != "trouble"])
        memory.latched = []
        if memory.memory:
            memory.memory = []
            turn.make(AlarmCleared, partition.id, by=by)

    def boot(self, turn: Turn, partition: PartitionPart) -> None:
        """Started with an unknown time off: nobody waits any longer, and the sirens' time begins anew."""
        if partition.memory.sounding == "burglary":
            at = turn.gt + partition.spec.siren_for
            self._timers.set(f"panel cutoff {partition.id}", at=at, cause=turn.cause)
        self.confirm(turn, partition)

    def _swing(self, turn: Turn, zone: ZonePart) -> None:
        """Count the alarm; too many in one arming and the zone rests until disarmed."""
        if not zone.partition.is_on or zone.spec.type in NEVER_WAIT:
            return
        memory = zone.memory
        memory.rings += 1
        limit = zone.partition.spec.swinger if zone.spec.swinger is None else zone.spec.swinger
        if limit and memory.rings >= limit and not memory.shut:
            memory.shut = True
            turn.why(zone.label, "left out until disarmed after {} alarms", memory.rings)
            turn.make(ZoneShutDown, zone.id, partition=zone.partition.id, alarms=memory.rings)

    def _sound(self, turn: Turn, partition: PartitionPart, kind: str, what: str) -> None:
        if kind in _QUIET or not partition.spec.sirens or (kind == "tamper" and not partition.is_on):
            return
        memory, spec = partition.memory, partition.spec
        duration = None if kind in _LATCHED else spec.siren_for
        for siren in spec.sirens:
            action = turn.id("panel", partition.id, kind, what, siren)
            self._outputs.hold(turn, siren, "on", duration=duration, by=f"panel {partition.id} {kind}", action=action)
        if duration is None:
            memory.sounding = "fire"
            self._timers.cancel(f"panel cutoff {partition.id}")
        elif memory.sounding != "fire":
            memory.sounding = "burglary"
            self._timers.set(f"panel cutoff {partition.id}", at=turn.gt + duration, cause=turn.cause)

    def _tell(self, turn: Turn, partition: PartitionPart, report: Report, *, along: bool = False) -> None:
        memory = partition.memory
        waiting = memory.waiting
        if waiting is not None and report.kind in _CONFIRMS:
            if report.kind == "burglary" and (along or report.zone in waiting.zones):
                turn.why(partition.label, "{} belongs to the alarm that waits", report.zone)
                partition.tell("alarm")
                if report.zone not in waiting.zones:
                    waiting.zones.append(report.zone)
                return
            turn.why(partition.label, "confirmed by {}", report.zone or report.kind)
            self.confirm(turn, partition)
        if report.kind != "burglary":
            self._reports.tell(turn, partition, report)
            return
        if memory.telling == "quiet" and partition.spec.abort_window:
            partition.tell("alarm")
            self._wait(turn, partition, report)
            return
        partition.tell("alarm_at_once")
        told = memory.told.get("burglary")
        if told is None or told.over:
            turn.make(AlarmConfirmed, partition.id, zone=report.zone)
        self._reports.tell(turn, partition, report)

    def _wait(self, turn: Turn, partition: PartitionPart, report: Report) -> None:
        incident = turn.id(self._reports.maker(partition, report.kind), "incident")
        films = self._reports.film(turn, partition, report.kind, incident)
        partition.memory.waiting = Waiting(
            incident=incident,
            trigger=turn.cause,
            zone=report.zone,
            title=report.title,
            device=report.device,
            severity=report.severity,
            zones=[report.zone],
            footage=[Footage(what, name, camera) for what, name, camera in films],
        )
        self._timers.set(f"panel abort {partition.id}", at=turn.gt + partition.spec.abort_window, cause=turn.cause)
        turn.why(partition.label, "people outside are told when the abort window ends")

    def _sounds_for(self, siren: str) -> list[PartitionPart]:
        """The partitions whose alarm still needs this siren."""
        return [each for each in self._partitions.values() if each.memory.sounding and siren in each.spec.sirens]

    def _until_cut_off(self, turn: Turn, siren: str, others: list[PartitionPart], action: str) -> None:
        """It sounds as long as these need it, and no longer for the one that was silenced."""
        held = self._outputs.held(siren)
        ends = [timer.at for each in others if (timer := self._timers.get(f"panel cutoff {each.id}")) is not None]
        if held is None or held.value != "on" or len(ends) < len(others):  # a fire sounds until somebody silences it
            return
        if held.until is None or held.until > max(ends):
            lasts, by = max(ends) - turn.gt, f"panel {others[0].id} {others[0].memory.sounding}"
            self._outputs.hold(turn, siren, "on", duration=lasts, by=by, action=action, shorten=True)


def _active(zone: ZonePart) -> bool:
    return zone.memory.condition == "active"


def _release(turn: Turn, zone: ZonePart) -> None:
    turn.why(zone.label, "taken as released")  # many such buttons never say that they were
    zone.memory.condition = "normal"
    zone.memory.alarmed = False


def _remember(partition: PartitionPart, subject: str, kind: str) -> None:
    memory = partition.memory
    if subject not in memory.memory:
        memory.memory.append(subject)
    if kind in _LATCHED and subject not in memory.latched:
        memory.latched.append(subject)


def _over(partition: PartitionPart, kinds: list[str]) -> None:
    for kind in kinds:
        if kind in partition.memory.told:
            partition.memory.told[kind].over = True
