"""What devices tell: contacts, detectors, outputs, readings, and whether they are there at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

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
class InputReported(DeviceEvent):
    """A supervised input says which of its four states it is in: normal, active, or its line short or open."""

    kind: ClassVar[str] = "input.reported"
    state: Literal["normal", "active", "short", "open"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeDetected(DeviceEvent):
    """A detector sees smoke."""

    kind: ClassVar[str] = "smoke.detected"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeCleared(DeviceEvent):
    """A detector no longer sees smoke."""

    kind: ClassVar[str] = "smoke.cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatDetected(DeviceEvent):
    """A detector is hotter than it may be, or heats too fast."""

    kind: ClassVar[str] = "heat.detected"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatCleared(DeviceEvent):
    """A heat detector is back to normal."""

    kind: ClassVar[str] = "heat.cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoDetected(DeviceEvent):
    """A detector smells carbon monoxide."""

    kind: ClassVar[str] = "co.detected"


@dataclass(frozen=True, slots=True, kw_only=True)
class CoCleared(DeviceEvent):
    """A detector no longer smells carbon monoxide."""

    kind: ClassVar[str] = "co.cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterDetected(DeviceEvent):
    """A detector stands in water."""

    kind: ClassVar[str] = "water.detected"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaterCleared(DeviceEvent):
    """A water detector is dry again."""

    kind: ClassVar[str] = "water.cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassBroken(DeviceEvent):
    """A detector hears glass break."""

    kind: ClassVar[str] = "glass.broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassCleared(DeviceEvent):
    """A glass-break detector is quiet again."""

    kind: ClassVar[str] = "glass.cleared"


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonPressed(DeviceEvent):
    """A button was pressed: a hold-up button, a request to exit, a call."""

    kind: ClassVar[str] = "button.pressed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ButtonReleased(DeviceEvent):
    """A button was let go, or a hold-up button was put back with its key."""

    kind: ClassVar[str] = "button.released"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryLow(DeviceEvent):
    """A device's battery will not last much longer."""

    kind: ClassVar[str] = "battery.low"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatteryRestored(DeviceEvent):
    """A device's battery is good again."""

    kind: ClassVar[str] = "battery.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class MainsLost(DeviceEvent):
    """A device runs on its battery: its mains supply is gone."""

    kind: ClassVar[str] = "mains.lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class MainsRestored(DeviceEvent):
    """A device has its mains supply again."""

    kind: ClassVar[str] = "mains.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeEntered(DeviceEvent):
    """Digits were typed at a keypad or reader; `digest` is their HMAC, hex. `wish` is what the person asked for
    with it."""

    kind: ClassVar[str] = "code.entered"
    digest: str
    wish: Literal["", "arm_away", "arm_stay", "arm_night", "arm_custom", "disarm"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPressed(DeviceEvent):
    """A key of a keypad that needs no code was pressed."""

    kind: ClassVar[str] = "key.pressed"
    key: Literal["arm_away", "arm_stay", "arm_night", "arm_custom", "panic", "fire", "help"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRead(DeviceEvent):
    """A reader read a credential; `digest` is the HMAC of its bits, hex."""

    kind: ClassVar[str] = "card.read"
    digest: str


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
