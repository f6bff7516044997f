"""What people asked for and what was done about a decision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rules.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReceived(Event):
    """A person asked for something through a relay. `digest` is the HMAC (hex) of the code they proved themselves with,
    where that relay may bring one; the digits are kept nowhere."""

    kind: ClassVar[str] = "command.received"
    command: str
    name: str
    args: dict[str, str]
    actor: str
    outlet: str
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDecided(Event):
    """What became of a command."""

    kind: ClassVar[str] = "command.decided"
    command: str
    state: Literal["done", "refused"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectCommanded(Event):
    """The engine decided that something be done; `action` is the decision's id, `until` gateway time or None."""

    kind: ClassVar[str] = "effect.commanded"
    action: str
    device: str
    value: str
    rule: str
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectDone(Event):
    """A command left for its device and was accepted on the way (the device's own report is `output.reported`)."""

    kind: ClassVar[str] = "effect.done"
    action: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectFailed(Event):
    """A command could not be delivered; a level is tried again, `reason` says what stands in the way."""

    kind: ClassVar[str] = "effect.failed"
    action: str
    device: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectExpired(Event):
    """A decision that was not carried out and no longer will be: too late, or possibly done once already."""

    kind: ClassVar[str] = "effect.expired"
    action: str
    device: str
    reason: Literal["too_late", "redelivered", "superseded"]
