"""From payloads to facts: inputs, detectors, keypads, readers, and the troubles told beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Header
from agent.config.pepper import Pepper
from agent.devices.mqtt.mapping import Mapping, Said
from rules.document.site import load_site
from rules.errors import DocumentError
from rules.events import CardRead, CodeEntered, Delivery

HEADER: Header = {"id": "0190a0b0-0000-7000-8000-000000000001", "gt": 5, "wall": 7, "clock": "synced"}
PEPPER = Pepper.read("0f" * 32)
DEVICES = """
  - {id: line, type: input, mqtt: {topic: t/line, field: s, normal: NORM, active: ALARM, short: SHORT, open: CUT}}
  - {id: two, type: input, mqtt: {topic: t/two, field: s, normal: 0, active: 1}}
  - {id: glass, type: glass, mqtt: {topic: t/glass, field: g, on: true, off: false}}
  - {id: smoke, type: smoke, mqtt: {topic: t/smoke, field: s, on: true, off: false,
      battery: {field: battery, below: 15}, tamper: {field: tamper, on: true, off: false},
      lost: {topic: t/smoke/availability, field: state, on: offline, off: online}}}
  - {id: hot, type: heat, mqtt: {topic: t/hot, on: HOT, off: COLD}}
  - {id: gas, type: co, mqtt: {topic: t/gas, field: co, on: 1, off: 0}}
  - {id: wet, type: water, mqtt: {topic: t/wet, field: leak, on: true, off: false}}
  - {id: help, type: button, mqtt: {topic: t/help, field: action, on: single}}
  - {id: rex, type: button, mqtt: {topic: t/rex, field: pressed, on: true, off: false}}
  - {id: bolt, type: lock, mqtt: {topic: t/bolt, field: s, on: OPEN, off: SHUT,
      command: {topic: t/bolt/set, on: OPEN, off: SHUT}, mains: {field: ac, on: false, off: true}}}
  - {id: pad, type: keypad, mqtt: {topic: t/pad, code: pin, wish: action, key: action, words: {arm_all_zones: arm_away,
      arm_day_zones: arm_stay, disarm: disarm, sos: panic}, tamper: {field: tamper, on: true, off: false}}}
  - {id: plain-pad, type: keypad, mqtt: {topic: t/plain, code: code, wish: wish, key: key}}
  - {id: keys, type: keypad, mqtt: {topic: t/keys, key: key}}
  - {id: gate, type: reader, mqtt: {topic: t/gate, field: card, code: pin}}
  - {id: tag, type: reader, mqtt: {topic: t/tag}}
"""
HEAD = "site: {id: house, name: The House}\ndevices:\n"


def mapping() -> Mapping:
    return Mapping(devices=load_site(HEAD + DEVICES, "site.yaml").devices, pepper=PEPPER)


def read(topic: str, payload: Any, *, by: Mapping | None = None, delivery: Delivery = "live") -> Said:
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return (by or mapping()).read(topic, data, header=HEADER, delivery=delivery)


def brief(said: Said) -> list[str]:
    shown = []
    for fact in said.facts:
        extra = [str(getattr(fact, name)) for name in ("state", "key", "wish", "on", "reason") if hasattr(fact, name)]
        shown.append(" ".join([fact.kind, fact.device, *extra]).rstrip())
    return shown


@pytest.mark.parametrize(
    ("topic", "payload", "facts"),
    [
        ("t/line", {"s": "NORM"}, ["input.reported line normal"]),
        ("t/line", {"s": "ALARM"}, ["input.reported line active"]),
        ("t/line", {"s": "SHORT"}, ["input.reported line short"]),
        ("t/line", {"s": "CUT"}, ["input.reported line open"]),
        ("t/two", {"s": 1}, ["input.reported two active"]),
        ("t/glass", {"g": True}, ["glass.broken glass"]),
        ("t/glass", {"g": False}, ["glass.cleared glass"]),
        ("t/hot", b"HOT", ["heat.detected hot"]),
        ("t/hot", b"COLD", ["heat.cleared hot"]),
        ("t/gas", {"co": 1}, ["co.detected gas"]),
        ("t/gas", {"co": 0}, ["co.cleared gas"]),
        ("t/wet", {"leak": True}, ["water.detected wet"]),
        ("t/wet", {"leak": False}, ["water.cleared wet"]),
        ("t/smoke", {"s": True}, ["smoke.detected smoke"]),
        ("t/smoke", {"s": False}, ["smoke.cleared smoke"]),
        ("t/help", {"action": "single"}, ["button.pressed help", "button.released help"]),
        ("t/rex", {"pressed": True}, ["button.pressed rex"]),
        ("t/rex", {"pressed": False}, ["button.released rex"]),
        ("t/bolt", {"s": "OPEN"}, ["output.reported bolt True"]),
        ("t/bolt", {"s": "SHUT", "ac": False}, ["output.reported bolt False", "mains.lost bolt"]),
    ],
)
def test_inputs_detectors_buttons_locks(topic: str, payload: Any, facts: list[str]) -> None:
    said = read(topic, payload)
    assert (brief(said), said.problem) == (facts, None)
    assert len({fact.id for fact in said.facts}) == len(facts)


def test_a_trouble_told_with_every_message_is_a_fact_when_it_begins_and_ends() -> None:
    by = mapping()
    whole = {"s": False, "battery": 80, "tamper": False}
    state, good, shut = "smoke.cleared smoke", "battery.restored smoke", "tamper.closed smoke"
    assert brief(read("t/smoke", whole, by=by)) == [state, shut, good]
    assert brief(read("t/smoke", whole, by=by)) == [state]
    assert brief(read("t/smoke", whole | {"battery": 14.9}, by=by)) == [state, "battery.low smoke"]
    assert brief(read("t/smoke", whole | {"battery": 14, "tamper": True}, by=by)) == [state, "tamper.opened smoke"]
    late = read("t/smoke", whole, by=by, delivery="late")
    assert brief(late) == [state, shut, good], "what was overtaken is told and not remembered"
    assert brief(read("t/smoke", whole | {"battery": 15, "tamper": True}, by=by)) == [state, good]
    assert read("t/smoke", {"linkquality": 3}, by=by) == Said([], None)


def test_a_device_says_on_a_topic_of_its_own_that_it_is_gone() -> None:
    by = mapping()
    assert "t/smoke/availability" in by.topics
    gone = "device.lost smoke it says itself that it is offline"
    assert brief(read("t/smoke/availability", {"state": "offline"}, by=by)) == [gone]
    assert brief(read("t/smoke/availability", {"state": "offline"}, by=by)) == []
    assert brief(read("t/smoke/availability", {"state": "online"}, by=by)) == ["device.restored smoke"]
    said = read("t/smoke/availability", {"state": "maybe"}, by=by)
    assert said.problem == "state is neither of the two values for the lost of smoke"


def test_a_device_that_would_be_missed_proves_that_it_lives_with_any_word() -> None:
    by = Mapping(devices=load_site(HEAD + DEVICES, "site.yaml").devices, pepper=PEPPER, missed={"smoke": 100})

    def at(gt: int, payload: Any, delivery: Delivery = "live") -> list[str]:
        header: Header = {**HEADER, "gt": gt}
        return brief(by.read("t/smoke", json.dumps(payload).encode(), header=header, delivery=delivery))

    beat, heard = {"linkquality": 3}, ["device.restored smoke"]
    assert at(1000, beat, "retained") == [], "what the broker kept proves nothing"
    assert at(1000, beat) == heard
    assert at(1099, beat) == []
    assert at(1100, beat) == heard
    assert at(1150, {"s": False}) == ["smoke.cleared smoke"]
    assert at(1249, beat) == []
    assert at(1250, beat) == heard
    assert at(9999, {"s": "?"}) == [], "nor does what makes no sense"
    assert brief(read("t/glass", beat, by=by)) == []


@pytest.mark.parametrize(
    ("topic", "payload", "facts"),
    [
        ("t/pad", {"pin": "1234", "action": "disarm"}, ["code.entered pad disarm"]),
        ("t/pad", {"pin": "1234", "action": "arm_all_zones"}, ["code.entered pad arm_away"]),
        ("t/pad", {"pin": "1234", "action": None}, ["code.entered pad"]),
        ("t/pad", {"pin": 1234}, ["code.entered pad"]),
        ("t/pad", {"pin": "", "action": "arm_day_zones"}, ["key.pressed pad arm_stay"]),
        ("t/pad", {"pin": None, "action": "sos"}, ["key.pressed pad panic"]),
        ("t/pad", {"pin": "1234", "action": "sos"}, ["key.pressed pad panic"]),
        ("t/pad", {"pin": "12ab", "action": "sos"}, ["key.pressed pad panic"]),
        ("t/pad", {"tamper": True}, ["tamper.opened pad"]),
        ("t/pad", {"action": ""}, []),
        ("t/plain", {"code": "0000", "wish": "disarm"}, ["code.entered plain-pad disarm"]),
        ("t/plain", {"code": "0000", "key": "arm_night"}, ["code.entered plain-pad arm_night"]),
        ("t/plain", {"key": "fire"}, ["key.pressed plain-pad fire"]),
        ("t/keys", {"key": "help"}, ["key.pressed keys help"]),
        ("t/gate", {"card": "04:A2:11"}, ["card.read gate"]),
        ("t/gate", {"card": 123456}, ["card.read gate"]),
        ("t/gate", {"pin": "4711"}, ["code.entered gate"]),
        ("t/gate", {"card": "04A211", "pin": "4711"}, ["card.read gate", "code.entered gate"]),
        ("t/gate", {"card": None, "pin": ""}, []),
        ("t/tag", b"04a211", ["card.read tag"]),
    ],
)
def test_keypads_and_readers(topic: str, payload: Any, facts: list[str]) -> None:
    said = read(topic, payload)
    assert (brief(said), said.problem) == (facts, None)


def test_digits_become_digests_before_there_is_a_fact() -> None:
    (code,) = read("t/pad", {"pin": "1234", "action": "disarm"}).facts
    assert isinstance(code, CodeEntered)
    assert code.digest == PEPPER.code("1234")
    (card,) = read("t/tag", b"04:A2:11").facts
    assert isinstance(card, CardRead)
    assert card.digest == PEPPER.card("04a211")
    assert "1234" not in repr(code).replace(code.digest, "")


SECRET = "829417356"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("t/pad", {"pin": SECRET + "x", "action": "disarm"}),
        ("t/pad", {"pin": [SECRET], "action": "disarm"}),
        ("t/pad", {"pin": {"a": SECRET}}),
        ("t/pad", {"pin": True}),
        ("t/pad", {"pin": 1.5}),
        ("t/pad", {"pin": SECRET, "action": SECRET}),
        ("t/pad", {"pin": SECRET, "action": 7}),
        ("t/pad", {"action": "disarm", "x": SECRET}),
        ("t/pad", [SECRET]),
        ("t/pad", f'{{"pin": {SECRET}'.encode()),
        ("t/gate", {"card": "!" + SECRET}),
        ("t/gate", {"card": {"x": SECRET}}),
        ("t/gate", {"card": "", "pin": SECRET + "#"}),
        ("t/tag", b"?" + SECRET.encode()),
        ("t/tag", b"\xff" + SECRET.encode()),
        ("t/tag", SECRET.encode() * 8000),
    ],
)
def test_what_is_no_credential_is_put_aside_without_repeating_it(topic: str, payload: Any) -> None:
    said = read(topic, payload)
    assert said.problem is not None
    assert SECRET not in said.problem
    assert all(SECRET not in repr(fact) for fact in said.facts)


def test_which_topics_bear_credentials() -> None:
    by = mapping()
    bearing = [topic for topic in by.topics if by.bears_credentials(topic)]
    assert bearing == ["t/gate", "t/keys", "t/pad", "t/plain", "t/tag"]


_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["pin", "action", "card", "code", "wish", "key", "s", "battery", "tamper", "state", "ac", "g"]
TOPICS = mapping().topics


@given(st.sampled_from(TOPICS), st.dictionaries(st.sampled_from(FIELDS), _json))
def test_no_json_makes_it_fail(topic: str, document: dict[str, Any]) -> None:
    said = read(topic, document)
    assert said.problem is None or len(said.problem) < 300


# --- the document ---


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ("{id: x, type: input, mqtt: {topic: t, normal: 0}}", "input x: say in mqtt what is `normal`"),
        ("{id: x, type: smoke, mqtt: {topic: t, on: 1}}", "smoke x: say in mqtt what is `on` and what is `off`"),
        ("{id: x, type: button, mqtt: {topic: t, off: 1}}", "button x: say in mqtt what is `on`"),
        ("{id: x, type: lock, mqtt: {topic: t, on: 1, off: 0}}", "lock x: say in mqtt.command where to publish what"),
        ("{id: x, type: keypad, mqtt: {topic: t}}", "keypad x: name in mqtt the field that has the `code`"),
        ("{id: x, type: keypad, mqtt: {topic: t, field: c, code: c}}", "keypad x: it has no `field`"),
        ("{id: x, type: keypad, mqtt: {topic: t, key: k, wish: w}}", "keypad x: a `wish` needs the `code`"),
        ("{id: x, type: keypad, mqtt: {topic: t, key: k, words: {a: dissarm}}}", "did you mean disarm?"),
        ("{id: x, type: reader, mqtt: {topic: t, code: c}}", "reader x: beside a `code`, name the `field`"),
        ("{id: x, type: smoke, mqtt: {topic: t, on: 1, off: 0, code: c}}", "only keypads and readers have a `code`"),
        ("{id: x, type: reader, mqtt: {topic: t, key: k}}", "only keypads have `wish`, `key` and `words`"),
        ("{id: x, type: reader, mqtt: {topic: t, tamper: {on: 1, off: 0}}}", "name the `field` that tells it"),
        ("{id: x, type: reader, mqtt: {topic: t, tamper: {field: f, on: 1}}}", "say both"),
        ("{id: x, type: reader, mqtt: {topic: t, battery: {field: f}}}", "or `below` which number"),
        ("{id: x, type: reader, mqtt: {topic: t, battery: {field: f, below: 5, on: 1}}}", "or `below` which number"),
    ],
)
def test_what_a_document_must_say_of_a_device(device: str, says: str) -> None:
    with pytest.raises(DocumentError, match=says.replace("?", r"\?")):
        load_site(f"{HEAD}  - {device}\n", "site.yaml")
