"""From a topic and a payload to facts, by the plain mapping of the site document."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from agent.clock import Header
from rules import ids
from rules.document.site import Device, Mqtt
from rules.events import (
    ContactClosed,
    ContactOpened,
    Delivery,
    DeviceEvent,
    MotionEnded,
    MotionStarted,
    OutputReported,
    ReadingHumidity,
    ReadingTemperature,
)

MAX_PAYLOAD = 65_536


class Unreadable(ValueError):
    """A payload that does not say what its device should say; the text is a reason without the payload itself."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says: a fact for each device it mentions, and why the rest of it could not be read."""

    facts: list[DeviceEvent]
    problem: str | None = None


class Mapping:
    """Which devices speak on which topic."""

    def __init__(self, *, devices: Iterable[Device]) -> None:
        self._by_topic: dict[str, list[tuple[Device, Mqtt]]] = {}
        for device in devices:
            if device.mqtt is not None:
                self._by_topic.setdefault(device.mqtt.topic, []).append((device, device.mqtt))

    @property
    def topics(self) -> list[str]:
        """What to subscribe to."""
        return sorted(self._by_topic)

    def knows(self, topic: str) -> bool:
        """Whether a device of this site speaks on this topic."""
        return topic in self._by_topic

    def read(self, topic: str, payload: bytes, *, header: Header, delivery: Delivery) -> Said:
        """What the message says. One device's nonsense does not silence another that speaks in the same message."""
        facts: list[DeviceEvent] = []
        problems: list[str] = []
        try:
            devices, document = self._open(topic, payload)
        except Unreadable as error:
            return Said(facts, str(error))
        counter = document.get("n") if isinstance(document, dict) else None
        n = counter if type(counter) is int and abs(counter) < 2**53 else None
        for device, mqtt in devices:
            try:
                value = _value(payload, document, mqtt.field)
                if value is not _ABSENT:  # a heartbeat without the field that matters says nothing about it
                    facts.append(_fact(device, mqtt, value, header, delivery, n, len(facts)))
            except Unreadable as error:
                problems.append(str(error))
        return Said(facts, "; ".join(problems) or None)

    def _open(self, topic: str, payload: bytes) -> tuple[list[tuple[Device, Mqtt]], Any]:
        devices = self._by_topic.get(topic, [])
        if not devices:
            raise Unreadable("no device of this site speaks on this topic")
        if len(payload) > MAX_PAYLOAD:
            raise Unreadable(f"the payload has {len(payload)} bytes, at most {MAX_PAYLOAD} are read")
        return devices, _parse(payload) if any(mqtt.field is not None for _, mqtt in devices) else None


_ABSENT = object()


def _parse(payload: bytes) -> Any:
    try:
        return json.loads(payload, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unreadable("the payload is not JSON") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _value(payload: bytes, document: Any, field: str | None) -> Any:
    if field is None:
        try:
            return payload.decode()
        except UnicodeDecodeError:
            raise Unreadable("the payload is not text") from None
    here = document
    for step in field.split("."):
        if not isinstance(here, dict):
            raise Unreadable(f"{field} cannot be found: the payload is not an object")
        if step not in here:
            return _ABSENT
        here = here[step]
    return here


def _same(value: Any, meaning: Any) -> bool:
    """1 and 1.0 are one number in JSON; true and 1 are not the same word, nor are "1" and 1."""
    if isinstance(value, bool) or isinstance(meaning, bool) or isinstance(value, str) or isinstance(meaning, str):
        return type(value) is type(meaning) and bool(value == meaning)
    return isinstance(value, int | float) and isinstance(meaning, int | float) and value == meaning


def _fact(
    device: Device, mqtt: Mqtt, value: Any, header: Header, delivery: Delivery, n: int | None, ordinal: int
) -> DeviceEvent:
    common: dict[str, Any] = {**header, "device": device.id, "delivery": delivery, "n": n}
    if ordinal:  # two facts of one message are two facts
        common["id"] = ids.derived(header["id"], ordinal)
    match device.type:
        case "contact" if _same(value, mqtt.open):
            return ContactOpened(**common)
        case "contact" if _same(value, mqtt.closed):
            return ContactClosed(**common)
        case "motion" if _same(value, mqtt.on):
            return MotionStarted(**common)
        case "motion" if _same(value, mqtt.off):
            return MotionEnded(**common)
        case "siren" | "output" if _same(value, mqtt.on) or _same(value, mqtt.off):
            return OutputReported(**common, on=_same(value, mqtt.on))
        case "temperature" | "humidity":
            if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > 1e6:
                raise Unreadable(f"{mqtt.field or 'the payload'} is not a number that can be a {device.type}")
            reading = ReadingTemperature if device.type == "temperature" else ReadingHumidity
            return reading(**common, value=float(value))
    raise Unreadable(f"{mqtt.field or 'the payload'} is neither of the two values that {device.id} can have")
