"""The engine: an event goes in, actions come out. It has no clock and does no I/O; waiting is data.

Theory of operation: `step` looks up the rules that listen to (kind, device), tests their conditions against what was
known *before* the event, and turns those that hold into actions. A rule fires on an edge: a device that says again
what it said before changes nothing. State the broker kept (`retained`) is remembered and fires nothing; a message that
came again (`redelivered`) may still open an incident, but its pulses are withheld; one that was overtaken (`late`) may
raise an alarm and leaves no trace in the memory. Every id is derived from the cause, so a replay makes the same ones.
"""

from __future__ import annotations

from typing import Any

from rules import ids
from rules.actions import Action, Append, Note, Pulse, SaveClip, SetLevel, TakeStill, WakeMe
from rules.conditions import Moment, Test, compile_all
from rules.document.rule import OpenIncident, Rule
from rules.document.rule import SaveClip as SaveClipRule
from rules.document.site import Site
from rules.events import (
    Boot,
    CommandDecided,
    CommandReceived,
    DeviceEvent,
    EffectCommanded,
    EffectExpired,
    Event,
    TimePassed,
)
from rules.incidents import Entry
from rules.phrase import fill
from rules.state import Known, Level, State, dump, parse

# What each kind of event says about its device's state.
_STATES = {
    "contact.opened": "open",
    "contact.closed": "closed",
    "motion.started": "on",
    "motion.ended": "off",
    "tamper.opened": "open",
    "tamper.closed": "closed",
}
_SECOND = 1_000_000
# Footage older than the ring cannot be had; a siren that was not reached for a minute is worth trying no longer than it
# would have sounded.
CLIP_NOT_AFTER = 20 * _SECOND
LEVEL_NOT_AFTER = 60 * _SECOND
PULSE_NOT_AFTER = 5 * _SECOND
REMEMBERED_INCIDENTS = 1000


class Engine:
    """One site's decisions. `origin` is the gateway's id: it signs the entries the engine makes."""

    def __init__(self, *, site: Site, site_sha256: str, origin: str, state: State | None = None) -> None:
        self._site = site
        self._sha256 = site_sha256
        self._origin = origin
        self._state = state or State()
        self._index: dict[tuple[str, str], list[tuple[Rule, Test]]] = {}
        timetables = site.timetables()
        for rule in site.rules:
            key = (rule.when.event, rule.when.device)
            self._index.setdefault(key, []).append((rule, compile_all(rule.if_, timetables)))

    @classmethod
    def restore(cls, data: bytes, *, site: Site, site_sha256: str, origin: str) -> Engine:
        """An engine that goes on where the snapshot was taken. A changed site keeps what still has a device."""
        state, made_under = parse(data)
        if made_under != site_sha256:
            known = {device.id for device in site.devices}
            state.devices = {name: value for name, value in state.devices.items() if name.partition("/")[0] in known}
            state.last_seen = {name: at for name, at in state.last_seen.items() if name.partition(" ")[2] in known}
            outputs = {device.id for device in site.devices if device.type in ("siren", "output")}
            state.levels = {name: level for name, level in state.levels.items() if name in outputs}
        return cls(site=site, site_sha256=site_sha256, origin=origin, state=state)

    def snapshot(self) -> bytes:
        """Everything the engine remembers; restoring it is as if nothing had happened in between."""
        return dump(self._state, site_sha256=self._sha256)

    def next_wake(self) -> int | None:
        """The earliest gateway time (µs) the engine wants to be woken at."""
        return min((level.until for level in self._state.levels.values() if level.until is not None), default=None)

    def step(self, fact: Event | Entry) -> list[Action]:
        """Decide what follows from one fact. Deterministic: same history, same actions, same ids."""
        if isinstance(fact, Entry):
            self._learn_entry(fact)
            return []
        state = self._state
        state.gt = max(state.gt, fact.gt)
        wake_before = self.next_wake()
        match fact:
            case DeviceEvent():
                actions = self._device(fact)
            case TimePassed():
                actions = self._lapse(fact)
            case Boot():
                actions = self._boot(fact)
            case CommandReceived():
                actions = self._command(fact)
            case _:
                return []
        wake = self.next_wake()
        # After a start no timer runs yet, and one that rang too early has nothing left to wait for.
        if wake is not None and (wake != wake_before or isinstance(fact, Boot | TimePassed)):
            actions.append(WakeMe(at=wake))
        return actions

    # --- devices and rules ---------------------------------------------------------------------------------------

    def _device(self, event: DeviceEvent) -> list[Action]:
        state = self._state
        value = _STATES.get(event.kind)
        if event.kind == "output.reported":
            value = "on" if getattr(event, "on") else "off"  # noqa: B009 - narrowed by kind, not by class
        slot = f"{event.device}/tamper" if event.kind.startswith("tamper.") else event.device
        edge = event.delivery != "retained" and (
            value is None or event.delivery == "late" or state.devices.get(slot) != value
        )
        moment = Moment(state, event.gt, event.wall)
        holding = [rule for rule, test in self._index.get((event.kind, event.device), ()) if edge and test(moment)]
        if value is not None and event.delivery != "late":
            state.devices[slot] = value
        if event.delivery in ("live", "redelivered"):
            state.last_seen[f"{event.kind} {event.device}"] = event.gt
        return [action for rule in holding for action in self._fire(rule, event)]

    def _fire(self, rule: Rule, event: DeviceEvent) -> list[Action]:
        actions: list[Action] = []
        incident: str | None = None
        for ordinal, then in enumerate(rule.then):
            if then.command is not None:
                command = then.command
                actions += self._hold(
                    action=ids.derived(event.id, rule.id, ordinal),
                    cause=event,
                    rule=rule.id,
                    device=command.device,
                    value=command.value,
                    duration=command.duration,
                )
            elif then.open_incident is not None:
                incident, entries = self._open(rule, then.open_incident, event)
                actions += entries
            elif then.pulse is not None:
                actions += self._pulse(ids.derived(event.id, rule.id, ordinal), rule.id, then.pulse.device, event)
        for ordinal, then in enumerate(rule.then):
            if then.save_clip is not None and incident is not None:
                actions += self._keep(rule, ordinal, then.save_clip, incident, event)
        return actions

    def _open(self, rule: Rule, opening: OpenIncident, event: DeviceEvent) -> tuple[str, list[Action]]:
        for incident, known in self._state.incidents.items():
            if known.rule == rule.id and not known.closed and event.gt - known.last < opening.group:
                known.last = event.gt
                evidence = {"event": event.id, "text": f"{event.kind} again: {self._name(event.device)}"}
                return incident, [self._append("incident.evidence", incident, event, "again", evidence=evidence)]
        incident = ids.derived(event.id, rule.id, "incident")
        self._state.incidents[incident] = Known(lamport=0, rule=rule.id, last=event.gt)
        self._forget_old_incidents()
        policies = [then.notify.policy for then in rule.then if then.notify is not None]
        title = fill(
            opening.title,
            {
                "device.id": event.device,
                "device.name": self._name(event.device),
                "site.id": self._site.site.id,
                "site.name": self._site.site.name,
                "rule.id": rule.id,
                "rule.name": rule.name,
            },
        )
        body: dict[str, Any] = {
            "title": title,
            "severity": opening.severity,
            "rule": rule.id,
            "device": event.device,
            "device_name": self._name(event.device),
            "site": self._site.site.id,
            "site_name": self._site.site.name,
            "trigger": event.id,
        }
        if policies:
            body["policy"] = policies[0]
        return incident, [self._append("incident.opened", incident, event, "opened", by=rule.name, **body)]

    def _keep(self, rule: Rule, ordinal: int, saving: SaveClipRule, incident: str, event: DeviceEvent) -> list[Action]:
        actions: list[Action] = []
        for camera in saving.cameras:
            clip = ids.derived(event.id, rule.id, ordinal, "clip", camera)
            still = ids.derived(event.id, rule.id, ordinal, "still", camera)
            common: dict[str, Any] = {
                "cause": event.id,
                "rule": rule.id,
                "incident": incident,
                "camera": camera,
                "at": event.gt,
                "wall": event.wall,
                "not_after": event.gt + CLIP_NOT_AFTER,
            }
            # The still goes first: it is the first picture that can be outside the building.
            actions += [
                TakeStill(id=still, still=still, **common),
                SaveClip(id=clip, clip=clip, pre=saving.pre, post=saving.post, **common),
                self._append("incident.evidence", incident, event, still, evidence={"still": still, "camera": camera}),
                self._append("incident.evidence", incident, event, clip, evidence={"clip": clip, "camera": camera}),
            ]
        return actions

    # --- outputs ---------------------------------------------------------------------------------------------------

    def _hold(
        self, *, action: str, cause: Event, rule: str, device: str, value: str, duration: int | None
    ) -> list[Action]:
        until = None if duration is None else cause.gt + duration
        held = self._state.levels.get(device)
        if (
            held is not None
            and held.value == value
            and until is not None
            and (held.until is None or held.until > until)
        ):
            until, duration = held.until, held.duration  # a second trigger prolongs, it never shortens
        if value == "off" and until is None:
            self._state.levels.pop(device, None)
        else:
            self._state.levels[device] = Level(action, rule, value, until, duration)
        return self._set(action=action, cause=cause, rule=rule, device=device, value=value, until=until)

    def _set(self, *, action: str, cause: Event, rule: str, device: str, value: str, until: int | None) -> list[Action]:
        commanded = EffectCommanded(
            id=ids.derived(cause.id, action, "commanded"),
            gt=cause.gt,
            wall=cause.wall,
            clock=cause.clock,
            cause=cause.id,
            action=action,
            device=device,
            value=value,
            rule=rule,
            until=until,
        )
        if value == "off":  # silence is owed for as long as it takes
            not_after = 2**62
        else:
            not_after = cause.gt + LEVEL_NOT_AFTER if until is None else until
        level = SetLevel(
            id=action, cause=cause.id, rule=rule, device=device, value=value, until=until, not_after=not_after
        )
        return [level, Note(event=commanded)]

    def _pulse(self, action: str, rule: str, device: str, event: DeviceEvent) -> list[Action]:
        header: dict[str, Any] = {"gt": event.gt, "wall": event.wall, "clock": event.clock, "cause": event.id}
        if event.delivery != "live":  # it may have been done the first time: never twice
            name = ids.derived(event.id, action, "expired")
            return [Note(event=EffectExpired(id=name, action=action, device=device, reason="redelivered", **header))]
        commanded = EffectCommanded(
            id=ids.derived(event.id, action, "commanded"),
            action=action,
            device=device,
            value="pulse",
            rule=rule,
            **header,
        )
        not_after = event.gt + PULSE_NOT_AFTER
        return [
            Pulse(id=action, cause=event.id, rule=rule, device=device, value="on", not_after=not_after),
            Note(event=commanded),
        ]

    def _lapse(self, event: TimePassed) -> list[Action]:
        actions: list[Action] = []
        for device, level in sorted(self._state.levels.items()):
            if level.until is not None and level.until <= event.gt:
                opposite = "off" if level.value == "on" else "on"
                action = ids.derived(level.action, "until")
                actions += self._hold(
                    action=action, cause=event, rule=level.rule, device=device, value=opposite, duration=None
                )
        return actions

    def _boot(self, event: Boot) -> list[Action]:
        """Levels are stated again; with an unknown time off a cut-off runs its full length again."""
        actions: list[Action] = []
        for device, level in sorted(self._state.levels.items()):
            if level.until is not None and event.off_time is None and level.duration is not None:
                level.until = event.gt + level.duration
            if level.until is None or level.until > event.gt:
                actions += self._set(
                    action=level.action,
                    cause=event,
                    rule=level.rule,
                    device=device,
                    value=level.value,
                    until=level.until,
                )
        return actions + self._lapse(TimePassed(id=event.id, gt=event.gt, wall=event.wall, clock=event.clock))

    # --- people ------------------------------------------------------------------------------------------------------

    def _command(self, event: CommandReceived) -> list[Action]:
        """`silence` switches a siren off. What lowers protection needs a proof this version cannot check, and any other
        output may hold a door."""
        device = self._site.device(event.args.get("device", ""))
        if event.name != "silence":
            return [self._decided(event, "refused", f"{event.name} is not a command this gateway takes from a relay")]
        if device is None or device.type != "siren":
            return [self._decided(event, "refused", "name a siren of this site as `device`")]
        held = self._hold(
            action=ids.derived(event.id, "silence"),
            cause=event,
            rule=f"command by {event.actor}",
            device=device.id,
            value="off",
            duration=None,
        )
        return [*held, self._decided(event, "done", f"{device.title} told to be silent")]

    def _decided(self, event: CommandReceived, state: str, reason: str) -> Note:
        return Note(
            event=CommandDecided(
                id=ids.derived(event.id, "decided"),
                gt=event.gt,
                wall=event.wall,
                clock=event.clock,
                cause=event.id,
                command=event.command,
                state="done" if state == "done" else "refused",
                reason=reason,
            )
        )

    # --- incidents ---------------------------------------------------------------------------------------------------

    def _append(
        self, kind: str, incident: str, event: Event, what: str, *, by: str = "Nightporter", **body: Any
    ) -> Append:
        known = self._state.incidents[incident]
        known.lamport += 1
        entry = Entry(
            id=ids.derived(event.id, incident, kind, what),
            kind=kind,
            incident=incident,
            lamport=known.lamport,
            origin=self._origin,
            wall=event.wall,
            by=by,
            clock=event.clock,
            gt=event.gt,
            cause=event.id,
            body=body,
        )
        return Append(entry=entry)

    def _learn_entry(self, entry: Entry) -> None:
        """Somebody else acted: count on from there, and stop grouping into what is resolved."""
        known = self._state.incidents.get(entry.incident)
        if known is None:
            known = Known(lamport=0, rule=None, last=self._state.gt)
            self._state.incidents[entry.incident] = known
            self._forget_old_incidents()
        known.lamport = max(known.lamport, entry.lamport)
        if entry.kind == "incident.merged":
            known.resolved = 2**62  # for good
        elif entry.kind == "incident.resolved":
            known.resolved = max(known.resolved, entry.lamport)
        elif entry.kind == "incident.reopened":
            known.reopened = max(known.reopened, entry.lamport)

    def _forget_old_incidents(self) -> None:
        incidents = self._state.incidents
        while len(incidents) > REMEMBERED_INCIDENTS:
            del incidents[next(iter(incidents))]

    def _name(self, device: str) -> str:
        found = self._site.device(device)
        return found.title if found else device
