"""From a topic and a payload to facts, by the plain mapping of the site document."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from agent.clock import Header
from agent.config.pepper import Pepper
from agent.devices.mqtt.meaning import ABSENT, Look, Statement, Unreadable, state, told, trouble
from rules import ids
from rules.document.device import Device, Flag, Mqtt
from rules.events import Delivery, DeviceEvent, DeviceRestored

MAX_PAYLOAD = 65_536
_BEARERS = ("keypad", "reader")


@dataclass(frozen=True, slots=True)
class Said:
    """What a message says: a fact for each device it mentions, and why the rest of it could not be read."""

    facts: list[DeviceEvent]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Part:
    """What one topic tells of one device: its state, or (with `flag`) a trouble beside it."""

    device: Device
    mqtt: Mqtt
    name: str = ""
    flag: Flag | None = None

    @property
    def fields(self) -> tuple[str | None, ...]:
        if self.flag is not None:
            return (self.flag.field,)
        named = (self.mqtt.field, self.mqtt.code, self.mqtt.wish, self.mqtt.key)
        return tuple(field for field in named if field is not None) or (None,)


class Mapping:
    """Which devices speak on which topic. It remembers the troubles that devices tell with every message, so that only
    their beginning and end become facts. `pepper` is needed where there are keypads or readers. `missed` says of
    devices that are missed when they are silent how often (µs) a word without meaning is told as proof of life."""

    def __init__(
        self, *, devices: Iterable[Device], pepper: Pepper | None = None, missed: dict[str, int] | None = None
    ) -> None:
        self._pepper = pepper
        self._missed = missed or {}
        self._heard: dict[str, int] = {}  # gateway time of their last fact
        self._by_topic: dict[str, list[_Part]] = {}
        self._bearing: set[str] = set()
        self._troubles: dict[tuple[str, str], bool] = {}
        for device in devices:
            mqtt = device.mqtt
            if mqtt is None:
                continue
            self._by_topic.setdefault(mqtt.topic, []).append(_Part(device, mqtt))
            for name, flag in mqtt.flags():
                self._by_topic.setdefault(flag.topic or mqtt.topic, []).append(_Part(device, mqtt, name, flag))
            if device.type in _BEARERS:
                self._bearing.add(mqtt.topic)

    @property
    def topics(self) -> list[str]:
        """What to subscribe to."""
        return sorted(self._by_topic)

    def knows(self, topic: str) -> bool:
        """Whether a device of this site speaks on this topic."""
        return topic in self._by_topic

    def device(self, topic: str) -> str:
        """The first device that speaks on a topic of this site."""
        return self._by_topic[topic][0].device.id

    def bears_credentials(self, topic: str) -> bool:
        """Whether messages of this topic may have the digits of a code or the number of a card in them."""
        return topic in self._bearing

    def read(self, topic: str, payload: bytes, *, header: Header, delivery: Delivery) -> Said:
        """What the message says. One device's nonsense does not silence another that speaks in the same message."""
        facts: list[DeviceEvent] = []
        problems: list[str] = []
        try:
            parts, document = self._open(topic, payload)
        except Unreadable as error:
            return Said(facts, str(error))
        counter = document.get("n") if isinstance(document, dict) else None
        n = counter if type(counter) is int and abs(counter) < 2**53 else None

        def look(field: str | None) -> Any:
            return _value(payload, document, field)

        def tell(part: _Part, statements: list[Statement]) -> None:
            for kind, body in statements:
                common: dict[str, Any] = {**header, "device": part.device.id, "delivery": delivery, "n": n}
                if facts:  # two facts of one message are two facts
                    common["id"] = ids.derived(header["id"], len(facts))
                facts.append(kind(**common, **body))

        for part in parts:
            try:
                tell(part, self._said(part, look, delivery))
            except Unreadable as error:
                problems.append(str(error))
        if self._missed and not problems and delivery in ("live", "redelivered"):
            self._prove_life(parts, facts, header["gt"], tell)
        return Said(facts, "; ".join(problems) or None)

    def _prove_life(
        self, parts: list[_Part], facts: list[DeviceEvent], now: int, tell: Callable[[_Part, list[Statement]], None]
    ) -> None:
        """A device that says nothing new is there all the same: told now and then, as that it is heard."""
        for fact in facts:
            if fact.device in self._missed:
                self._heard[fact.device] = now
        for part in parts:
            device = part.device.id
            every = self._missed.get(device)
            if every is None or part.flag is not None:
                continue
            if device not in self._heard or now - self._heard[device] >= every:
                self._heard[device] = now
                tell(part, [(DeviceRestored, {})])

    def _open(self, topic: str, payload: bytes) -> tuple[list[_Part], Any]:
        parts = self._by_topic.get(topic, [])
        if not parts:
            raise Unreadable("no device of this site speaks on this topic")
        if len(payload) > MAX_PAYLOAD:
            raise Unreadable(f"the payload has {len(payload)} bytes, at most {MAX_PAYLOAD} are read")
        named = any(field is not None for part in parts for field in part.fields)
        return parts, _parse(payload) if named else None

    def _said(self, part: _Part, look: Look, delivery: Delivery) -> list[Statement]:
        if part.flag is None:
            return state(part.device, part.mqtt, look, self._pepper)
        there = trouble(part.device, part.name, part.flag, look)
        key = (part.device.id, part.name)
        if there is None or (delivery != "late" and self._troubles.get(key) is there):
            return []
        if delivery != "late":
            self._troubles[key] = there
        return [told(part.name, there=there)]


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
            return ABSENT
        here = here[step]
    return here
