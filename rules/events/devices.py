"""What devices tell: contacts, detectors, outputs, readings, and whether they are there at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rules.events.base import DeviceEvent, Event, Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactOpened(DeviceEvent):
    """A contact reports that it is open."""

    kind: ClassVar[str] = "contact.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactClosed(DeviceEvent):
    """A contact reports that it is closed."""

    kind: ClassVar[str] = "contact.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionStarted(DeviceEvent):
    """A detector sees movement."""

    kind: ClassVar[str] = "motion.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionEnded(DeviceEvent):
    """A detector no longer sees movement."""

    kind: ClassVar[str] = "motion.ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperOpened(DeviceEvent):
    """A device's case or wiring was touched."""

    kind: ClassVar[str] = "tamper.opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperClosed(DeviceEvent):
    """A device's case and wiring are whole again."""

    kind: ClassVar[str] = "tamper.closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputReported(DeviceEvent):
    """An output says what it is: proof that a command had its effect."""

    kind: ClassVar[str] = "output.reported"
    on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading(DeviceEvent):
    """One numeric value; travels packed with its neighbours (see `ReadingsPacked`)."""

    lane: ClassVar[Lane | None] = "P4"
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTemperature(Reading):
    """Temperature in degrees Celsius."""

    kind: ClassVar[str] = "reading.temperature"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingHumidity(Reading):
    """Relative humidity in percent."""

    kind: ClassVar[str] = "reading.humidity"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingBattery(Reading):
    """Battery charge in percent."""

    kind: ClassVar[str] = "reading.battery"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingsPacked(Event):
    """Up to five seconds of readings in one row, column by column: readings[i] is of `kinds[i]` by `devices[i]`,
    `values[i]`, taken `gt + after[i]` µs. Told once; the readings inside are what the engine saw, in that order."""

    kind: ClassVar[str] = "readings.packed"
    lane: ClassVar[Lane | None] = "P4"
    kinds: list[str]
    devices: list[str]
    values: list[float]
    after: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceLost(DeviceEvent):
    """A supervised device has gone silent or says it is offline."""

    kind: ClassVar[str] = "device.lost"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceRestored(DeviceEvent):
    """The device is heard again."""

    kind: ClassVar[str] = "device.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadRejected(Event):
    """A message nobody could read was put aside; `count` of them since the last such event from this source."""

    kind: ClassVar[str] = "payload.rejected"
    source: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraLost(DeviceEvent):
    """No picture from a camera; `reason` is a sentence for a person."""

    kind: ClassVar[str] = "camera.lost"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraRestored(DeviceEvent):
    """The camera's picture is back."""

    kind: ClassVar[str] = "camera.restored"
