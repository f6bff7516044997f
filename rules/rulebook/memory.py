"""What is remembered of windows, sequences, silences and storms of the rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.document.site import Site


@dataclass(slots=True)
class Progress:
    """How far a rule's pattern has come. `of` says which pattern, so that a changed one begins anew. `groups` has the
    moments of a count or sequence by the value of `same`, the one touched longest ago first; `rung` is whether a
    silence or a lasting state was told already and waits for a change."""

    of: str
    groups: dict[str, list[int]] = field(default_factory=dict)
    rung: bool = False


@dataclass(slots=True)
class Storm:
    """When a rule acted lately; while it rests (`until`), how many times it would have acted."""

    acted: list[int] = field(default_factory=list)
    until: int | None = None
    held_back: int = 0


@dataclass(slots=True)
class RuleMemory:
    """Plain data; gateway times in µs. `acted` is when a rule with a cool-down acted last, `wakes` whom a delay is
    about (by rule and timer), `readings` the last value by `kind device`, `seen` the last event by what a condition
    asks for. Nothing is kept that no rule of the document asks for."""

    patterns: dict[str, Progress] = field(default_factory=dict)
    acted: dict[str, int] = field(default_factory=dict)
    storms: dict[str, Storm] = field(default_factory=dict)
    wakes: dict[str, dict[str, str]] = field(default_factory=dict)
    readings: dict[str, float] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def fit(self, site: Site) -> None:
        """Forget what the site has no more."""
        rules = {rule.id for rule in site.rules}
        devices = {device.id for device in site.devices}
        self.patterns = {rule: each for rule, each in self.patterns.items() if rule in rules}
        self.acted = {rule: each for rule, each in self.acted.items() if rule in rules}
        self.storms = {rule: each for rule, each in self.storms.items() if rule in rules}
        self.wakes = {rule: each for rule, each in self.wakes.items() if rule in rules}
        self.readings = {key: each for key, each in self.readings.items() if key.partition(" ")[2] in devices}
