"""What must be so for a rule to act."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rules.document import Duration, Name, Strict
from rules.document.select import Selector, Words


def one_of(part: Strict, what: str) -> None:
    """ValueError unless exactly one key is there and has a value: a word without its value would do nothing."""
    words = {name: field.alias or name for name, field in type(part).model_fields.items()}
    if len(part.model_fields_set) != 1:
        raise ValueError(f"{what} is exactly one of {', '.join(words.values())}")
    (name,) = part.model_fields_set
    if getattr(part, name) is None:
        raise ValueError(f"{words[name]} has nothing after it")


class Recent(Selector):
    """Such an event happened within this time before now."""

    within: Duration


class State(Strict):
    """What a device, zone, partition or door is now; which words it can be is checked against the site."""

    device: Name | None = None
    zone: Name | None = None
    partition: Name | None = None
    door: Name | None = None
    state: Annotated[str, Field(alias="is")]

    @model_validator(mode="after")
    def _one(self) -> State:
        if len(self.named) != 1:
            raise ValueError("a state is of exactly one device, zone, partition or door")
        return self

    @property
    def named(self) -> list[tuple[str, str]]:
        """(field, name) of whom it is the state."""
        fields = (("device", self.device), ("zone", self.zone), ("partition", self.partition), ("door", self.door))
        return [(field, name) for field, name in fields if name is not None]


def _some_between(above: float | None, below: float | None) -> None:
    if above is not None and below is not None and above >= below:
        raise ValueError(f"nothing is above {above:g} and below {below:g}")


class Bounds(Strict):
    """Above this, below that, or both: the bounds themselves are outside."""

    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _some(self) -> Bounds:
        if self.above is None and self.below is None:
            raise ValueError("say above, below or both")
        _some_between(self.above, self.below)
        return self

    def hold(self, value: float) -> bool:
        """Whether the value is within."""
        return (self.above is None or value > self.above) and (self.below is None or value < self.below)

    @property
    def said(self) -> str:
        """For a person: `above 8`."""
        words = (("above", self.above), ("below", self.below))
        return " and ".join(f"{word} {bound:g}" for word, bound in words if bound is not None)


class Reading(Bounds):
    """The last reading of a device; `of` when it has more than one kind."""

    device: Name
    of: str | None = None


class FieldIs(Strict):
    """What a field of this very event says."""

    name: str
    values: Annotated[Words | None, Field(alias="is")] = None
    above: float | None = None
    below: float | None = None

    @model_validator(mode="after")
    def _some(self) -> FieldIs:
        if (self.values is not None) == (self.above is not None or self.below is not None):
            raise ValueError("say either what it is, or above and below")
        _some_between(self.above, self.below)
        return self


class Condition(Strict):
    """Exactly one of these."""

    schedule: Name | None = None
    recent: Recent | None = None
    state: State | None = None
    value: Bounds | None = None
    reading: Reading | None = None
    field: FieldIs | None = None
    not_: Annotated[Condition | None, Field(alias="not")] = None
    all_: Annotated[list[Condition] | None, Field(alias="all", min_length=1)] = None
    any_: Annotated[list[Condition] | None, Field(alias="any", min_length=1)] = None

    @model_validator(mode="after")
    def _one(self) -> Condition:
        one_of(self, "a condition")
        return self
