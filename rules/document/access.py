"""People, doors and keypads in the site document: who may go where, and how each door behaves."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rules.document import Duration, Name, Strict, duration
from rules.events import Mode

_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):  # without repeating it: somebody may have written the code itself
        raise ValueError("this is not a digest; it has 64 of the characters 0-9 and a-f")
    return value


def _date(value: str) -> str:
    try:
        if not _DATE.fullmatch(value):
            raise ValueError
        date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value[:40]!r} is not a date; write for example 2026-03-29") from None
    return value


Digest = Annotated[str, AfterValidator(_digest)]
Date = Annotated[str, AfterValidator(_date)]
Title = Annotated[str, Field(max_length=120)]
Tries = Annotated[int, Field(ge=3, le=10)]


class Valid(Strict):
    """From the first moment of one day to the last of another, on the site's clock; either may be left out."""

    since: Annotated[Date | None, Field(alias="from")] = None
    until: Date | None = None

    @model_validator(mode="after")
    def _order(self) -> Valid:
        if self.since is not None and self.until is not None and self.until < self.since:
            raise ValueError(f"it would end on {self.until}, before it begins on {self.since}")
        return self


class Code(Valid):
    """Digits somebody knows, as their digest. `once` is spent when it is accepted; `duress` tells in secret."""

    digest: Digest
    schedule: Name | None = None
    once: bool = False
    duress: bool = False


class Card(Valid):
    """A credential somebody carries, as its digest."""

    digest: Digest


class Person(Strict):
    """Somebody with a name. `partitions` left out means all of them; `threat` is the highest threat level at which
    doors with a threshold still open; `extended` people get more time at a door; `exempt` ones pass in a lockdown."""

    id: Name
    name: Title = ""
    level: Annotated[int, Field(ge=1, le=4)] = 2
    partitions: list[Name] | None = None
    codes: list[Code] = []
    cards: list[Card] = []
    access: list[Name] = []
    pin: Digest | None = None
    exempt: bool = False
    threat: Annotated[int, Field(ge=0, le=10)] = 0
    extended: bool = False

    @property
    def title(self) -> str:
        """What others call them."""
        return self.name or self.id


class AccessLevel(Strict):
    """Doors that may be passed together, always or in a schedule."""

    id: Name
    name: Title = ""
    doors: list[Name]
    schedule: Name | None = None


class Door(Strict):
    """A lock, and what stands around it. `reader` lets people from `from` into `to`, `reader_out` the other way."""

    id: Name
    name: Title = ""
    lock: Name
    contact: Name | None = None
    rex: Name | None = None
    rex_unlocks: bool = True
    reader: Name | None = None
    reader_out: Name | None = None
    unlock_for: Duration = duration("5s")
    extended_for: Duration = duration("15s")
    held_after: Duration = duration("30s")
    warn_before: Duration = duration("10s")
    relock: Literal["on_open", "on_close", "on_time"] = "on_open"
    from_: Annotated[Name | None, Field(alias="from")] = None
    to: Name | None = None
    anti_passback: Literal["none", "soft", "hard"] = "none"
    forgive: Duration | None = None
    pin: Name = "never"
    codes: bool = False
    tries: Tries = 5
    lockout: Duration = duration("90s")
    two_person: bool = False
    unlock_schedule: Name | None = None
    first_in: bool = False
    partition: Name | None = None
    badge_disarms: bool = False
    double_badge_arms: Mode | None = None
    threat: Annotated[int | None, Field(ge=1, le=10)] = None
    way_out: bool = False
    sirens: list[Name] = []
    siren_for: Duration = duration("3m")
    policy: Name | None = None
    cameras: list[Name] = []

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or self.id

    @property
    def areas(self) -> list[str]:
        """The areas it joins, as far as it says."""
        return [area for area in (self.from_, self.to) if area is not None]

    @model_validator(mode="after")
    def _sense(self) -> Door:
        if not duration("1s") <= self.unlock_for <= duration("10m"):
            raise ValueError(f"{self.id}: a lock is let go for 1s to 10m (unlock_for)")
        if not self.unlock_for <= self.extended_for <= duration("10m"):
            raise ValueError(f"{self.id}: extended_for is at least unlock_for and at most 10m")
        if self.held_after <= self.warn_before:
            raise ValueError(
                f"{self.id}: held_after must be longer than warn_before, or nobody could be warned in time"
            )
        if "relock" in self.model_fields_set and self.relock != "on_time" and self.contact is None:
            raise ValueError(f"{self.id}: relock {self.relock} needs a contact; without one it is on_time")
        if self.anti_passback != "none" and not self.areas:
            raise ValueError(f"{self.id}: anti_passback needs `from` or `to`, the areas it keeps apart")
        if self.from_ is not None and self.from_ == self.to:
            raise ValueError(f"{self.id}: from and to are the same area")
        if self.first_in and self.unlock_schedule is None:
            raise ValueError(f"{self.id}: first_in needs an unlock_schedule that it begins")
        if (self.badge_disarms or self.double_badge_arms is not None) and self.partition is None:
            raise ValueError(f"{self.id}: name the partition that a badge disarms or arms")
        if self.reader is not None and self.reader == self.reader_out:
            raise ValueError(f"{self.id}: reader and reader_out are the same device")
        return self


class Panic(Strict):
    """What the emergency keys of a keypad do: sound, tell in silence, or nothing."""

    panic: Literal["audible", "silent", "off"] = "audible"
    fire: Literal["audible", "silent", "off"] = "audible"
    help: Literal["audible", "silent", "off"] = "silent"


class Keypad(Strict):
    """A keypad, or a reader with keys, that arms and disarms one partition. `quick_arm` lets anybody arm by a key;
    with `two_person` a code disarms only together with another person's."""

    device: Name
    partition: Name
    panic: Panic = Panic()
    tries: Tries = 5
    lockout: Duration = duration("90s")
    quick_arm: bool = True
    two_person: bool = False
    policy: Name | None = None
    cameras: list[Name] = []

    @model_validator(mode="after")
    def _sense(self) -> Keypad:
        if self.lockout < duration("30s"):
            raise ValueError("a keypad is locked out for at least 30s")
        return self
