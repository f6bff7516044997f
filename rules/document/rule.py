"""The rule language, as data: when something happens, if all conditions hold, then act."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from rules.document import Duration, Strict
from rules.document import Name as Name  # most who read documents know names from here
from rules.document.action import OpenIncident as OpenIncident
from rules.document.action import Then
from rules.document.condition import Condition
from rules.document.select import Wait
from rules.document.when import When
from rules.units import MINUTE


class Storm(Strict):
    """A rule that acts more than so many times within a time rests for a while."""

    more_than: Annotated[int, Field(ge=1, le=1000)] = 30
    within: Duration = MINUTE
    rest: Wait = 5 * MINUTE


class Rule(Strict):
    """A rule; `if` may be left out, all its conditions must hold. Rules on one event act by `priority`, the highest
    first, then in the order of the document."""

    id: Name
    name: Annotated[str, Field(min_length=1, max_length=120)]
    priority: Annotated[int, Field(ge=-100, le=100)] = 0
    when: When
    if_: Annotated[list[Condition], Field(alias="if")] = []
    then: Annotated[list[Then], Field(min_length=1, max_length=100)]
    cool_down: Duration | None = None
    storm: Storm = Storm()

    @model_validator(mode="after")
    def _incident(self) -> Rule:
        opened = [then for then in self.then if then.open_incident]
        added = [then for then in self.then if then.append_incident]
        notified = [then for then in self.then if then.notify]
        if len(opened) > 1:
            raise ValueError("a rule opens at most one incident")
        if len(added) > 1 or (opened and added):
            raise ValueError("a rule opens an incident or adds to one, once")
        if len(notified) > 1:
            raise ValueError("a rule notifies by one policy; who is told, and when, is the policy's affair")
        if not opened and not added and (notified or any(then.save_clip for then in self.then)):
            raise ValueError("save_clip and notify belong to an incident: add open_incident to this rule")
        if notified and not opened:
            raise ValueError("notify tells of a new incident: add open_incident to this rule")
        return self
