"""A rule acts: outputs as they come, footage last."""

from __future__ import annotations

from rules import ids
from rules.casebook import Casebook
from rules.document.action import AppendIncident, OpenIncident, SaveClip, Then, WakeLater
from rules.document.rule import Rule
from rules.document.site import Site
from rules.document.titles import fill
from rules.events import Event
from rules.outputs import Outputs
from rules.panel.panel import Panel
from rules.rulebook.memory import RuleMemory
from rules.rulebook.names import Names
from rules.timers import Timers
from rules.turn import Turn

# Delays of one rule that may run at once, one for each subject; a site has fewer.
MOST_WAKES = 1000
_MOST_ACTIONS = 1000  # of a rule; only to number footage
# What the panel calls its incidents of a partition, and a door its own.
_OF_PARTITION = ("hold_up", "fire", "co", "burglary", "water", "tamper", "technical", "trouble")
_OF_DOOR = ("forced", "held")


class Firing:
    """Does what rules say."""

    def __init__(
        self,
        *,
        site: Site,
        memory: RuleMemory,
        names: Names,
        timers: Timers,
        outputs: Outputs,
        casebook: Casebook,
        panel: Panel,
    ) -> None:
        self._site = site.site
        self._memory = memory
        self._names = names
        self._timers = timers
        self._outputs = outputs
        self._casebook = casebook
        self._panel = panel

    def fire(self, turn: Turn, rule: Rule, event: Event, field: str, before: int) -> None:
        """All the rule's actions. `field` is what `rule.woke` is about: a device, zone, partition or door; `before` is
        how often the rule has acted in this turn, about others: what follows needs ids of its own."""
        apart = [before] if before else []
        incident: str | None = None
        footage: list[tuple[int, SaveClip]] = []
        for ordinal, then in enumerate(rule.then):
            if then.open_incident is not None:
                incident = self._open(turn, rule, then.open_incident, event, field)
            elif then.append_incident is not None:
                incident = self._append(turn, rule, then.append_incident, event, field, before)
            elif then.save_clip is not None:
                footage.append((ordinal + before * _MOST_ACTIONS, then.save_clip))
            else:
                self._output(turn, rule, then, ids.derived(turn.seed, rule.id, ordinal, *apart), event)
        for ordinal, clip in footage:
            for camera in clip.cameras if incident is not None else []:
                self._casebook.keep(
                    turn, incident or "", camera, pre=clip.pre, post=clip.post, by=rule.id, ordinal=ordinal
                )

    def _output(self, turn: Turn, rule: Rule, then: Then, action: str, event: Event) -> None:
        if then.command is not None:
            command = then.command
            self._outputs.hold(
                turn, command.device, command.value, duration=command.duration, by=rule.id, action=action
            )
        elif then.pulse is not None:
            self._outputs.pulse(turn, then.pulse.device, by=rule.id, action=action)
        elif then.arm is not None:
            arm = then.arm
            refused = self._panel.arm(turn, arm.partition, arm.mode, by=rule.name, force=arm.force)
            if refused is not None:
                turn.why(f"rule {rule.id}", "could not arm {}: {}", arm.partition, refused)
        elif then.bypass is not None:
            refused = self._panel.bypass(turn, then.bypass.zone, by=rule.name, reason=then.bypass.reason)
            if refused is not None:
                turn.why(f"rule {rule.id}", "could not bypass {}: {}", then.bypass.zone, refused)
        elif then.wake is not None:
            self._wake(turn, rule, then.wake, event)

    def _wake(self, turn: Turn, rule: Rule, wake: WakeLater, event: Event) -> None:
        of = str(getattr(event, "of", "")) if event.kind == "rule.woke" else event.about
        what = f"wake:{wake.name}:{of.replace(' ', '_')}"
        waiting = self._memory.wakes.setdefault(rule.id, {})
        if what not in waiting and len(waiting) >= MOST_WAKES:
            turn.why(f"rule {rule.id}", "already waits for {} things: this delay is left out", MOST_WAKES)
            return
        waiting[what] = of
        self._timers.set(f"rule {what} {rule.id}", at=turn.gt + wake.after, cause=turn.cause)

    def _open(self, turn: Turn, rule: Rule, opening: OpenIncident, event: Event, field: str) -> str:
        device = self._names.device(event, field)
        policy = next((then.notify.policy for then in rule.then if then.notify is not None), None)
        body: dict[str, str] = {}
        if device:
            body = {"device": device, "device_name": self._names.of("device", device)}
        if policy is not None:
            body["policy"] = policy
        about = self._names.about(event, field)[1] or self._site.name
        return self._casebook.open(
            turn,
            rule.id,
            by=rule.name,
            group=opening.group,
            again={"event": event.id, "text": f"{event.kind} again: {about}"},
            title=self._text(opening.title, rule, event, field),
            severity=opening.severity,
            rule=rule.id,
            site=self._site.id,
            site_name=self._site.name,
            trigger=event.id,
            **body,
        )

    def _append(
        self, turn: Turn, rule: Rule, append: AppendIncident, event: Event, field: str, before: int
    ) -> str | None:
        if append.partition is not None:
            makers = [f"panel {append.partition} {what}" for what in _OF_PARTITION]
        elif append.door is not None:
            makers = [f"door {append.door} {what}" for what in _OF_DOOR]
        else:
            makers = [append.rule or rule.id]
        incident = self._casebook.newest(makers)
        if incident is None:
            turn.why(f"rule {rule.id}", "has nothing to add to: {} has no open incident", makers[0])
            return None
        note = self._text(append.note, rule, event, field)
        self._casebook.append(turn, "incident.noted", incident, f"by {rule.id} {before}", by=rule.name, note=note)
        return incident

    def _text(self, template: str, rule: Rule, event: Event, field: str) -> str:
        return fill(template, lambda blank: self._names.word(blank, rule, event, field))
