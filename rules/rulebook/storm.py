"""The storm guard: a rule that acts too often rests for a while, so that a loose wire does not bury the one alarm that
matters. Never where a life may hang on it: hold-up, panic, fire and carbon monoxide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rules.document.rule import Rule
from rules.events import Event, RuleMuted, RuleUnmuted, RuleWoke
from rules.rulebook.memory import RuleMemory, Storm
from rules.timers import Timers
from rules.turn import Turn

if TYPE_CHECKING:
    from rules.document.site import Site

NEVER_MUTED = frozenset({"smoke.detected", "heat.detected", "co.detected", "panic.raised"})
LIFE = frozenset({"hold_up", "fire", "co"})


class StormGuard:
    """Who acted lately, and who rests: by rule, in the rules' memory; the rest is a timer `rule mute RULE`."""

    def __init__(self, *, site: Site, memory: RuleMemory, timers: Timers) -> None:
        self._memory = memory
        self._timers = timers
        self._rules = {rule.id: rule for rule in site.rules}
        zones = [zone for zone in site.zones if zone.type in LIFE]
        self._zones = {zone.id for zone in zones}
        self._devices = {zone.device for zone in zones}

    def allows(self, turn: Turn, rule: Rule, event: Event) -> bool:
        """Whether the rule may act now; it counts as acting if so. What is held back is counted."""
        if self.spares(event):
            return True
        guard, storm = rule.storm, self._memory.storms.setdefault(rule.id, Storm())
        if storm.until is not None:
            storm.held_back += 1
            turn.why(f"rule {rule.id}", "held back: it rests until {}", storm.until)
            return False
        storm.acted = [at for at in storm.acted if turn.gt - at <= guard.within]
        if len(storm.acted) < guard.more_than:
            storm.acted.append(turn.gt)
            return True
        storm.until, storm.held_back = turn.gt + guard.rest, 1
        self._timers.set(f"rule mute {rule.id}", at=storm.until, cause=turn.cause)
        turn.why(f"rule {rule.id}", "held back: it acted {} times within {} µs", guard.more_than, guard.within)
        turn.make(RuleMuted, rule.id, until=storm.until)
        return False

    def spares(self, event: Event) -> bool:
        """Whether what happened is never held back."""
        about = event.of if isinstance(event, RuleWoke) else event.about
        return (
            event.kind in NEVER_MUTED
            or getattr(event, "type", "") in LIFE
            or getattr(event, "zone", about) in self._zones
            or about in self._devices
        )

    def lapse(self, turn: Turn, rule: str) -> None:
        """The rest is over."""
        storm = self._memory.storms.pop(rule, None)
        if storm is not None:
            turn.make(RuleUnmuted, rule, count=storm.held_back)
