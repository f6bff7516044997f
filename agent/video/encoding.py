"""Messages as lines: one JSON object each, its kind under "type", every field checked in both directions of reading."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints

from agent.video.errors import LinkError
from agent.video.messages import FromWorker, Manifest, Message, ToWorker

LINE_LIMIT = 1 << 20
"""Bytes in a line at most; the longest in practice is a configuration of some hundred cameras."""


def _kinds(union: object) -> Mapping[str, type[Message]]:
    return {kind.type: kind for kind in get_args(union)}


TO_WORKER = _kinds(ToWorker)
FROM_WORKER = _kinds(FromWorker)
MANIFEST = _kinds(Manifest)


def encode(message: Message) -> bytes:
    """The message as one line, newline included."""
    text = json.dumps({"type": message.type, **asdict(message)}, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def decode(line: bytes, kinds: Mapping[str, type[Message]]) -> Message:
    """The message of one line. LinkError names the field that breaks the rules, never its content."""
    try:
        value = json.loads(line)
    except ValueError:
        raise LinkError("media link: a line is not JSON") from None
    if not isinstance(value, dict):
        raise LinkError("media link: a line is not a JSON object")
    name = value.pop("type", None)
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise LinkError(f"media link: unknown message type; known here: {', '.join(sorted(kinds))}")
    return cast("Message", _build(kind, value, kind.type))


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _build(kind: type, value: dict[str, Any], where: str) -> object:
    hints = _hints(kind)
    known = {each.name: each for each in fields(kind)}
    if unknown := set(value) - set(known):
        raise LinkError(f"media link: {where} has {len(unknown)} field(s) outside its set: {', '.join(known)}")
    arguments: dict[str, Any] = {}
    for name, each in known.items():
        if name in value:
            arguments[name] = _checked(hints[name], value[name], f"{where}.{name}")
        elif each.default is MISSING:
            raise LinkError(f"media link: {where}.{name} is missing")
    return kind(**arguments)


def _checked(hint: Any, value: object, where: str) -> object:
    if hint in (int, str):
        # bool is a subclass of int, so the exact type is asked for.
        if type(value) is not hint:
            raise LinkError(f"media link: {where} must be {'an integer' if hint is int else 'a text'}")
        return value
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            raise LinkError(f"media link: {where} must be one of {', '.join(get_args(hint))}")
        return value
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise LinkError(f"media link: {where} must be a list")
        item = get_args(hint)[0]
        return tuple(_checked(item, each, f"{where}[{index}]") for index, each in enumerate(value))
    if isinstance(hint, UnionType) and NoneType in get_args(hint):
        rest = next(each for each in get_args(hint) if each is not NoneType)
        return None if value is None else _checked(rest, value, where)
    if is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, dict):
            raise LinkError(f"media link: {where} must be an object")
        return _build(hint, value, where)
    raise LinkError(f"media link: {where} has a kind of value that the link does not carry")
