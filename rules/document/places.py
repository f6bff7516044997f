"""YAML text as plain data, and where each value of it stands.

The dialect is small on purpose: text, numbers, true and false, lists, mappings. `on`, `yes`, `22:30`, `007` and dates
are text (as in YAML 1.2). Aliases are refused: a few lines of them can stand for more than any memory holds.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from rules.errors import DocumentError, Problem

Path = tuple[int | str, ...]
Place = tuple[int, int]
MAX_CHARACTERS = 1_000_000
MAX_DEPTH = 40
_TAG = "tag:yaml.org,2002:"
_BLANK = re.compile(r":\s+\{\{")  # a text that begins with a blank to fill in, and has no quotes
_FORBIDDEN = re.compile("[\0\ud800-\udfff]")


class _Refused(yaml.MarkedYAMLError):
    """YAML that is valid and not for us."""

    def __init__(self, event: yaml.Event, problem: str) -> None:
        super().__init__(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]


class _Loader(yaml.SafeLoader):
    """Composes nodes; bounds depth while it does, and knows no aliases."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """One node and all inside it."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _Refused(event, f"*{event.anchor} refers to another place; write it out instead")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Refused(event, f"nested deeper than {MAX_DEPTH}")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


for _name, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    _Loader.add_implicit_resolver(_TAG + _name, re.compile(f"(?:{_pattern})$"), _first)


class Places:
    """A document's data, and the (line, column) of its keys and values by path, counted from 1."""

    def __init__(self, *, text: str, file: str) -> None:
        self.file = file
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self._problems: list[Problem] = []
        self.data = self._read(text)

    def problem(self, place: Place, path: Path, message: str) -> Problem:
        """A mistake at a place."""
        return Problem(self.file, place[0], place[1], ".".join(map(str, path)), message)

    def of_value(self, path: Path) -> Place:
        """Where the value stands, or the nearest one around it."""
        return next((self.values[path[:n]] for n in range(len(path), -1, -1) if path[:n] in self.values), (1, 1))

    def of_key(self, path: Path) -> Place:
        """Where the key stands, or the nearest value around it."""
        return self.keys.get(path) or self.of_value(path)

    def _read(self, text: str) -> Any:
        if len(text) > MAX_CHARACTERS:
            message = f"a document has at most {MAX_CHARACTERS} characters, this one has {len(text)}"
            raise DocumentError([self.problem((1, 1), (), message)])
        try:
            node = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            place, what = _told(error, text)
            raise DocumentError([self.problem(place, (), what)]) from None
        except yaml.reader.ReaderError as error:
            before = text[: error.position]
            place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
            message = f"this is not YAML: the character U+{ord(text[error.position]):04X} may not stand here"
            raise DocumentError([self.problem(place, (), message)]) from None
        except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
            raise DocumentError([self.problem((1, 1), (), "this is not YAML")]) from None
        data = {} if node is None else self._build(node, ())
        if self._problems:
            raise DocumentError(self._problems)
        return data

    def _build(self, node: yaml.Node, path: Path) -> Any:
        self.values[path] = _place(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            self._complain(node, path, f"the tag {node.tag.replace(_TAG, '!!')} is not used here")
        if isinstance(node, yaml.SequenceNode):
            return [self._build(child, (*path, n)) for n, child in enumerate(node.value)]
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in result:
                self._complain(key_node, here, f"stands here twice (first in line {self.keys[here][0]})")
                continue
            self.keys[here] = _place(key_node)
            result[key] = self._build(value_node, here)
        return result

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            self._complain(node, path, "a key is text, not a list or a mapping")
            return None
        if node.tag != _TAG + "str":
            kind = {"int": "a number", "float": "a number", "bool": "true or false", "null": "nothing"}
            read_as = kind.get(node.tag.removeprefix(_TAG), "something else")
            self._complain(node, path, f"the key {node.value!r} is read as {read_as}; put it in quotes")
            return None
        return str(self._scalar(node, path))

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" if len(text) <= 20 and abs(int(text, 0)) < 2**63:
                return int(text, 0)
            case "float" if math.isfinite(float(text)):
                return float(text)
            case "int" | "float":
                self._complain(node, path, "this number is too large")
            case "str":
                if _FORBIDDEN.search(text):
                    self._complain(node, path, "this text has a NUL or half a character in it")
                return text
            case other:
                self._complain(
                    node, path, f"the tag {other if other.startswith('!') else '!!' + other} is not used here"
                )
        return None

    def _complain(self, node: yaml.Node, path: Path, message: str) -> None:
        self._problems.append(self.problem(_place(node), path, message))


def _place(node: yaml.Node) -> Place:
    return (node.start_mark.line + 1, node.start_mark.column + 1)


def _told(error: yaml.MarkedYAMLError, text: str) -> tuple[Place, str]:
    """Where it is and what it is, for somebody who knows the document better than YAML."""
    mark, began, context = error.problem_mark or error.context_mark, error.context_mark, str(error.context or "")
    found = str(error.problem)
    if mark is None or isinstance(error, _Refused):
        return _at(mark), found
    if "'\\t'" in found:
        what = "a tab stands here; indent with spaces"
    elif began is not None and "quoted scalar" in context and "end of stream" in found:
        mark, what = began, "the quotation mark that opens here is never closed"
    elif began is not None and "could not find expected ':'" in found:
        bare = _line(text, began.line)[began.column : began.column + 1] in ("{", "[")
        missing = "an item of a list begins with a dash and a space" if bare else "a key ends with a colon and a space"
        mark, what = began, f"{missing}, and this one does not"
    elif "mapping values are not allowed" in found:
        what = "no key can stand here; it is indented unlike its neighbours, or a text with a colon in it needs quotes"
    elif began is not None and "<block end>" in found and mark.column == began.column and "collection" in context:
        what = f"the list of line {began.line + 1} goes on here, and its items begin with a dash and a space"
    elif "<block end>" in found:
        column = f"column {mark.column + 1}"
        what = f"this line begins in {column}, and nothing it can belong to does; indent it as its neighbours"
    elif "another document" in found:
        what = "a second document begins here; a file holds one"
    else:
        what = found
        if began is not None and "flow" in context:
            what += f"; what it stands in opens in line {began.line + 1}, column {began.column + 1}"
    if _BLANK.search(_line(text, mark.line)):
        what += "; a text with {{ ... }} in it needs quotes around it"
    return _at(mark), f"this is not YAML: {what}"


def _at(mark: yaml.Mark | None) -> Place:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _line(text: str, number: int) -> str:
    lines = text.splitlines()
    return lines[number] if number < len(lines) else ""
