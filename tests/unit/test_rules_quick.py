"""Quickened dataclasses differ from the ones they were in nothing but time."""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields, replace
from typing import Any

import pytest

from rules import actions
from rules.events import EVENTS
from rules.incidents import Entry
from rules.quick import quicken
from rules.wire import Record

QUICK = [*EVENTS.values(), Entry, Record, *(getattr(actions, name) for name in ("SetLevel", "Pulse", "Append", "Note"))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """With a default."""

    a: int
    b: str = "b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made(Base):
    """With one that is made anew each time."""

    c: list[int] = field(default_factory=list)
    d: int | None = None


quicken(Made)


def test_values_and_defaults_are_in_their_places() -> None:
    made = Made(a=1, d=4)
    assert (made.a, made.b, made.c, made.d) == (1, "b", [], 4)
    assert Made(a=1, c=[7]).c == [7]
    assert made.c is not Made(a=1).c, "two of them share a list"
    assert replace(made, b="other") == Made(a=1, b="other", d=4)
    assert repr(made) == "Made(a=1, b='b', c=[], d=4)"


def test_it_stays_frozen_and_keyword_only() -> None:
    made: Any = Made(a=1)
    with pytest.raises(FrozenInstanceError):
        made.a = 2
    loose: Any = Made
    for wrong in ({}, {"a": 1, "e": 2}):
        with pytest.raises(TypeError):
            loose(**wrong)
    with pytest.raises(TypeError):
        loose(1)


@pytest.mark.parametrize("cls", QUICK, ids=lambda cls: str(cls.__name__))
def test_every_fact_takes_what_its_fields_say(cls: type) -> None:
    needed = {one.name: object() for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING}
    made = cls(**needed)
    for one in fields(cls):
        value = getattr(made, one.name)
        if one.name in needed:
            assert value is needed[one.name]
        elif one.default is not MISSING:
            assert value == one.default
        else:
            assert one.default_factory is not MISSING
            assert value == one.default_factory()
