"""What the values of a message mean, device type by device type: statements, that become facts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from agent.config.pepper import NotACredential, Pepper
from rules.document.device import WORDS, Device, Flag, Mqtt
from rules.events import (
    BatteryLow,
    BatteryRestored,
    ButtonPressed,
    ButtonReleased,
    CardRead,
    CoCleared,
    CodeEntered,
    CoDetected,
    ContactClosed,
    ContactOpened,
    DeviceEvent,
    DeviceLost,
    DeviceRestored,
    GlassBroken,
    GlassCleared,
    HeatCleared,
    HeatDetected,
    InputReported,
    KeyPressed,
    MainsLost,
    MainsRestored,
    MotionEnded,
    MotionStarted,
    OutputReported,
    ReadingHumidity,
    ReadingTemperature,
    SmokeCleared,
    SmokeDetected,
    TamperClosed,
    TamperOpened,
    WaterCleared,
    WaterDetected,
)

# A kind of event, and what its body has beside what all events of devices have.
Statement = tuple[type[DeviceEvent], dict[str, Any]]
# The value of a field of the message (None: the whole payload); ABSENT when it is not there.
Look = Callable[[str | None], Any]

ABSENT: Final = object()
_ALARMS = ("panic", "fire", "help")
_TWO: dict[str, tuple[type[DeviceEvent], type[DeviceEvent]]] = {
    "motion": (MotionStarted, MotionEnded),
    "glass": (GlassBroken, GlassCleared),
    "smoke": (SmokeDetected, SmokeCleared),
    "heat": (HeatDetected, HeatCleared),
    "co": (CoDetected, CoCleared),
    "water": (WaterDetected, WaterCleared),
    "button": (ButtonPressed, ButtonReleased),
}
_FLAGS: dict[str, tuple[type[DeviceEvent], type[DeviceEvent]]] = {
    "tamper": (TamperOpened, TamperClosed),
    "battery": (BatteryLow, BatteryRestored),
    "mains": (MainsLost, MainsRestored),
    "lost": (DeviceLost, DeviceRestored),
}


class Unreadable(ValueError):
    """A payload that does not say what its device should say; the text is a reason without the payload itself."""


def state(device: Device, mqtt: Mqtt, look: Look, pepper: Pepper | None) -> list[Statement]:
    """What the message says of the device itself; nothing when it does not mention it."""
    if device.type == "keypad":
        return _keypad(device, mqtt, look, pepper)
    if device.type == "reader":
        return _reader(mqtt, look, pepper)
    value = look(mqtt.field)
    if value is ABSENT:  # a heartbeat without the field that matters says nothing about it
        return []
    what = mqtt.field or "the payload"
    match device.type:
        case "contact" if _same(value, mqtt.open):
            return [(ContactOpened, {})]
        case "contact" if _same(value, mqtt.closed):
            return [(ContactClosed, {})]
        case "button" if mqtt.off is None and _same(value, mqtt.on):
            return [(ButtonPressed, {}), (ButtonReleased, {})]
        case "motion" | "glass" | "smoke" | "heat" | "co" | "water" | "button" if _same(value, mqtt.on):
            return [(_TWO[device.type][0], {})]
        case "motion" | "glass" | "smoke" | "heat" | "co" | "water" | "button" if _same(value, mqtt.off):
            return [(_TWO[device.type][1], {})]
        case "siren" | "output" | "lock" if _same(value, mqtt.on) or _same(value, mqtt.off):
            return [(OutputReported, {"on": _same(value, mqtt.on)})]
        case "input":
            for word in ("normal", "active", "short", "open"):
                if _same(value, getattr(mqtt, word)):
                    return [(InputReported, {"state": word})]
            raise Unreadable(f"{what} is none of the values that {device.id} can have")
        case "temperature" | "humidity":
            if not _number(value):
                raise Unreadable(f"{what} is not a number that can be a {device.type}")
            reading = ReadingTemperature if device.type == "temperature" else ReadingHumidity
            return [(reading, {"value": float(value)})]
    raise Unreadable(f"{what} is neither of the two values that {device.id} can have")


def trouble(device: Device, name: str, flag: Flag, look: Look) -> bool | None:
    """Whether the message says that this trouble is there; None when it says nothing of it."""
    value = look(flag.field)
    if value is ABSENT:
        return None
    if flag.below is not None:
        if not _number(value):
            raise Unreadable(f"{flag.field or 'the payload'} is not a number that can be the {name} of {device.id}")
        return bool(value < flag.below)
    if _same(value, flag.on):
        return True
    if _same(value, flag.off):
        return False
    raise Unreadable(f"{flag.field or 'the payload'} is neither of the two values for the {name} of {device.id}")


def told(name: str, *, there: bool) -> Statement:
    """The trouble, or its end, as a statement."""
    kind = _FLAGS[name][0 if there else 1]
    return kind, {"reason": "it says itself that it is offline"} if kind is DeviceLost else {}


def _keypad(device: Device, mqtt: Mqtt, look: Look, pepper: Pepper | None) -> list[Statement]:
    code = _credential(look(mqtt.code)) if mqtt.code is not None else None
    word = _word(device, mqtt, mqtt.wish, look) or _word(device, mqtt, mqtt.key, look)
    if word in _ALARMS:  # with a code or without, right or wrong: nobody types well who needs help
        return [(KeyPressed, {"key": word})]
    if code is not None:
        return [(CodeEntered, {"digest": _digest(pepper, "code", code), "wish": word})]
    if word == "disarm":
        raise Unreadable(f"{device.id} asks to disarm without a code")
    return [(KeyPressed, {"key": word})] if word else []


def _reader(mqtt: Mqtt, look: Look, pepper: Pepper | None) -> list[Statement]:
    statements: list[Statement] = []
    card = _credential(look(mqtt.field))
    if card is not None:
        statements.append((CardRead, {"digest": _digest(pepper, "card", card)}))
    code = _credential(look(mqtt.code)) if mqtt.code is not None else None
    if code is not None:
        statements.append((CodeEntered, {"digest": _digest(pepper, "code", code)}))
    return statements


def _credential(value: Any) -> Any:
    """As text; None when nothing was typed or shown. A number has lost its leading zeros at the sender already."""
    if value is ABSENT or value is None or value == "":
        return None
    return str(value) if type(value) is int else value


def _digest(pepper: Pepper | None, what: str, value: Any) -> str:
    if pepper is None:
        raise Unreadable("this gateway has no pepper to make digests with")
    try:
        return pepper.card(value) if what == "card" else pepper.code(value)
    except NotACredential as error:
        raise Unreadable(str(error)) from None


def _word(device: Device, mqtt: Mqtt, field: str | None, look: Look) -> str:
    value = look(field) if field is not None else ABSENT
    if value is ABSENT or value is None or value == "":
        return ""
    if isinstance(value, str):
        if mqtt.words is not None and value in mqtt.words:
            return mqtt.words[value]
        if mqtt.words is None and value in WORDS:
            return value
    raise Unreadable(f"{field} is none of the `words` of {device.id}")


def _number(value: Any) -> bool:
    # What is not finite is not within the bounds either; math.isfinite cannot be asked of a number of 400 digits.
    return type(value) in (int, float) and bool(abs(value) <= 1e6)


def _same(value: Any, meaning: Any) -> bool:
    """1 and 1.0 are one number in JSON; true and 1 are not the same word, nor are "1" and 1."""
    if isinstance(value, bool) or isinstance(meaning, bool) or isinstance(value, str) or isinstance(meaning, str):
        return type(value) is type(meaning) and bool(value == meaning)
    return isinstance(value, int | float) and isinstance(meaning, int | float) and value == meaning
