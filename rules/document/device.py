"""Devices of a site document: what they are, how they are reached, and what their words mean."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from rules.document import Name, Secret, Strict

Scalar = bool | int | float | str
Type = Literal[
    "contact", "motion", "glass", "smoke", "heat", "co", "water", "button", "input", "keypad", "reader",
    "siren", "output", "lock", "temperature", "humidity", "camera",
]  # fmt: skip
# What a person can ask for at a keypad: with a code, or by a key alone.
Word = Literal["arm_away", "arm_stay", "arm_night", "arm_custom", "disarm", "panic", "fire", "help"]
WORDS: tuple[Word, ...] = get_args(Word)
DETECTORS = ("motion", "glass", "smoke", "heat", "co", "water")
SWITCHED = ("siren", "output", "lock")
ASIDE = ("tamper", "battery", "mains", "lost")


def _topic(value: str) -> str:
    if not 0 < len(value) <= 200 or re.search(r"[#+\s\0]", value):
        raise ValueError(f"{value[:60]!r} is not a topic; it has no #, no + and no spaces, as in building/front-door")
    return value


def _url(value: str) -> str:
    if not re.fullmatch(r"rtsps?://[^@\s]+", value):  # without repeating it: it may have a password in it
        raise ValueError("this is not a camera's address; write rtsp://HOST:PORT/PATH, with user and password apart")
    return value


Topic = Annotated[str, AfterValidator(_topic)]


class MqttCommand(Strict):
    """What to publish, and where, to switch an output."""

    topic: Topic
    on: str
    off: str


class Flag(Strict):
    """A trouble told beside the state of the device: `on` is the value that means it is there, `off` that it is not; or
    `below`, a number under which it is there. `topic`: where, when it is not the device's own topic."""

    topic: Topic | None = None
    field: str | None = None
    on: Scalar | None = None
    off: Scalar | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Flag:
        if (self.below is None) == (self.on is None and self.off is None):
            raise ValueError("say what is `on` and what is `off`, or `below` which number the trouble begins")
        if self.below is None and (self.on is None or self.off is None):
            raise ValueError("say both: what is `on` (the trouble is there) and what is `off`")
        if self.topic is None and self.field is None:
            raise ValueError("name the `field` that tells it, or a `topic` of its own")
        return self


class Mqtt(Strict):
    """A plain mapping: a topic, the JSON field that matters (none: the whole payload), and what its values mean."""

    topic: Topic
    field: str | None = None
    open: Scalar | None = None
    closed: Scalar | None = None
    on: Scalar | None = None
    off: Scalar | None = None
    normal: Scalar | None = None
    active: Scalar | None = None
    short: Scalar | None = None
    code: str | None = None
    wish: str | None = None
    key: str | None = None
    words: dict[str, Word] | None = None
    tamper: Flag | None = None
    battery: Flag | None = None
    mains: Flag | None = None
    lost: Flag | None = None
    command: MqttCommand | None = None

    def flags(self) -> list[tuple[str, Flag]]:
        """The troubles it tells beside its state, by name."""
        return [(name, flag) for name in ASIDE if (flag := getattr(self, name)) is not None]


class Rtsp(Strict):
    """A camera's stream. User and password stand apart, never in the URL."""

    url: Annotated[str, AfterValidator(_url)]
    user: str | None = None
    password: Secret | None = None


class Device(Strict):
    """One device, with the family section that says how it is reached. A `lock` that is on is let go: the door can be
    opened."""

    id: Name
    name: Annotated[str, Field(max_length=120)] = ""
    type: Type
    mqtt: Mqtt | None = None
    rtsp: Rtsp | None = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or self.id

    @property
    def switched(self) -> bool:
        """Whether it is an output that can be held on or off."""
        return self.type in SWITCHED

    @model_validator(mode="after")
    def _family(self) -> Device:
        if self.type == "camera":
            if self.rtsp is None or self.mqtt is not None:
                raise ValueError(f"camera {self.id} needs rtsp (url, user, password), and nothing else")
            return self
        if self.mqtt is None or self.rtsp is not None:
            raise ValueError(f"{self.type} {self.id} needs mqtt (topic, field, values), and nothing else")
        self._values(self.mqtt)
        self._credentials(self.mqtt)
        if self.switched and self.mqtt.command is None:
            raise ValueError(f"{self.type} {self.id}: say in mqtt.command where to publish what")
        return self

    def _values(self, mqtt: Mqtt) -> None:
        if self.type == "contact" and (mqtt.open is None or mqtt.closed is None):
            raise ValueError(f"contact {self.id}: say in mqtt what is `open` and what is `closed`")
        if self.type in (*DETECTORS, *SWITCHED) and (mqtt.on is None or mqtt.off is None):
            raise ValueError(f"{self.type} {self.id}: say in mqtt what is `on` and what is `off`")
        if self.type == "button" and mqtt.on is None:
            raise ValueError(f"button {self.id}: say in mqtt what is `on`; without `off` each press is a short one")
        if self.type == "input" and (mqtt.normal is None or mqtt.active is None):
            raise ValueError(
                f"input {self.id}: say in mqtt what is `normal` and what is `active`, and `short` and `open` if it "
                "watches its line"
            )

        self._apart(mqtt)

    def _apart(self, mqtt: Mqtt) -> None:
        """What means two things means neither. 1 and true are two values, 1 and 1.0 are one."""
        words = {name: getattr(mqtt, name) for name in ("open", "closed", "on", "off", "normal", "active", "short")}
        meant: dict[tuple[bool, object], str] = {}
        for name, value in words.items():
            if value is None:
                continue
            first = meant.setdefault((isinstance(value, bool), value), name)
            if first != name:
                raise ValueError(f"{self.type} {self.id}: `{first}` and `{name}` are the same value in mqtt")

    def _credentials(self, mqtt: Mqtt) -> None:
        if self.type == "keypad":
            if mqtt.code is None and mqtt.key is None:
                raise ValueError(f"keypad {self.id}: name in mqtt the field that has the `code`, or the `key`")
            if mqtt.field is not None:
                raise ValueError(f"keypad {self.id}: it has no `field`; name `code`, `wish` and `key`")
            if mqtt.wish is not None and mqtt.code is None:
                raise ValueError(f"keypad {self.id}: a `wish` needs the `code` it comes with")
        elif self.type == "reader":
            if mqtt.code is not None and mqtt.field is None:
                raise ValueError(f"reader {self.id}: beside a `code`, name the `field` that has the card")
        elif mqtt.code is not None:
            raise ValueError(f"{self.type} {self.id}: only keypads and readers have a `code`")
        if self.type != "keypad" and any(part is not None for part in (mqtt.wish, mqtt.key, mqtt.words)):
            raise ValueError(f"{self.type} {self.id}: only keypads have `wish`, `key` and `words`")
