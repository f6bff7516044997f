"""JSON as wire v1 means it: UTF-8, every key once, finite numbers, text that any database can store.

A reader that took more would hand on what the next one cannot: `NaN` is no JSON, half a surrogate pair is no UTF-8, a
key that stands twice means one thing here and another there.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from rules.errors import WireError
from rules.wire.limits import MAX_DEPTH, MAX_INTEGER


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise WireError("a key stands twice in one object")
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -MAX_INTEGER <= (value := int(digits)) <= MAX_INTEGER:
        raise WireError("a whole number does not fit 64 bits")
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise WireError("a number is out of range")
    return value


def _constant(_name: str) -> NoReturn:
    raise WireError("NaN and Infinity are not JSON")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)


def parse(data: bytes | str) -> Any:
    """The JSON value in `data`. WireError says which rule it breaks, never what it says."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = _decoded(text)
    except RecursionError:
        raise WireError(f"objects and lists are nested deeper than {MAX_DEPTH}") from None
    except ValueError:
        raise WireError("this is not JSON in UTF-8") from None
    # Only escapes can bring in what UTF-8 and JSON themselves keep out, and only many brackets a deep nest.
    if "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH or isinstance(data, str):
        _inspect(value)
    return value


def _decoded(text: str) -> Any:
    # What we write has no white space around it, and looking for some costs a fifth of reading a record.
    try:
        value, end = _DECODER.raw_decode(text)
    except ValueError:
        return _DECODER.decode(text)
    return value if end == len(text) else _DECODER.decode(text)


def _inspect(value: Any) -> None:
    waiting = [(value, 1)]
    while waiting:
        current, depth = waiting.pop()
        if isinstance(current, str):
            if "\0" in current or any("\ud800" <= letter <= "\udfff" for letter in current):
                raise WireError("a text has a NUL or half a character")
        elif isinstance(current, dict | list):
            if depth > MAX_DEPTH:
                raise WireError(f"objects and lists are nested deeper than {MAX_DEPTH}")
            if isinstance(current, dict):
                waiting += [(key, depth) for key in current]
                waiting += [(child, depth + 1) for child in current.values()]
            else:
                waiting += [(child, depth + 1) for child in current]
