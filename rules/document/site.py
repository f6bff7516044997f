"""The site document: what is in the building and what shall be done about it. Imported, versioned, exported as YAML;
secrets are only named in it."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from rules.document import Name, Secret, Strict, load_placed
from rules.document.rule import Rule
from rules.document.site_check import mistakes
from rules.errors import DocumentError
from rules.timetable import Span, Timetable, days, minutes, zone

Scalar = bool | int | float | str


def _topic(value: str) -> str:
    if not 0 < len(value) <= 200 or re.search(r"[#+\s\0]", value):
        raise ValueError(f"{value[:60]!r} is not a topic; it has no #, no + and no spaces, as in building/front-door")
    return value


def _url(value: str) -> str:
    if not re.fullmatch(r"rtsps?://[^@\s]+", value):  # without repeating it: it may have a password in it
        raise ValueError("this is not a camera's address; write rtsp://HOST:PORT/PATH, with user and password apart")
    return value


def _day(value: str) -> str:
    days([value])
    return value


def _clock(value: str) -> str:
    minutes(value)
    return value


def _zone(value: str) -> str:
    zone(value)
    return value


Topic = Annotated[str, AfterValidator(_topic)]
Day = Annotated[str, AfterValidator(_day)]
Clock = Annotated[str, AfterValidator(_clock)]
TimeZone = Annotated[str, AfterValidator(_zone)]


class MqttCommand(Strict):
    """What to publish, and where, to switch an output."""

    topic: Topic
    on: str
    off: str


class Mqtt(Strict):
    """A plain mapping: a topic, the JSON field that matters (none: the whole payload), and what its values mean."""

    topic: Topic
    field: str | None = None
    open: Scalar | None = None
    closed: Scalar | None = None
    on: Scalar | None = None
    off: Scalar | None = None
    command: MqttCommand | None = None


class Rtsp(Strict):
    """A camera's stream. User and password stand apart, never in the URL."""

    url: Annotated[str, AfterValidator(_url)]
    user: str | None = None
    password: Secret | None = None


class Device(Strict):
    """One device, with the family section that says how it is reached."""

    id: Name
    name: Annotated[str, Field(max_length=120)] = ""
    type: Literal["contact", "motion", "siren", "output", "temperature", "humidity", "camera"]
    mqtt: Mqtt | None = None
    rtsp: Rtsp | None = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or self.id

    @model_validator(mode="after")
    def _family(self) -> Device:
        if self.type == "camera":
            if self.rtsp is None or self.mqtt is not None:
                raise ValueError(f"camera {self.id} needs rtsp (url, user, password), and nothing else")
            return self
        if self.mqtt is None or self.rtsp is not None:
            raise ValueError(f"{self.type} {self.id} needs mqtt (topic, field, values), and nothing else")
        if self.type == "contact" and (self.mqtt.open is None or self.mqtt.closed is None):
            raise ValueError(f"contact {self.id}: say in mqtt what is `open` and what is `closed`")
        if self.type in ("motion", "siren", "output") and (self.mqtt.on is None or self.mqtt.off is None):
            raise ValueError(f"{self.type} {self.id}: say in mqtt what is `on` and what is `off`")
        if self.type in ("siren", "output") and self.mqtt.command is None:
            raise ValueError(f"{self.type} {self.id}: say in mqtt.command where to publish what")
        return self


class WeeklySpan(Strict):
    """Days and times of every week; `to` at or before `from` is the next morning."""

    days: Annotated[list[Day], Field(min_length=1)]
    since: Annotated[Clock, Field(alias="from")]
    until: Annotated[Clock, Field(alias="to")]

    def span(self) -> Span:
        """As the timetable reads it."""
        return Span(days(self.days), minutes(self.since), minutes(self.until))


class Schedule(Strict):
    """A timetable on the site's clock."""

    weekly: Annotated[list[WeeklySpan], Field(min_length=1)]


class Place(Strict):
    """The building."""

    id: Name
    name: Annotated[str, Field(min_length=1, max_length=120)]
    timezone: TimeZone = "UTC"


class Site(Strict):
    """The whole document."""

    site: Place
    devices: list[Device] = []
    schedules: dict[Name, Schedule] = {}
    rules: list[Rule] = []

    def device(self, device: str) -> Device | None:
        """The device of this id."""
        return next((each for each in self.devices if each.id == device), None)

    def timetables(self) -> dict[str, Timetable]:
        """The schedules, ready to ask."""
        here: ZoneInfo = zone(self.site.timezone)
        return {
            name: Timetable(here, tuple(span.span() for span in schedule.weekly))
            for name, schedule in self.schedules.items()
        }


def load_site(text: str, file: str) -> Site:
    """The site document in `text`. DocumentError with every mistake, dangling names included."""
    site, places = load_placed(text, file, Site)
    problems = [places.problem(places.of_value(path), path, message) for path, message in mistakes(site)]
    if problems:
        raise DocumentError(problems)
    return site
