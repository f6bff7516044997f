"""The register of everything that is logged and sent, as JSON Schema: one text a kind, kept in `rules/schemas/`.

A schema describes the record as it is *sent*; readers are more tolerant (unknown fields, absent optional ones).
`breaking` compares two registers and says what an older or a newer peer could no longer read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from inspect import cleandoc
from typing import Any

from rules.events import EVENTS
from rules.wire.bodies import BODIES
from rules.wire.limits import MAX_EXACT
from rules.wire.record import body_model

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UUID = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "const",
)


def registry() -> dict[str, str]:
    """The schema of every kind, as the text of its file: `{kind: text}`, in the order of kinds."""
    texts: dict[str, str] = {}
    for kind, event in EVENTS.items():
        body = body_model(kind).model_json_schema()
        texts[kind] = _text(kind, event.lane, event.__doc__ or "", body, event=True)
    for kind, model in BODIES.items():
        texts[kind] = _text(kind, "P0", model.__doc__ or "", model.model_json_schema(), event=False)
    return dict(sorted(texts.items()))


def _text(kind: str, lane: str | None, description: str, body: dict[str, Any], *, event: bool) -> str:
    body = _plain(body, body.pop("$defs", {}))
    body.pop("description", None)
    properties = {
        "id": {"type": "string", "pattern": _UUID},
        "kind": {"const": kind},
        "wall": {"type": "integer", "minimum": -MAX_EXACT, "maximum": MAX_EXACT},
        "clock": {"type": "string", "enum": ["synced", "unsynced"]},
        "gt": {"type": "integer", "minimum": 0, "maximum": MAX_EXACT},
        "cause": {"type": "string", "maxLength": 200},
        "body": body,
    }
    schema = {
        "$schema": _DIALECT,
        "$id": f"urn:nightporter:wire:1:{kind}",
        "title": kind,
        "description": " ".join(cleandoc(description).split()),
        "x-lane": lane,
        "type": "object",
        "properties": properties,
        "required": ["id", "kind", "wall", "clock", *(["gt"] if event else []), "body"],
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _plain(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema without pydantic's titles and references; what may be null is absent instead when it is sent."""
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    kept = {
        key: {name: _plain(part, definitions) for name, part in value.items()}
        if key == "properties"
        else _plain(value, definitions)
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and value is None)
    }
    branches = [branch for branch in kept.pop("anyOf", []) if branch != {"type": "null"}]
    if len(branches) == 1:
        return branches[0] | kept
    return kept | ({"anyOf": branches} if branches else {})


def breaking(old: dict[str, str], new: dict[str, str]) -> list[str]:
    """What changed so that a peer of the other version would misread or refuse a record; empty when nothing did."""
    found: list[str] = []
    for kind, text in old.items():
        if kind not in new:
            found.append(f"{kind}: the kind is gone; older peers still send it")
            continue
        before, after = json.loads(text), json.loads(new[kind])
        if before.get("x-lane") != after.get("x-lane"):
            lanes = f"{before.get('x-lane') or 'none'} to {after.get('x-lane') or 'none'}"
            found.append(f"{kind}: moved from lane {lanes}; an older peer looks for it where it was")
        found += [f"{kind}: {sentence}" for sentence in _changes(before, after, "record")]
    return found


def _changes(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[str]:
    old_types, new_types = _types(before), _types(after)
    if old_types != new_types:
        yield f"{path} was {' or '.join(old_types)} and is now {' or '.join(new_types)}"
        return
    yield from _words(before, after, path)
    for bound in _BOUNDS:
        if before.get(bound) != after.get(bound):
            yield f"{path}: {bound} was {before.get(bound, 'not set')} and is now {after.get(bound, 'not set')}"
    old_fields, new_fields = before.get("properties", {}), after.get("properties", {})
    old_needs, new_needs = before.get("required", []), after.get("required", [])
    for name, field in old_fields.items():
        here = name if path == "record" else f"{path}.{name}"
        if name not in new_fields:
            yield f"{here} is gone; older peers send it and rely on it"
            continue
        if name in new_needs and name not in old_needs:
            yield f"{here} is now required; older peers may leave it out"
        if name in old_needs and name not in new_needs:
            yield f"{here} may now be absent; older peers need it"
        yield from _changes(field, new_fields[name], here)
    for name in new_fields:
        if name not in old_fields and name in new_needs:
            here = name if path == "record" else f"{path}.{name}"
            yield f"{here} is new and required; older peers do not send it"
    for inside, shown in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(before.get(inside), dict) and isinstance(after.get(inside), dict):
            yield from _changes(before[inside], after[inside], f"{path}{shown}")
        elif before.get(inside, True) != after.get(inside, True):
            yield f"{path}{shown} is described otherwise"


def _words(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[str]:
    old, new = before.get("enum"), after.get("enum")
    if old is None and new is not None:
        yield f"{path} is now limited to {', '.join(map(str, new))}"
    elif old is not None and new is None and not after.get("x-open"):
        yield f"{path} is no longer limited to {', '.join(map(str, old))}; older peers refuse other words"
    elif old is not None and new is not None:
        for word in old:
            if word not in new:
                yield f"{path} no longer takes {word!r}; older peers send it"
        for word in new:
            if word not in old and not after.get("x-open"):
                yield f"{path} now takes {word!r}, which older peers refuse"


def _types(schema: dict[str, Any]) -> list[str]:
    if "anyOf" in schema:
        return sorted({name for branch in schema["anyOf"] for name in _types(branch)})
    kind = schema.get("type", "string" if "enum" in schema or "const" in schema else "anything")
    return sorted(kind) if isinstance(kind, list) else [str(kind)]
