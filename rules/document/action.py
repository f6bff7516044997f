"""What a rule does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from rules.document import Duration, Name, Strict, duration
from rules.document.condition import one_of
from rules.document.select import Wait
from rules.document.titles import check
from rules.events import Mode
from rules.incidents import Severity
from rules.units import MINUTE

Template = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(check)]


class OpenIncident(Strict):
    """Open an incident; a further trigger of the same rule within `group` joins it unless it was resolved."""

    severity: Severity
    title: Template
    group: Duration = 5 * MINUTE


class AppendIncident(Strict):
    """A note to the newest incident that is not resolved: of this rule, or of another maker."""

    note: Template
    rule: Name | None = None
    partition: Name | None = None
    door: Name | None = None

    @model_validator(mode="after")
    def _one(self) -> AppendIncident:
        if len([each for each in (self.rule, self.partition, self.door) if each is not None]) > 1:
            raise ValueError("an incident is of one rule, partition or door")
        return self


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


class Arm(Strict):
    """Begin to arm a partition, as if somebody had asked for it: it may not be ready, and then it stays as it is."""

    partition: Name
    mode: Mode
    force: bool = False


class Bypass(Strict):
    """Leave a zone out until its partition is disarmed next."""

    zone: Name
    reason: Annotated[str, Field(min_length=1, max_length=200)] = "by a rule"


class WakeLater(Strict):
    """Make `rule.woke` with this name after a time; asking again for the same subject begins the time anew."""

    after: Wait
    name: Annotated[Name, Field(alias="as")]


class Then(Strict):
    """Exactly one of these."""

    open_incident: OpenIncident | None = None
    append_incident: AppendIncident | None = None
    save_clip: SaveClip | None = None
    command: Command | None = None
    pulse: PulseCommand | None = None
    notify: Notify | None = None
    arm: Arm | None = None
    bypass: Bypass | None = None
    wake: WakeLater | None = None

    @model_validator(mode="before")
    @classmethod
    def _never(cls, value: object) -> object:
        if isinstance(value, dict) and "disarm" in value:
            raise ValueError(
                "a rule cannot disarm: what sets it off is a sensor anybody may touch, and lowering protection needs a"
                " person's own code or proof"
            )
        return value

    @model_validator(mode="after")
    def _one(self) -> Then:
        one_of(self, "an action")
        return self
