"""The quick reader of entries and events says what the whole reader says, or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.facts import read_line
from rules import wire
from rules.errors import WireError
from rules.incidents import Entry
from rules.wire.stored import plain
from tests.bench.drain.night import entries
from tests.contract import wire_samples as samples

RECORDS = [*map(wire.encode, samples.entries()), *map(wire.encode, samples.events())]
COMMON = [wire.encode(entry) for entry in entries(15, gateway="gw-1", seed="s", policy="guards")]


def whole(data: bytes) -> object:
    """What the whole way says; None for what it refuses."""
    try:
        record = wire.read(data)
        return wire.entry(record) if record.kind.startswith("incident.") else wire.event(record)
    except WireError:
        return None


def agrees(data: bytes) -> None:
    found = plain(data)
    assert found is None or found == whole(data), data


@pytest.mark.parametrize("data", RECORDS + COMMON, ids=lambda data: json.loads(data)["kind"])
def test_both_ways_are_one(data: bytes) -> None:
    agrees(data)


def test_what_an_alarm_writes_goes_the_quick_way() -> None:
    for data in COMMON:
        assert isinstance(plain(data), Entry)


SPOILED = [
    (b'"lamport":1', b'"lamport":0'),
    (b'"lamport":1', b'"lamport":1.0'),
    (b'"lamport":1', b'"lamport":true'),
    (b'"lamport":1', b'"lamport":9007199254740993'),
    (b'"lamport":1', b'"lamport":1,"lamport":2'),
    (b'"lamport":1', b'"lamport" :1,"lamport":2'),
    (b'"lamport":1', b'"lamport"\t:1,"lamport":2'),
    (b'"lamport":1', b'"lamport"\r:1,"lamport":2'),
    (b'"clock":"synced"', b'"clock":"fine"'),
    (b'"clock":"synced"', b'"clock":"synced","weather":"mild"'),
    (b'"clock":"synced"', b'"clock":"synced","weather":NaN'),
    (b'"severity":"high"', b'"severity":"' + b"x" * 41 + b'"'),
    (b'"severity":"high"', b'"severity":null'),
    (b'"severity":"high"', b'"severity":7'),
    (b'"severity":"high"', b'"severity":"high","mood":"blue"'),
    (b'"severity":"high"', b'"severity":"high","mood":{"a":[NaN]}'),
    (b'"severity":"high"', b'"severity":"high","covert":true'),
    (b'"severity":"high"', b'"severity":"\xff"'),
    (b'"title":', b'"titel":'),
    (b'"origin":"gw-1",', b""),
    (b'"body":{', b'"body":[{'),
    (b'"kind":"incident.opened"', b'"kind":7'),
    (b'"kind":"incident.opened"', b'"kind":"incident.dreamt"'),
    (b'"id":"', b'"id":"x'),
    (b'"wall":', b'"wall":-'),
    (b'"gt":', b'"gt":-'),
    (b'{"id"', b' {"id"'),
    (b'{"id"', b'[{"id"'),
]


@pytest.mark.parametrize(("good", "bad"), SPOILED, ids=lambda part: part.decode("latin-1")[:30])
def test_what_is_not_plain_is_left_to_the_whole_way(good: bytes, bad: bytes) -> None:
    assert good in COMMON[0]
    agrees(COMMON[0].replace(good, bad, 1))


@given(st.sampled_from(COMMON + RECORDS), st.integers(0, 600), st.binary(max_size=3), st.integers(0, 3))
def test_a_changed_record_is_read_alike(data: bytes, at: int, put: bytes, cut: int) -> None:
    at %= len(data)
    agrees(data[:at] + put + data[at + cut :])


def test_a_line_of_the_wrong_lane_is_put_aside() -> None:
    assert read_line(1, COMMON[0], lane="P0").state == "applied"
    assert read_line(1, COMMON[0], lane="P1").state == "quarantined"
    event = next(data for data in RECORDS if b'"contact.opened"' in data)
    assert read_line(1, event, lane="P1").state == "applied"
    assert read_line(1, event, lane="P0").state == "quarantined"
