"""Titles with blanks: `{{ device.name }} opened`. Names are looked up, nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Mapping

WORDS = ("device.id", "device.name", "site.id", "site.name", "rule.id", "rule.name")
_BLANK = re.compile(r"\{\{\s*(.*?)\s*\}\}")


def check(template: str) -> str:
    """The template. ValueError when it has a blank nobody can fill."""
    for word in _BLANK.findall(template):
        if word not in WORDS:
            raise ValueError(f"{{{{ {word} }}}} cannot be filled in; known: {', '.join(WORDS)}")
    rest = _BLANK.sub("", template)
    if "{{" in rest or "}}" in rest:
        raise ValueError("a blank is not closed; write {{ device.name }}")
    return template


def fill(template: str, words: Mapping[str, str]) -> str:
    """The template with its blanks filled in, at most 200 characters."""
    return _BLANK.sub(lambda blank: words.get(blank[1], blank[0]), template)[:200]
