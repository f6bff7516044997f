"""Incident entries, read quickly: the common shape by a table made from its kind's model, everything else not at all.

What is taken here is exactly what `read` and `entry` would make of the same bytes; whatever is not plain (a field
nobody knows, a list, a number where none is expected, a text that is too long) is left to them, and so is every
complaint.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import BaseModel

from rules.incidents import Entry
from rules.wire.bodies import BODIES, HEAD, Evidence
from rules.wire.limits import MAX_EXACT

_Texts = dict[str, int]  # the longest a text of this name may be


def _texts(model: type[BaseModel]) -> _Texts:
    """The fields of a model that are texts of a bounded length, if they are there."""
    found: _Texts = {}
    for name, schema in model.model_json_schema()["properties"].items():
        for branch in schema.get("anyOf", [schema]):
            if branch.get("type") == "string" and "maxLength" in branch:
                found[name] = branch["maxLength"]
    return found


@cache
def maker(kind: str) -> Callable[[dict[str, Any]], tuple[Entry, int] | None] | None:
    """Makes the entry of this kind from a plain record, and says how many keys its body has in all; None, or one of the
    errors of Python, when it is not plain."""
    model = BODIES.get(kind)
    if model is None:
        return None
    texts = _texts(model)
    evidence_texts = _texts(Evidence)
    needed = frozenset(name for name, field in model.model_fields.items() if field.is_required())
    head = frozenset(HEAD)

    def make(whole: dict[str, Any]) -> tuple[Entry, int] | None:
        body = whole["body"]
        if not needed <= body.keys():
            return None
        keys = len(body)
        rest: dict[str, Any] = {}
        for name, value in body.items():
            if type(value) is str:
                if len(value) > texts[name]:
                    return None
                if name not in head:
                    rest[name] = value
            elif name == "lamport":
                if type(value) is not int or not 1 <= value < MAX_EXACT:
                    return None
            elif name == "evidence" and type(value) is dict and "evidence" in needed:
                for inner, text in value.items():
                    if type(text) is not str or len(text) > evidence_texts[inner]:
                        return None
                keys += len(value)
                rest[name] = value
            else:
                return None
        return (
            Entry(
                id=whole["id"],
                kind=kind,
                incident=body["incident"],
                lamport=body["lamport"],
                origin=body["origin"],
                by=body["by"],
                wall=whole["wall"],
                clock=whole["clock"],
                gt=whole.get("gt"),
                cause=whole.get("cause"),
                body=rest,
            ),
            keys,
        )

    return make
