"""What the alarm panel makes of inputs, codes and time: partitions, zones, alarms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from rules.events.base import MadeEvent

Mode = Literal["away", "stay", "night", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionExiting(MadeEvent):
    """The exit delay runs: armed in `mode` at gateway time `until`."""

    kind: ClassVar[str] = "partition.exiting"
    subject_field: ClassVar[str] = "partition"
    partition: str
    mode: Mode
    until: int
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionArmed(MadeEvent):
    """The partition is armed in `mode`; `bypassed` zones are left out."""

    kind: ClassVar[str] = "partition.armed"
    subject_field: ClassVar[str] = "partition"
    partition: str
    mode: Mode
    by: str
    bypassed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRefused(MadeEvent):
    """The partition was not armed: it is not ready, each reason a sentence."""

    kind: ClassVar[str] = "partition.refused"
    subject_field: ClassVar[str] = "partition"
    partition: str
    mode: Mode
    by: str
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionEntering(MadeEvent):
    """Somebody came in by an entry zone: disarm until gateway time `until`."""

    kind: ClassVar[str] = "partition.entering"
    subject_field: ClassVar[str] = "partition"
    partition: str
    zone: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionDisarmed(MadeEvent):
    """The partition is disarmed."""

    kind: ClassVar[str] = "partition.disarmed"
    subject_field: ClassVar[str] = "partition"
    partition: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneAlarmed(MadeEvent):
    """A zone is in alarm. `found` is how it came to be: live, or found so when the inputs had settled after a start."""

    kind: ClassVar[str] = "zone.alarmed"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    type: str
    found: Literal["live", "after_restart"] = "live"
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneRestored(MadeEvent):
    """The cause of a zone's alarm is over: its input is normal again."""

    kind: ClassVar[str] = "zone.restored"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTampered(MadeEvent):
    """A zone's line or case was touched: tamper, in every arm state."""

    kind: ClassVar[str] = "zone.tampered"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneUntampered(MadeEvent):
    """A zone's line and case are whole again."""

    kind: ClassVar[str] = "zone.untampered"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTroubled(MadeEvent):
    """A zone cannot be trusted: lost, silent for too long, low battery, a fault on its line. Not an alarm."""

    kind: ClassVar[str] = "zone.troubled"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    trouble: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneUntroubled(MadeEvent):
    """That trouble of the zone is over."""

    kind: ClassVar[str] = "zone.untroubled"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    trouble: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneBypassed(MadeEvent):
    """A zone is left out until its partition is disarmed next."""

    kind: ClassVar[str] = "zone.bypassed"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneUnbypassed(MadeEvent):
    """A bypassed zone counts again."""

    kind: ClassVar[str] = "zone.unbypassed"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneIsolated(MadeEvent):
    """A zone is left out until somebody ends it or wall time `until` (µs)."""

    kind: ClassVar[str] = "zone.isolated"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    by: str
    reason: str
    until: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneUnisolated(MadeEvent):
    """An isolated zone counts again."""

    kind: ClassVar[str] = "zone.unisolated"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneShutDown(MadeEvent):
    """A zone rang too often while armed and is left out until disarmed (swinger shutdown)."""

    kind: ClassVar[str] = "zone.shut_down"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    alarms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneReinstated(MadeEvent):
    """A zone that was shut down counts again: its partition was disarmed."""

    kind: ClassVar[str] = "zone.reinstated"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneIgnored(MadeEvent):
    """A zone was active and it did not count; `reason` says why. Nothing is swallowed without this."""

    kind: ClassVar[str] = "zone.ignored"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneTested(MadeEvent):
    """A zone on test was active: it works, and nobody was told."""

    kind: ClassVar[str] = "zone.tested"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneOnTest(MadeEvent):
    """A zone is on test until wall time `until` (µs): what it sees is logged as a test."""

    kind: ClassVar[str] = "zone.on_test"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    by: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneOffTest(MadeEvent):
    """A zone's test ended."""

    kind: ClassVar[str] = "zone.off_test"
    subject_field: ClassVar[str] = "zone"
    zone: str
    partition: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmConfirmed(MadeEvent):
    """The abort window ended, or a second zone confirmed: people outside are told."""

    kind: ClassVar[str] = "alarm.confirmed"
    subject_field: ClassVar[str] = "partition"
    partition: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmAborted(MadeEvent):
    """Disarmed within the abort window: nobody outside is told."""

    kind: ClassVar[str] = "alarm.aborted"
    subject_field: ClassVar[str] = "partition"
    partition: str
    zone: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCancelled(MadeEvent):
    """Disarmed soon after people outside were told: they are told of the cancelling too."""

    kind: ClassVar[str] = "alarm.cancelled"
    subject_field: ClassVar[str] = "partition"
    partition: str
    zone: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmSilenced(MadeEvent):
    """The sirens stopped: `by` a person, or by their cut-off."""

    kind: ClassVar[str] = "alarm.silenced"
    subject_field: ClassVar[str] = "partition"
    partition: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmCleared(MadeEvent):
    """The memory of the last alarm was looked at and cleared."""

    kind: ClassVar[str] = "alarm.cleared"
    subject_field: ClassVar[str] = "partition"
    partition: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitFailed(MadeEvent):
    """An exit zone was still open when the exit delay ended (exit error)."""

    kind: ClassVar[str] = "exit.failed"
    subject_field: ClassVar[str] = "partition"
    partition: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmingDue(MadeEvent):
    """The partition arms by its schedule at wall time `until` (µs) unless somebody stays."""

    kind: ClassVar[str] = "arming.due"
    subject_field: ClassVar[str] = "partition"
    partition: str
    mode: Mode
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmingLate(MadeEvent):
    """The partition should be armed by now and is not (late to close), or was disarmed before its time (early open)."""

    kind: ClassVar[str] = "arming.late"
    subject_field: ClassVar[str] = "partition"
    partition: str
    what: Literal["late_to_close", "early_open", "late_to_open"]
