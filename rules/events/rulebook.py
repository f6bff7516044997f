"""What the rules themselves make known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rules.events.base import MadeEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleMuted(MadeEvent):
    """A rule fired so often that it is held back until gateway time `until`; what it would have done is
    counted. Hold-up and fire are never held back."""

    kind: ClassVar[str] = "rule.muted"
    subject_field: ClassVar[str] = "rule"
    rule: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleUnmuted(MadeEvent):
    """The rule acts again; `count` firings were held back."""

    kind: ClassVar[str] = "rule.unmuted"
    subject_field: ClassVar[str] = "rule"
    rule: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWoke(MadeEvent):
    """Time that a rule waited for has passed: a delay it asked for (`name`), an absence, or a state that held. `of` is
    the device, zone, partition or door it is about; empty for nobody in particular."""

    kind: ClassVar[str] = "rule.woke"
    subject_field: ClassVar[str] = "rule"
    rule: str
    what: Literal["wake", "absence", "holds"]
    name: str = ""
    of: str = ""
