"""Selecting events: which kinds, about whom, and with what in their fields."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from rules.document import Duration, Name, Strict, nearest
from rules.events import EVENTS, DeviceEvent, MadeEvent
from rules.units import SECOND

# What an event may be about; the word is the event's own `subject_field`.
SUBJECTS = ("device", "zone", "partition", "door", "area", "schedule", "rule")
Scalar = bool | int | float | str


def kinds() -> list[str]:
    """The kinds of event a rule can listen to: what devices tell, and what the engine makes of it."""
    return [*_KINDS]


# Whatever a rule did about it could betray the person who is being forced: the panel alone tells it, in secret.
_DURESS = "duress.raised"
_KINDS = {
    kind: None for kind in sorted(EVENTS) if issubclass(EVENTS[kind], DeviceEvent | MadeEvent) and kind != _DURESS
}


def _known_kind(kind: str) -> str:
    if kind == _DURESS:
        raise ValueError(f"no rule listens to {kind}: what it did could betray the person; it is told in secret anyhow")
    if kind not in _KINDS:
        hint = nearest(kind, kinds()) or f"; families: {', '.join(sorted({each.partition('.')[0] for each in _KINDS}))}"
        raise ValueError(f"{kind!r} is not an event a rule can listen to{hint}")
    return kind


def as_list(value: object) -> object:
    """One word stands for a list of one."""
    return value if isinstance(value, list) else [value]


def _not_at_once(value: int) -> int:
    if value < SECOND:  # what could come again and again within no time at all would never end
        raise ValueError("this must be at least 1s")
    return value


Wait = Annotated[Duration, AfterValidator(_not_at_once)]
Kind = Annotated[str, AfterValidator(_known_kind)]
Kinds = Annotated[list[Kind], BeforeValidator(as_list), Field(min_length=1, max_length=20)]
Words = Annotated[list[Scalar], BeforeValidator(as_list), Field(min_length=1, max_length=50)]


class About(Strict):
    """Whom an event is about: at most one of these; none means anybody."""

    device: Name | None = None
    zone: Name | None = None
    partition: Name | None = None
    door: Name | None = None
    area: Name | None = None
    schedule: Name | None = None
    rule: Name | None = None

    @property
    def subject(self) -> str | None:
        """The one it is about; None: any."""
        field = self.subject_field
        return getattr(self, field) if field else None

    @property
    def subject_field(self) -> str:
        """The word that was used; "" for none."""
        return next((field for field in SUBJECTS if getattr(self, field) is not None), "")


class Selector(About):
    """Events of these kinds, about one or anybody, whose fields have one of the given values."""

    event: Kinds
    where: dict[str, Words] = {}
