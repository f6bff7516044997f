"""Anything at all is a site document or a complaint with a place in it; nothing else ever happens."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from rules.document.site import load_site
from rules.errors import DocumentError
from tests.examples import examples
from tests.unit.bad_documents import GOOD


def survives(text: str) -> None:
    """A site, or a complaint that points into the text."""
    lines = len(text.splitlines()) + 1
    try:
        load_site(text, "site.yaml")
    except DocumentError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(1 <= problem.line <= lines + 1 and problem.column >= 1 for problem in problems)


@given(st.text(max_size=200))
@examples(80)
def test_any_text_is_a_document_or_a_complaint(text: str) -> None:
    survives(text)


@given(st.text("[]{}:,-?&*!|>'\"%@#~ \n\ta1.", max_size=120))
@examples(80)
def test_any_punctuation_is_a_document_or_a_complaint(text: str) -> None:
    survives(text)


@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.text("[]{}:,-?&*!|>'\"%@#~ \n\ta1.", max_size=6))
@examples(80)
def test_any_small_damage_is_a_document_or_a_complaint(at: int, length: int, text: str) -> None:
    survives(GOOD[:at] + text + GOOD[at + length :])


WORDS = st.sampled_from(
    [
        "site",
        "id",
        "name",
        "timezone",
        "devices",
        "type",
        "mqtt",
        "rtsp",
        "topic",
        "field",
        "open",
        "closed",
        "on",
        "off",
        "command",
        "url",
        "user",
        "password",
        "secret",
        "schedules",
        "weekly",
        "days",
        "from",
        "to",
        "rules",
        "when",
        "event",
        "device",
        "if",
        "then",
        "schedule",
        "recent",
        "within",
        "state",
        "is",
        "not",
        "all",
        "any",
        "open_incident",
        "severity",
        "title",
        "group",
        "save_clip",
        "cameras",
        "pre",
        "post",
        "set",
        "for",
        "pulse",
        "notify",
        "policy",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(WORDS, VALUES, max_size=5))
@examples(80)
def test_any_values_are_a_site_or_a_complaint(document: dict[str, Any]) -> None:
    survives(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
