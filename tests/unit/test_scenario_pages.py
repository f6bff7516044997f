"""The pages about types of zones: as committed they are what the engine draws today, for light and dark pages."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from functools import cache

import pytest

from rules.diagrams import Lane, Span, draw, lanes_of, pages
from rules.document.panel import ZONE_TYPES
from rules.scenario import Loaded
from tests.unit.test_scenarios import ZONES, load

SECOND = 1_000_000


@cache
def scenarios() -> dict[str, Loaded]:
    """By type of zone."""
    return {path.stem: load(path) for path in ZONES.glob("*.yaml")}


def test_every_type_has_its_scenario() -> None:
    assert sorted(scenarios()) == sorted(ZONE_TYPES)


def test_the_pages_are_what_the_engine_draws() -> None:
    made = pages(scenarios())
    kept = {path.name: path.read_text("utf-8") for path in ZONES.iterdir() if path.suffix in (".md", ".svg")}
    assert sorted(kept) == sorted(made)
    stale = [name for name, text in made.items() if kept[name] != text]
    assert not stale, f"run `make pages`: {', '.join(stale)}"


@pytest.mark.parametrize("kind", ZONE_TYPES)
def test_a_picture_is_an_image_that_says_what_it_shows(kind: str) -> None:
    root = ET.fromstring(draw(lanes_of(scenarios()[kind]), title=kind, says="what it shows"))
    assert root.attrib["role"] == "img"
    assert [each.text for each in root if each.tag.endswith(("title", "desc"))] == [kind, "what it shows"]
    (style,) = [each.text or "" for each in root if each.tag.endswith("style")]
    assert "prefers-color-scheme:dark" in style
    assert not re.search(r"fill:(#fff|white|#000|black)", style)
    width = float(root.attrib["width"])
    for each in root.iter():
        x = float(each.attrib.get("x", each.attrib.get("cx", 0)))
        assert 0 <= x <= width


def test_the_front_door_is_drawn_as_it_goes() -> None:
    door, partition, siren, outside = lanes_of(scenarios()["entry_exit"])
    assert [(span.since // SECOND, span.says) for span in door.spans if span.says] == [(20, "active"), (600, "active")]
    assert [(span.since // SECOND, span.says) for span in partition.spans] == [
        (0, "exit delay"), (60, "armed away"), (600, "entry delay"), (630, "armed"), (960, "disarmed"),
    ]  # fmt: skip
    assert [(span.since // SECOND, span.says) for span in siren.spans] == [(0, ""), (630, "on"), (810, "")]
    assert [(span.since // SECOND, span.until, span.says) for span in outside.spans if span.says] == [
        (630, 660 * SECOND, "abort window")
    ]
    assert outside.dots == [(660 * SECOND, "told")]


def test_a_change_at_the_same_moment_replaces() -> None:
    lane = Lane("x")
    lane.change(0, "a", "rest")
    lane.change(0, "b", "busy")
    lane.change(5, "c", "rest")
    assert lane.spans == [Span(0, 5, "b", "busy"), Span(5, None, "c", "rest")]


def test_words_are_escaped() -> None:
    lane = Lane("<door> & co", [Span(0, None, "<b>", "busy")], [(0, "</svg>")])
    ET.fromstring(draw([lane], title="a < b", says='"&"'))
