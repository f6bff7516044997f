"""Titles with blanks: `{{ device.name }} opened`. Names are looked up, nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Callable

_BLANK = re.compile(r"\{\{\s*(.*?)\s*\}\}")
# What has an id and a name; `subject` is whatever the event is about.
NAMED = ("subject", "device", "zone", "partition", "door", "area", "person", "schedule", "site", "rule")
ALWAYS = ("subject.id", "subject.name", "site.id", "site.name", "rule.id", "rule.name", "event.kind")


def check(template: str) -> str:
    """The template. ValueError when a blank is not one, or not closed; who can fill it depends on the event."""
    rest = _BLANK.sub("", template)
    if "{{" in rest or "}}" in rest:
        raise ValueError("a blank is not closed; write {{ device.name }}")
    return template


def blanks(template: str) -> list[str]:
    """The words between the braces."""
    return _BLANK.findall(template)


def fill(template: str, word: Callable[[str], str]) -> str:
    """The template with its blanks filled in, at most 200 characters."""
    if "{{" not in template:
        return template[:200]
    return _BLANK.sub(lambda blank: word(blank[1]), template)[:200]
