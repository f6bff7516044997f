"""Actions: what the engine wants done, in the imperative. The agent acts; the kernel never does.

A *level* is a state that should hold until a moment (the siren on until T) and is restated after a restart. A *pulse*
happens once (a chirp, an unlock) and is never repeated. Both carry `not_after`, gateway time in µs after which doing it
would be worse than not: what is left over then is logged as `effect.expired`.
"""

from __future__ import annotations

from dataclasses import dataclass

from rules.events import Event
from rules.incidents import Entry
from rules.quick import quicken


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLevel:
    """Hold an output at `value` ("on" or "off") until gateway time `until` (None: until told otherwise)."""

    id: str
    cause: str
    rule: str
    device: str
    value: str
    until: int | None
    not_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """Make an output do its short thing once: switch to `value` for the time the device itself defines."""

    id: str
    cause: str
    rule: str
    device: str
    value: str
    not_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveClip:
    """Keep footage of `camera` from `pre` µs before the cause at gateway time `at` to `post` µs after it."""

    id: str
    cause: str
    rule: str
    clip: str
    incident: str
    camera: str
    at: int
    wall: int
    pre: int
    post: int
    not_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStill:
    """Keep the picture of `camera` nearest to gateway time `at`."""

    id: str
    cause: str
    rule: str
    still: str
    incident: str
    camera: str
    at: int
    wall: int
    not_after: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Write this entry into the log (lane P0)."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Write this event into the log: what the engine decided about a command or an effect."""

    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class WakeMe:
    """Give the engine `TimePassed` once gateway time reaches `at` (µs)."""

    at: int


quicken(SetLevel, Pulse, SaveClip, TakeStill, Append, Note, WakeMe)

Action = SetLevel | Pulse | SaveClip | TakeStill | Append | Note | WakeMe
