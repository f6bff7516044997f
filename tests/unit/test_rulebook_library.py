"""The shipped library: complete, in itself consistent, and each rule shown at work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.document.library import SHIPPED, shipped

BUILTIN = Path(__file__).parents[2] / "rules" / "builtin"
SCENARIOS = Path(__file__).parents[1] / "scenarios" / "rules"
WORD = re.compile(r"\$([a-z-]+)")


def test_every_file_is_shipped_and_every_shipped_rule_has_its_file() -> None:
    assert sorted(path.stem for path in BUILTIN.glob("*.yaml")) == list(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_rule_needs_what_it_says_and_says_what_it_needs(name: str) -> None:
    rule = shipped(name)
    assert rule.rule == name
    assert {*WORD.findall((BUILTIN / f"{name}.yaml").read_text("utf-8"))} == set(rule.needs)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_scenario_shows_it_at_work(name: str) -> None:
    text = (SCENARIOS / f"library-{name}.yaml").read_text("utf-8")
    assert f"use: {name}" in text
    assert "opened" in text or "noted" in text


def test_what_is_not_shipped_cannot_be_reached() -> None:
    with pytest.raises(LookupError):
        shipped("../schemas/boot")
