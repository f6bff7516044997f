"""From pydantic's findings to sentences for the person who wrote the document."""

from __future__ import annotations

import difflib
import re
from typing import Any

from pydantic import BaseModel, ValidationError

from rules.document.places import Path, Places
from rules.errors import Problem

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]*@")
_PLAIN = re.compile(r"\w[\w. -]{0,60}")
_EXPECTED = {
    "string": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "list": "a list",
    "dict": "a mapping (key: value)",
    "model": "a mapping (key: value)",
    "path": "a path",
}


def explain(error: ValidationError, places: Places, model: type[BaseModel]) -> list[Problem]:
    """One problem for each mistake; what is wrong for every branch of a choice is one mistake."""
    expected: dict[Path, list[str]] = {}
    found: dict[Path, Any] = {}
    problems: list[Problem] = []
    for detail in error.errors(include_url=False):
        path, of_key = _in_document(tuple(detail["loc"]), places)
        path = _given(path, detail["input"], places)
        word = _EXPECTED.get(detail["type"].partition("_")[0]) if _is_type_error(detail["type"]) else None
        if word is None:
            problems.append(_problem(detail, path, of_key, places, model))
        else:
            expected.setdefault(path, [])
            found[path] = detail["input"]
            if word not in expected[path]:
                expected[path].append(word)
    for path, words in expected.items():
        hint = ""
        if words == ["text"] and isinstance(found[path], bool | int | float):
            hint = "; put it in quotes"
        elif words == ["a list"] and isinstance(found[path], str) and _PLAIN.fullmatch(found[path]):
            hint = f"; write [{found[path]}]"
        elif words == ["a list"] and isinstance(found[path], dict):
            hint = "; put [ ] around it, or a dash before it"
        message = f"{_show(found[path])} stands where {_either(words)} is expected{hint}"
        problems.append(places.problem(places.of_value(path), path, message))
    return problems


def nearest(word: str, known: list[str]) -> str:
    """`; did you mean X?` for the known word that looks most like this one, else nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _either(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _is_type_error(kind: str) -> bool:
    return kind.endswith(("_type", "_parsing", "_from_float"))


def _problem(detail: Any, path: Path, of_key: bool, places: Places, model: type[BaseModel]) -> Problem:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        message = f"is not a known key here (known: {', '.join(known)}){nearest(str(path[-1]), known)}"
        return places.problem(places.of_key(path), path, message)
    if kind == "missing":
        return places.problem(places.of_key(path), path, f"{detail['loc'][-1]} is missing")
    if kind == "value_error":
        message = str(context["error"])
    elif kind == "literal_error":
        words = [word for word in re.findall(r"'([^']*)'", context["expected"]) if word]
        message = f"{_show(detail['input'])} is not one of {', '.join(words)}{nearest(str(detail['input']), words)}"
    elif kind == "string_too_short":
        message = "this may not be empty"
    elif kind == "string_too_long":
        message = f"this has at most {context['max_length']} characters"
    elif kind == "too_short":
        least = context["min_length"]
        message = "this list needs an item" if least == 1 else f"this list needs at least {least} items"
    elif kind in ("greater_than_equal", "less_than_equal"):
        bound = f"at least {context['ge']}" if "ge" in context else f"at most {context['le']}"
        message = f"{_show(detail['input'])} is out of range: it must be {bound}"
    else:
        message = f"{_show(detail['input'])}: {detail['msg'][0].lower()}{detail['msg'][1:]}"
    return places.problem(places.of_key(path) if of_key else places.of_value(path), path, message)


def _show(value: Any) -> str:
    """What was found, short, and without the credentials of an address."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, str):
        text = _CREDENTIALS.sub("...@", value)
        return repr(text if len(text) <= 60 else text[:57] + "...")
    return str(value)


def _in_document(location: Path, places: Places) -> tuple[Path, bool]:
    """The steps of a pydantic location that exist in the document (it names branches of a choice as well), and
    whether it means the key rather than the value."""
    path: Path = ()
    for n, step in enumerate(location):
        inside, after = (*path, step), location[n + 1 : n + 2]
        if after and (*inside, *after) not in places.values and (*path, *after) in places.values:
            continue  # a branch that has the name of one of its keys
        if inside in places.values:
            path = inside
    return path, bool(location) and location[-1] == "[key]"


def _given(path: Path, value: Any, places: Places) -> Path:
    """Where a word stands that a rule of the library was given: what the rule is made of is not in the document."""
    item = places.data
    for step in path:
        inside = isinstance(item, dict) and step in item
        inside = inside or (isinstance(item, list) and isinstance(step, int) and step < len(item))
        if not inside:
            return path  # a document made of several has places of its own
        item = item[step]
    if not isinstance(item, dict) or "use" not in item or not isinstance(item.get("with"), dict):
        return path
    names = [name for name, given in item["with"].items() if type(given) is type(value) and given == value]
    return (*path, "with", names[0]) if len(names) == 1 else path


def _keys_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys a document may have at this place, in the model's order."""
    here: list[Any] = _parts(model)
    for step in path:
        inside: list[Any] = []
        for each in here:
            if isinstance(each, type) and issubclass(each, BaseModel):
                inside += [
                    field.annotation for name, field in each.model_fields.items() if step == (field.alias or name)
                ]
            else:
                inside += list(getattr(each, "__args__", ()))[-1:]  # the items of a list, the values of a mapping
        here = [part for annotation in inside for part in _parts(annotation)]
    models = [each for each in here if isinstance(each, type) and issubclass(each, BaseModel)]
    return [field.alias or name for each in models for name, field in each.model_fields.items()]


def _parts(annotation: Any) -> list[Any]:
    """An annotation without `Annotated`, aliases and choices: models, lists, mappings."""
    origin = getattr(annotation, "__origin__", None)
    if hasattr(annotation, "__metadata__"):
        return _parts(origin)
    if origin in (list, dict) or isinstance(annotation, type):
        return [annotation]
    return [part for branch in getattr(annotation, "__args__", ()) for part in _parts(branch)]
