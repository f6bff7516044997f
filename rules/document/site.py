"""The site document: what is in the building and what shall be done about it. Imported, versioned, exported as YAML;
secrets are only named in it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from rules.document import Name, Strict, load_placed
from rules.document.access import AccessLevel, Door, Keypad, Person
from rules.document.device import Device as Device  # most who read documents know devices from here
from rules.document.device import Mqtt as Mqtt
from rules.document.library import used
from rules.document.panel import Partition, Zone
from rules.document.rule import Rule
from rules.document.schedule import HolidayDate, Schedule
from rules.document.site_check import mistakes
from rules.errors import DocumentError
from rules.timetable import Sun, Timetable, zone


def _zone(value: str) -> str:
    zone(value)
    return value


TimeZone = Annotated[str, AfterValidator(_zone)]


class Place(Strict):
    """The building."""

    id: Name
    name: Annotated[str, Field(min_length=1, max_length=120)]
    timezone: TimeZone = "UTC"
    latitude: Annotated[float | None, Field(ge=-90, le=90, strict=True)] = None
    longitude: Annotated[float | None, Field(ge=-180, le=180, strict=True)] = None

    @model_validator(mode="after")
    def _whole(self) -> Place:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("a place has both latitude and longitude, in degrees (north and east positive)")
        return self

    def sun(self) -> Sun | None:
        """The sun over the building; None when nobody said where it stands."""
        if self.latitude is None or self.longitude is None:
            return None
        return Sun(latitude=self.latitude, longitude=self.longitude)


class Site(Strict):
    """The whole document."""

    site: Place
    devices: list[Device] = []
    partitions: list[Partition] = []
    zones: list[Zone] = []
    holidays: dict[Name, list[HolidayDate]] = {}
    schedules: dict[Name, Schedule] = {}
    people: list[Person] = []
    access_levels: list[AccessLevel] = []
    doors: list[Door] = []
    keypads: list[Keypad] = []
    rules: list[Annotated[Rule, BeforeValidator(used)]] = []

    def device(self, device: str) -> Device | None:
        """The device of this id."""
        return next((each for each in self.devices if each.id == device), None)

    @property
    def has_digests(self) -> bool:
        """Whether somebody has a code or a card by it: digests that one gateway's pepper made."""
        return any(person.codes or person.cards or person.pin for person in self.people)

    def subjects(self) -> set[str]:
        """What facts may be about, beside devices: zones, partitions, doors, areas and rules."""
        return (
            {rule.id for rule in self.rules}
            | {partition.id for partition in self.partitions}
            | {zone.id for zone in self.zones}
            | set(self.schedules)
            | {door.id for door in self.doors}
            | {area for door in self.doors for area in (*door.areas, "outside")}
        )

    def timetables(self) -> dict[str, Timetable]:
        """The schedules, ready to ask."""
        sun = self.site.sun()
        return {
            name: schedule.timetable(timezone=self.site.timezone, holidays=self.holidays, sun=sun)
            for name, schedule in self.schedules.items()
        }


def load_site(text: str, file: str) -> Site:
    """The site document in `text`. DocumentError with every mistake, dangling names included."""
    site, places = load_placed(text, file, Site)
    problems = [places.problem(places.of_value(path), path, message) for path, message in mistakes(site)]
    if problems:
        raise DocumentError(problems)
    return site
