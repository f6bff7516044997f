"""From payloads to facts: every device type, and everything a payload can do wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Header
from agent.devices.mqtt.mapping import Mapping, Said
from rules.document.site import load_site
from rules.events import DeviceEvent, Event

HEADER: Header = {"id": "0190a0b0-0000-7000-8000-000000000001", "gt": 5, "wall": 7, "clock": "synced"}
SITE = """
site: {id: house, name: The House}
devices:
  - {id: door, type: contact, mqtt: {topic: t/door, field: contact, open: false, closed: true}}
  - {id: gate, type: contact, mqtt: {topic: t/gate, open: OPEN, closed: CLOSED}}
  - {id: hall, type: motion, mqtt: {topic: t/hall, field: data.occupancy, "on": 1, "off": 0}}
  - {id: siren, type: siren, mqtt: {topic: t/siren, field: state, "on": "ON", "off": "OFF",
      command: {topic: t/siren/set, "on": "ON", "off": "OFF"}}}
  - {id: bolt, type: output, mqtt: {topic: t/bolt, field: state, "on": true, "off": false,
      command: {topic: t/bolt/set, "on": "1", "off": "0"}}}
  - {id: heat, type: temperature, mqtt: {topic: t/heat, field: temperature}}
  - {id: damp, type: humidity, mqtt: {topic: t/heat, field: humidity}}
  - {id: combined, type: contact, mqtt: {topic: t/both, field: contact, open: false, closed: true}}
  - {id: combined-heat, type: temperature, mqtt: {topic: t/both, field: temperature}}
  - {id: cam, type: camera, rtsp: {url: "rtsp://127.0.0.1:8554/cam"}}
"""
MAPPING = Mapping(devices=load_site(SITE, "site.yaml").devices)


def read(topic: str, payload: bytes | str | dict[str, Any]) -> Said:
    data = json.dumps(payload) if isinstance(payload, dict) else payload
    return MAPPING.read(
        topic, data if isinstance(data, bytes) else data.encode(), header=HEADER, delivery="live"
    )


def brief(said: Said) -> list[str]:
    def one(fact: DeviceEvent) -> str:
        extra = "".join(f" {name}={getattr(fact, name)}" for name in ("on", "value") if hasattr(fact, name))
        return f"{fact.kind} {fact.device}{extra}" + ("" if fact.n is None else f" n={fact.n}")

    return [one(fact) for fact in said.facts]


def test_every_type_of_device() -> None:
    assert MAPPING.topics == ["t/bolt", "t/both", "t/door", "t/gate", "t/hall", "t/heat", "t/siren"]
    assert brief(read("t/door", {"contact": False, "battery": 97, "n": 12})) == ["contact.opened door n=12"]
    assert brief(read("t/door", {"contact": True})) == ["contact.closed door"]
    assert brief(read("t/gate", "OPEN")) == ["contact.opened gate"]
    assert brief(read("t/gate", "CLOSED")) == ["contact.closed gate"]
    assert brief(read("t/hall", {"data": {"occupancy": 1}})) == ["motion.started hall"]
    assert brief(read("t/hall", '{"data": {"occupancy": 0.0}}')) == ["motion.ended hall"]
    assert brief(read("t/siren", {"state": "ON"})) == ["output.reported siren on=True"]
    assert brief(read("t/siren", {"state": "OFF"})) == ["output.reported siren on=False"]
    assert brief(read("t/bolt", {"state": True})) == ["output.reported bolt on=True"]
    assert brief(read("t/heat", {"temperature": 21.4, "humidity": 40})) == [
        "reading.temperature heat value=21.4",
        "reading.humidity damp value=40.0",
    ]


def test_two_facts_of_one_message_have_ids_of_their_own_and_all_have_the_times() -> None:
    first, second = read("t/heat", {"temperature": 21.4, "humidity": 40}).facts
    assert first.id == HEADER["id"] != second.id
    assert {(fact.gt, fact.wall, fact.clock) for fact in (first, second)} == {(5, 7, "synced")}


def test_a_message_that_does_not_mention_the_field_says_nothing() -> None:
    assert read("t/door", {"battery": 97}) == Said([], None)
    assert read("t/hall", {"data": {}}) == Said([], None)


def test_one_devices_nonsense_does_not_silence_the_other() -> None:
    said = read("t/both", {"contact": False, "temperature": "n/a"})
    assert brief(said) == ["contact.opened combined"]
    assert said.problem == "temperature is not a number that can be a temperature"


DEEP = "[" * 50_000 + "]" * 50_000


@pytest.mark.parametrize(
    ("topic", "payload", "problem"),
    [
        ("t/door", "garbage", "the payload is not JSON"),
        ("t/door", "", "the payload is not JSON"),
        ("t/door", b"\xff\xfe{}", "the payload is not JSON"),
        ("t/door", '{"contact": NaN}', "the payload is not JSON"),
        ("t/door", DEEP[:60_000], "the payload is not JSON"),
        ("t/door", "9" * 5_000, "the payload is not JSON"),
        ("t/door", "[1]", "contact cannot be found: the payload is not an object"),
        ("t/hall", '{"data": 5}', "data.occupancy cannot be found: the payload is not an object"),
        ("t/door", '{"contact": "false"}', "contact is neither of the two values that door can have"),
        ("t/door", '{"contact": 0}', "contact is neither of the two values that door can have"),
        ("t/door", '{"contact": null}', "contact is neither of the two values that door can have"),
        ("t/hall", '{"data": {"occupancy": true}}', "data.occupancy is neither of the two values that hall can have"),
        ("t/hall", '{"data": {"occupancy": "1"}}', "data.occupancy is neither of the two values that hall can have"),
        ("t/bolt", '{"state": 1}', "state is neither of the two values that bolt can have"),
        ("t/gate", "open", "the payload is neither of the two values that gate can have"),
        ("t/gate", b"\xff", "the payload is not text"),
        ("t/heat", '{"temperature": "21"}', "temperature is not a number that can be a temperature"),
        ("t/heat", '{"temperature": true}', "temperature is not a number that can be a temperature"),
        ("t/heat", '{"temperature": 1e999}', "temperature is not a number that can be a temperature"),
        ("t/heat", '{"temperature": -Infinity}', "the payload is not JSON"),
        ("t/heat", '{"humidity": 1e9}', "humidity is not a number that can be a humidity"),
        ("t/none", "{}", "no device of this site speaks on this topic"),
        ("t/door", b" " * 65_537, "the payload has 65537 bytes, at most 65536 are read"),
    ],
)
def test_what_makes_no_sense_is_put_aside_with_a_reason_that_does_not_repeat_it(
    topic: str, payload: str | bytes, problem: str
) -> None:
    assert read(topic, payload) == Said([], problem)


@pytest.mark.parametrize("n", ["true", "1.5", '"7"', str(2**60), "null"])
def test_a_counter_that_is_none_is_left_out(n: str) -> None:
    assert brief(read("t/door", f'{{"contact": true, "n": {n}}}')) == ["contact.closed door"]


@given(st.sampled_from(["t/door", "t/gate", "t/hall", "t/siren", "t/heat", "t/both", "t/x"]), st.binary(max_size=200))
def test_no_bytes_make_it_fail(topic: str, payload: bytes) -> None:
    said = read(topic, payload)
    assert all(isinstance(fact, Event) for fact in said.facts)


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from(["t/door", "t/hall", "t/siren", "t/heat", "t/both"]),
    st.dictionaries(st.sampled_from(["contact", "data", "state", "temperature", "humidity", "n"]), _json),
)
def test_no_json_makes_it_fail(topic: str, document: dict[str, Any]) -> None:
    said = read(topic, json.dumps(document))
    assert said.problem is None or len(said.problem) < 300
