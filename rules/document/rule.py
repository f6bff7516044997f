"""The rule language, as data: when one event happens, if all conditions hold, then act."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rules.document import Duration, Strict, duration, nearest
from rules.document import Name as Name  # most who read documents know names from here
from rules.events import EVENTS, DeviceEvent
from rules.incidents import Severity
from rules.phrase import check

_MINUTE = 60_000_000


def device_kinds() -> list[str]:
    """The kinds of event a rule can listen to."""
    return sorted(kind for kind, event in EVENTS.items() if issubclass(event, DeviceEvent))


def _known_kind(kind: str) -> str:
    kinds = device_kinds()
    if kind not in kinds:
        raise ValueError(f"{kind!r} is not an event a rule can listen to ({', '.join(kinds)}){nearest(kind, kinds)}")
    return kind


def _one_of(part: Strict, what: str) -> None:
    """ValueError unless exactly one key is there and has a value: a word without its value would do nothing."""
    words = {name: field.alias or name for name, field in type(part).model_fields.items()}
    if len(part.model_fields_set) != 1:
        raise ValueError(f"{what} is exactly one of {', '.join(words.values())}")
    (name,) = part.model_fields_set
    if getattr(part, name) is None:
        raise ValueError(f"{words[name]} has nothing after it")


Kind = Annotated[str, AfterValidator(_known_kind)]


class When(Strict):
    """One event of one device."""

    event: Kind
    device: Name


class Recent(Strict):
    """That event of that device happened within this time before now."""

    event: Kind
    device: Name
    within: Duration


class State(Strict):
    """What a device is now: open or closed for a contact, on or off for an output, unknown before its first word."""

    device: Name
    state: Annotated[Literal["open", "closed", "on", "off", "unknown"], Field(alias="is")]


class Condition(Strict):
    """Exactly one of these."""

    schedule: Name | None = None
    recent: Recent | None = None
    state: State | None = None
    not_: Annotated[Condition | None, Field(alias="not")] = None
    all_: Annotated[list[Condition] | None, Field(alias="all", min_length=1)] = None
    any_: Annotated[list[Condition] | None, Field(alias="any", min_length=1)] = None

    @model_validator(mode="after")
    def _one(self) -> Condition:
        _one_of(self, "a condition")
        return self


class OpenIncident(Strict):
    """Open an incident; a further trigger of the same rule within `group` joins it unless it was resolved."""

    severity: Severity
    title: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check)]
    group: Duration = 5 * _MINUTE


class SaveClip(Strict):
    """Keep footage around the trigger, and a still at once."""

    cameras: Annotated[list[Name], Field(min_length=1)]
    pre: Duration = duration("10s")
    post: Duration = duration("30s")

    @model_validator(mode="after")
    def _bounds(self) -> SaveClip:
        if self.pre > duration("2m") or self.post > duration("10m"):
            raise ValueError("a clip has at most 2m before and 10m after its cause")
        return self


class Command(Strict):
    """Hold an output on or off, for a time or until told otherwise."""

    device: Name
    value: Annotated[Literal["on", "off"], Field(alias="set")]
    duration: Annotated[Duration | None, Field(alias="for")] = None


class PulseCommand(Strict):
    """Let an output do its short thing once: a chime, a bolt. Never repeated, so never owed after a crash."""

    device: Name


class Notify(Strict):
    """Tell people: the policy is a name the relay knows."""

    policy: Name


class Then(Strict):
    """Exactly one of these."""

    open_incident: OpenIncident | None = None
    save_clip: SaveClip | None = None
    command: Command | None = None
    pulse: PulseCommand | None = None
    notify: Notify | None = None

    @model_validator(mode="after")
    def _one(self) -> Then:
        _one_of(self, "an action")
        return self


class Rule(Strict):
    """A rule; `if` may be left out, all its conditions must hold."""

    id: Name
    name: Annotated[str, Field(min_length=1, max_length=120)]
    when: When
    if_: Annotated[list[Condition], Field(alias="if")] = []
    then: Annotated[list[Then], Field(min_length=1)]

    @model_validator(mode="after")
    def _incident(self) -> Rule:
        opened = [then for then in self.then if then.open_incident]
        needing = [then for then in self.then if then.save_clip or then.notify]
        if len(opened) > 1:
            raise ValueError("a rule opens at most one incident")
        if len([then for then in self.then if then.notify]) > 1:
            raise ValueError("a rule notifies by one policy; who is told, and when, is the policy's affair")
        if needing and not opened:
            raise ValueError("save_clip and notify belong to an incident: add open_incident to this rule")
        return self
