"""What a rule waits for: one event, or a pattern of events and of time."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from rules.document import Duration, Name, Strict
from rules.document.condition import Reading
from rules.document.select import SUBJECTS, About, Kinds, Selector, Wait, Words, as_list

# A pattern remembers as many moments as it counts, for each value of `same`: both are bounded.
MOST_COUNTED = 100
LONGEST_SEQUENCE = 10
_WORDS = ("event", "count", "sequence", "absence", "holds")


class Count(Selector):
    """At least so many of these events within a time; `same` counts apart for each value of this field."""

    at_least: Annotated[int, Field(ge=2, le=MOST_COUNTED)]
    within: Duration
    same: str | None = None


class Absence(Selector):
    """None of these events for a time: since the last one, or, with `after`, since the first of those."""

    duration: Annotated[Wait, Field(alias="for")]
    after: Selector | None = None


class Holds(Strict):
    """Something has been so for a time without a break: a state of a device, zone, partition or door, or a reading."""

    device: Name | None = None
    zone: Name | None = None
    partition: Name | None = None
    door: Name | None = None
    state: Annotated[str | None, Field(alias="is")] = None
    reading: Reading | None = None
    duration: Annotated[Wait, Field(alias="for")]

    @model_validator(mode="after")
    def _one(self) -> Holds:
        named = [field for field in ("device", "zone", "partition", "door") if getattr(self, field) is not None]
        if (self.reading is not None and (named or self.state is not None)) or (
            self.reading is None and (len(named) != 1 or self.state is None)
        ):
            raise ValueError("holds is a device, zone, partition or door with `is`, or a reading; each with `for`")
        return self

    @property
    def named(self) -> tuple[str, str] | None:
        """(field, name) of whom it is about."""
        if self.reading is not None:
            return "device", self.reading.device
        fields = (("device", self.device), ("zone", self.zone), ("partition", self.partition), ("door", self.door))
        return next(((field, name) for field, name in fields if name is not None), None)


class When(About):
    """Exactly one of `event`, `count`, `sequence`, `absence` and `holds`."""

    event: Kinds | None = None
    where: dict[str, Words] = {}
    count: Count | None = None
    sequence: Annotated[list[Selector] | None, Field(min_length=2, max_length=LONGEST_SEQUENCE)] = None
    within: Duration | None = None
    unless: Annotated[list[Selector], BeforeValidator(as_list), Field(max_length=LONGEST_SEQUENCE)] = []
    same: str | None = None
    absence: Absence | None = None
    holds: Holds | None = None

    @model_validator(mode="after")
    def _one(self) -> When:
        used = [word for word in _WORDS if getattr(self, word) is not None]
        if len(used) != 1:
            raise ValueError(f"a rule waits for exactly one of {', '.join(_WORDS)}")
        beside = self.model_fields_set - {used[0]}
        if used[0] == "event":
            allowed = {*SUBJECTS, "where"}
        elif used[0] == "sequence":
            allowed = {"within", "unless", "same"}
            if self.within is None:
                raise ValueError("a sequence needs within: the longest time from its first event to its last")
        else:
            allowed = set()
        if wrong := sorted(beside - allowed):
            raise ValueError(f"{wrong[0]} does not belong beside {used[0]}" + _inside(used[0], wrong[0]))
        if len([field for field in SUBJECTS if getattr(self, field) is not None]) > 1:
            raise ValueError(f"an event is about one of {', '.join(SUBJECTS)}; for more use where")
        return self

    @cached_property
    def selector(self) -> Selector | None:
        """The one event, when it is one."""
        if self.event is None:
            return None
        names = {field: getattr(self, field) for field in SUBJECTS}
        return Selector.model_construct(event=self.event, where=self.where, **names)


def _inside(word: str, wrong: str) -> str:
    return f"; write it inside {word}" if word in ("count", "absence", "holds") and wrong != "unless" else ""
