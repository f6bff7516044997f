"""The register of kinds: the committed schemas are today's, and today's break nobody who speaks wire v1."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rules.events import EVENTS
from rules.incidents import ENTRY_KINDS
from rules.schema import breaking, registry
from tests.contract.wire_samples import GOLDEN

COMMITTED = Path(__file__).parents[2] / "rules" / "schemas"


def folder(path: Path) -> dict[str, str]:
    return {file.stem: file.read_text("utf-8") for file in sorted(path.glob("*.json"))}


def test_every_kind_has_a_schema() -> None:
    assert set(registry()) == set(EVENTS) | set(ENTRY_KINDS)


def test_the_committed_schemas_are_the_generated_ones() -> None:
    assert folder(COMMITTED) == registry(), "run: make schemas"


def test_nothing_breaks_a_peer_of_wire_v1() -> None:
    assert breaking(folder(GOLDEN / "schemas"), registry()) == []


def test_every_golden_record_fits_its_schema() -> None:
    schemas = {kind: json.loads(text) for kind, text in registry().items()}
    for name in ("events.ndjson", "entries.ndjson"):
        for line in (GOLDEN / name).read_text("utf-8").splitlines():
            record = json.loads(line)
            misfit(record, schemas[record["kind"]], record["kind"])


def misfit(value: Any, schema: dict[str, Any], path: str) -> None:
    """Fails where a value does not fit; knows just the words our schemas use."""
    types: dict[str, Any] = {
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "object": dict,
        "array": list,
    }
    if "type" in schema:
        assert isinstance(value, types[schema["type"]]), path
        assert schema["type"] == "boolean" or not isinstance(value, bool), path
    assert value in schema.get("enum", [value]), path
    assert schema.get("const", value) == value, path
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= set(value), path
        for name, part in value.items():
            if name in schema.get("properties", {}):
                misfit(part, schema["properties"][name], f"{path}.{name}")
    if isinstance(value, list) and "items" in schema:
        for part in value:
            misfit(part, schema["items"], f"{path}[]")


# --- what counts as breaking: one change each, with the exact sentences -----------------------------------------------

OLD = {
    "x-lane": "P1",
    "type": "object",
    "properties": {
        "kind": {"const": "door.opened"},
        "body": {
            "type": "object",
            "properties": {
                "device": {"type": "string", "maxLength": 10},
                "why": {"type": "string", "enum": ["rex", "card"]},
                "mood": {"type": "string", "enum": ["calm"], "x-open": True},
                "n": {"type": "integer"},
                "list": {"type": "array", "items": {"type": "integer"}},
                "args": {"type": "object", "additionalProperties": {"type": "string"}},
            },
            "required": ["device"],
        },
    },
    "required": ["kind", "body"],
}


def changed(change: Callable[[dict[str, Any]], object]) -> list[str]:
    new = json.loads(json.dumps(OLD))
    change(new)
    return breaking({"door.opened": json.dumps(OLD)}, {"door.opened": json.dumps(new)})


def body(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["properties"]["body"]
    return found


def field(schema: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = body(schema)["properties"][name]
    return found


BREAKING: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "a field removed": (
        lambda new: body(new)["properties"].pop("n"),
        ["door.opened: body.n is gone; older peers send it and rely on it"],
    ),
    "a field renamed": (
        lambda new: body(new)["properties"].update(number=body(new)["properties"].pop("n")),
        ["door.opened: body.n is gone; older peers send it and rely on it"],
    ),
    "a new required field": (
        lambda new: (body(new)["properties"].update(who={"type": "string"}), body(new)["required"].append("who")),
        ["door.opened: body.who is new and required; older peers do not send it"],
    ),
    "a field made required": (
        lambda new: body(new)["required"].append("n"),
        ["door.opened: body.n is now required; older peers may leave it out"],
    ),
    "a required field made optional": (
        lambda new: body(new)["required"].clear(),
        ["door.opened: body.device may now be absent; older peers need it"],
    ),
    "another type": (
        lambda new: field(new, "n").update(type="string"),
        ["door.opened: body.n was integer and is now string"],
    ),
    "a wider type": (
        lambda new: (
            field(new, "n").pop("type"),
            field(new, "n").update(anyOf=[{"type": "integer"}, {"type": "string"}]),
        ),
        ["door.opened: body.n was integer and is now integer or string"],
    ),
    "a word less": (
        lambda new: field(new, "why").update(enum=["rex"]),
        ["door.opened: body.why no longer takes 'card'; older peers send it"],
    ),
    "a word more": (
        lambda new: field(new, "why")["enum"].append("key"),
        ["door.opened: body.why now takes 'key', which older peers refuse"],
    ),
    "a closed set opened": (
        lambda new: field(new, "why").pop("enum"),
        ["door.opened: body.why is no longer limited to rex, card; older peers refuse other words"],
    ),
    "an open field closed": (
        lambda new: field(new, "device").update(enum=["door"]),
        ["door.opened: body.device is now limited to door"],
    ),
    "a shorter text": (
        lambda new: field(new, "device").update(maxLength=5),
        ["door.opened: body.device: maxLength was 10 and is now 5"],
    ),
    "a new bound": (
        lambda new: field(new, "n").update(minimum=0),
        ["door.opened: body.n: minimum was not set and is now 0"],
    ),
    "other items": (
        lambda new: field(new, "list")["items"].update(type="string"),
        ["door.opened: body.list[] was integer and is now string"],
    ),
    "other values": (
        lambda new: field(new, "args")["additionalProperties"].update(type="integer"),
        ["door.opened: body.args.* was string and is now integer"],
    ),
    "no other fields": (
        lambda new: body(new).update(additionalProperties=False),
        ["door.opened: body.* is described otherwise"],
    ),
    "another kind": (
        lambda new: new["properties"]["kind"].update(const="door.open"),
        ["door.opened: kind: const was door.opened and is now door.open"],
    ),
    "another lane": (
        lambda new: new.update({"x-lane": None}),
        ["door.opened: moved from lane P1 to none; an older peer looks for it where it was"],
    ),
}


@pytest.mark.parametrize("name", sorted(BREAKING))
def test_what_breaks(name: str) -> None:
    change, sentences = BREAKING[name]
    assert changed(change) == sentences


def test_a_kind_that_is_gone_breaks() -> None:
    assert breaking({"door.opened": "{}"}, {}) == ["door.opened: the kind is gone; older peers still send it"]


HARMLESS: dict[str, Callable[[dict[str, Any]], object]] = {
    "nothing": lambda new: None,
    "a new optional field": lambda new: body(new)["properties"].update(who={"type": "string"}),
    "another description": lambda new: new.update(description="better"),
    "a word more in an open set": lambda new: field(new, "mood")["enum"].append("cross"),
}


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_what_breaks_nobody(name: str) -> None:
    assert changed(HARMLESS[name]) == []


def test_a_new_kind_breaks_nobody() -> None:
    assert breaking({}, {"door.opened": json.dumps(OLD)}) == []
