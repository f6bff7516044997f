"""The README's tables and its diagram are the code's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rules.describe import event_table, life_diagram, refresh
from rules.document.site import load_site
from rules.incidents import LIFE

MARK = re.compile(r"<!-- made from the code: (\w+) -->")
RULES = Path(__file__).parents[2] / "rules"
README = RULES / "README.md"


def test_what_is_made_from_the_code_is_made_from_this_code() -> None:
    marks = []
    for readme in sorted(RULES.rglob("README.md")):
        text = readme.read_text("utf-8")
        assert refresh(text) == text, f"{readme}: run make schemas"
        marks += MARK.findall(text)
    assert sorted(marks) == ["arming", "bolt", "entries", "events", "leaf", "library", "life", "telling", "zones"]


def test_the_diagram_has_every_arrow() -> None:
    lines = life_diagram().splitlines()
    assert len([line for line in lines if "-->" in line]) == 1 + sum(len(arrows) for arrows in LIFE.values())
    assert "    acknowledged --> open: reopened" in lines


def test_a_table_says_what_may_be_absent() -> None:
    assert "| `boot` | P1 |" in event_table()
    assert "| `software` `epoch` `off_time`? `clean` `doubted`? |" in event_table()


def test_an_unknown_mark_is_a_mistake() -> None:
    with pytest.raises(KeyError, match="poem"):
        refresh("<!-- made from the code: poem -->\n<!-- end -->")


def test_the_example_rule_is_one() -> None:
    example = README.read_text("utf-8").partition("```yaml\n")[2].partition("```")[0]
    site = """
site: {id: house, name: House}
devices:
  - {id: server-room-door, type: contact, mqtt: {topic: a, open: 1, closed: 0}}
  - {id: hatch, type: contact, mqtt: {topic: b, open: 1, closed: 0}}
  - {id: corridor, type: motion, mqtt: {topic: c, on: 1, off: 0}}
  - {id: siren-1, type: siren, mqtt: {topic: d, on: 1, off: 0, command: {topic: e, on: "1", off: "0"}}}
  - {id: chime, type: output, mqtt: {topic: f, on: 1, off: 0, command: {topic: g, on: "1", off: "0"}}}
  - {id: server-room, type: camera, rtsp: {url: "rtsp://cam/main"}}
schedules:
  after-hours: {weekly: [{days: [mon-fri], from: 19:00, to: 07:00}]}
  weekend: {weekly: [{days: [sat, sun], from: 00:00, to: 24:00}]}
"""
    assert [rule.id for rule in load_site(site + example, "readme.yaml").rules] == ["server-room-after-hours"]
