"""What the clock on the wall makes known: schedules that begin and end, and arming that somebody put off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rules.events.base import MadeEvent
from rules.events.panel import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStarted(MadeEvent):
    """A schedule is on since wall time `since` (µs). `late`: that was found out afterwards, because the gateway was off
    or its clock was set."""

    kind: ClassVar[str] = "schedule.started"
    subject_field: ClassVar[str] = "schedule"
    schedule: str
    since: int
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEnded(MadeEvent):
    """A schedule is off since wall time `since` (µs); `late` as for its start."""

    kind: ClassVar[str] = "schedule.ended"
    subject_field: ClassVar[str] = "schedule"
    schedule: str
    since: int
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmingPostponed(MadeEvent):
    """The arming that was announced does not come now: somebody is still there, or the clock was set back."""

    kind: ClassVar[str] = "arming.postponed"
    subject_field: ClassVar[str] = "partition"
    partition: str
    mode: Mode
    reason: Literal["activity", "clock"]
