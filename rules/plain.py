"""Dataclasses to plain data and back, by their annotations: what a snapshot is made of. A big site has tens of
thousands of values, and an alarm may wait for a snapshot: so each type is looked at once."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

_LEAVES = frozenset({str, int, float, bool, type(None)})


def plain(value: Any) -> Any:
    """Dataclasses as mappings by field name, sets as sorted lists, the rest as it is."""
    kind: Any = type(value)
    if kind in _LEAVES:
        return value
    if isinstance(value, dict):
        return {key: each if type(each) in _LEAVES else plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [each if type(each) in _LEAVES else plain(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted(value)
    names = _names(kind)
    if names is None:
        return value
    return {name: each if type(each := getattr(value, name)) in _LEAVES else plain(each) for name in names}


def typed(kind: Any, data: Any) -> Any:
    """A value of type `kind` from plain data. TypeError, KeyError or ValueError when it does not fit."""
    return _reader(kind)(data)


@cache
def _names(kind: type) -> tuple[str, ...] | None:
    return tuple(field.name for field in fields(kind)) if is_dataclass(kind) else None


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    origin = typing.get_origin(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _whole(kind)
    if origin is dict:
        _, inner = typing.get_args(kind)
        each = _reader(inner)
        return lambda data: {str(key): each(value) for key, value in data.items()}
    if origin in (list, set, tuple):
        each = _reader(typing.get_args(kind)[0])
        return lambda data: origin(map(each, data))
    if origin in (typing.Union, types.UnionType):
        (inner,) = [part for part in typing.get_args(kind) if part is not type(None)]
        each = _reader(inner)
        return lambda data: None if data is None else each(data)
    if origin is typing.Literal or kind is Any:
        return lambda data: data
    return _scalar(kind)


def _whole(kind: type) -> Callable[[Any], Any]:
    hints = typing.get_type_hints(kind)
    readers = {name: _reader(hints[name]) for name in _names(kind) or ()}

    def read(data: Any) -> Any:
        if data.keys() != readers.keys():
            raise KeyError(f"{kind.__name__} has other fields")
        return kind(**{name: each(data[name]) for name, each in readers.items()})

    return read


def _scalar(kind: Any) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        if (kind is int and isinstance(data, bool)) or not isinstance(data, kind):
            raise TypeError(f"{data!r:.40} is no {kind.__name__}")
        return data

    return read
