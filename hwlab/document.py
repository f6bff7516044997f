"""YAML with places: every value knows its file, line and column, so that a mistake can be shown where it was made."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml

from hwlab.errors import DocumentError
from hwlab.nearest import nearest

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_UNITS = (3_600_000_000, 60_000_000, 1_000_000, 1_000)


@dataclass(frozen=True, slots=True)
class Value:
    """A node of the document; `path` is dotted (`steps.2.open`)."""

    node: yaml.Node
    file: str
    path: str

    @property
    def where(self) -> str:
        mark = self.node.start_mark
        return f"{self.file}:{mark.line + 1}:{mark.column + 1}"

    def wrong(self, message: str) -> str:
        """A mistake at this place, as one line."""
        return f"{self.where}: {self.path}: {message}" if self.path else f"{self.where}: {message}"

    def child(self, node: yaml.Node, key: str | int) -> Value:
        return Value(node, self.file, f"{self.path}.{key}" if self.path else str(key))


def parse(text: str, *, file: str) -> Value:
    """The root of a document; DocumentError when it is empty or not YAML."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark else file
        raise DocumentError([f"{place}: this is not YAML: {error.problem or error}"]) from None
    except yaml.YAMLError as error:
        raise DocumentError([f"{file}: this is not YAML: {error}"]) from None
    if node is None:
        raise DocumentError([f"{file}:1:1: the document is empty"])
    return Value(node, file, "")


class Problems:
    """Collects all mistakes of a document, so that a person sees them at once."""

    def __init__(self) -> None:
        self.found: list[tuple[int, int, str]] = []

    def add(self, value: Value, message: str) -> None:
        mark = value.node.start_mark
        self.found.append((mark.line, mark.column, value.wrong(message)))

    def raise_any(self) -> None:
        """DocumentError with everything found, in the order of the document."""
        if self.found:
            raise DocumentError([text for _, _, text in sorted(self.found, key=lambda found: found[:2])])

    def mapping(self, value: Value, *, allowed: Iterable[str] | None = None) -> dict[str, Value]:
        """The entries of a mapping; `allowed` keys only. Anything wrong is noted and left out."""
        if not isinstance(value.node, yaml.MappingNode):
            self.add(value, f"a mapping (key: value) is wanted here, not {describe(value)}")
            return {}
        entries: dict[str, Value] = {}
        known = None if allowed is None else set(allowed)
        for key_node, node in value.node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            place = value.child(key_node, key)
            if known is not None and key not in known:
                self.add(place, f"unknown key {key!r}; {nearest(key, known)}")
            elif key in entries:
                self.add(place, f"the key {key!r} is there twice")
            else:
                entries[key] = value.child(node, key)
        return entries

    def items(self, value: Value) -> list[Value]:
        if not isinstance(value.node, yaml.SequenceNode):
            self.add(value, f"a list is wanted here, not {describe(value)}")
            return []
        return [value.child(node, index) for index, node in enumerate(value.node.value)]

    def text(self, value: Value) -> str:
        if not isinstance(value.node, yaml.ScalarNode) or not value.node.value:
            self.add(value, f"a word or text is wanted here, not {describe(value)}")
            return ""
        return str(value.node.value)

    def choice(self, value: Value, allowed: Iterable[str]) -> str:
        word, known = self.text(value), list(allowed)
        if word and word not in known:
            self.add(value, f"{word!r} is not known here; {nearest(word, known)}")
        return word

    def number(self, value: Value) -> float:
        word = self.text(value)
        try:
            return float(word)
        except ValueError:
            self.add(value, f"a number is wanted here, not {word!r}")
            return 0.0

    def duration(self, value: Value) -> int:
        """µs from `10s`, `1m30s`, `500ms`, `2h`."""
        word = self.text(value)
        match = _DURATION.fullmatch(word)
        if not word or match is None:
            self.add(value, f"a duration such as 10s, 1m30s, 500ms or 2h is wanted here, not {word!r}")
            return 0
        return round(sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part))


def plain(value: Value) -> Any:
    """The value as Python data, as any YAML reader would have it."""
    return yaml.SafeLoader("").construct_document(value.node)


def describe(value: Value) -> str:
    if isinstance(value.node, yaml.MappingNode):
        return "a mapping"
    if isinstance(value.node, yaml.SequenceNode):
        return "a list"
    return repr(value.node.value) if value.node.value else "nothing"
