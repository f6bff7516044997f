"""The quick way of reading back a stored record gives what the whole way gives: the same fact, or the same error."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules import wire
from rules.errors import WireError
from rules.wire.stored import fact
from tests.contract.wire_samples import EVENT_BODIES
from tests.unit import nights


def whole_way(data: bytes) -> object:
    """As it is read from the wire."""
    record = wire.read(data)
    return wire.entry(record) if record.kind.startswith("incident.") else wire.event(record)


def same(data: bytes) -> bool:
    """Whether both ways agree, also about what is wrong."""
    try:
        expected: object = whole_way(data)
    except WireError as error:
        with pytest.raises(WireError) as found:
            fact(data)
        return str(found.value) == str(error)
    return fact(data) == expected


PLAIN = {
    "id": "00000000-0000-7000-8000-000000000001", "kind": "contact.opened", "wall": 5, "clock": "synced", "gt": 5,
    "cause": "because", "body": {"device": "door", "delivery": "live", "n": 1},
}  # fmt: skip


def record(**changes: Any) -> bytes:
    """A plain record with something else in it."""
    return json.dumps(PLAIN | changes, separators=(",", ":")).encode()


def test_a_whole_night() -> None:
    assert all(same(data) for data in nights.log())


@pytest.mark.parametrize("kind", sorted({kind for kind, _ in EVENT_BODIES}))
def test_every_kind(kind: str) -> None:
    for name, body in EVENT_BODIES:
        if name == kind:
            assert same(record(kind=kind, body=body))


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"cause": None}, {"cause": 5}, {"cause": "x" * 201}, {"extra": 1}, {"extra": {"a": [1]}},
        {"extra": 2**63}, {"gt": -1},
        {"gt": None},
        {"gt": 2**60}, {"gt": True}, {"gt": 1.0}, {"wall": -1}, {"wall": -(2**60)}, {"wall": "5"}, {"clock": "right"},
        {"clock": 1}, {"id": "5"}, {"id": "A" * 36}, {"id": 5}, {"kind": "novel.kind"}, {"kind": 5}, {"body": []},
        {"body": {}}, {"body": {"device": 5}}, {"body": {"device": "door", "new": 1}}, {"body": {"device": None}},
        {"body": {"device": "door", "n": True}}, {"body": {"device": "door", "n": 2**63}},
        {"body": {"device": "door", "n": None}}, {"body": {"device": "door", "delivery": "maybe"}},
        {"body": {"device": "d\\u0000"}}, {"body": {"device": 'a":b'}}, {"body": {"device": "x" * 70_000}},
    ],
)  # fmt: skip
def test_what_is_odd(changes: dict[str, Any]) -> None:
    assert same(record(**changes))


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"5", b"null", b"{", b"\xff", b'{"kind":"contact.opened"}', record() + b"\n", record()[:-1],
     record().replace(b'"device":"door"', b'"device":"door","device":"gate"'), record().replace(b'"gt":5', b'"gt":NaN'),
     record().replace(b'"body"', b'"wall":6,"body"'), record().replace(b"door", b"\xff")],
)  # fmt: skip
def test_what_is_no_record(data: bytes) -> None:
    assert same(data)


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from([*PLAIN, "other"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5)
        | st.dictionaries(st.sampled_from(["device", "n", "delivery", "x"]), st.integers() | st.text(max_size=5)),
        max_size=3,
    )
)  # fmt: skip
def test_anything(changes: dict[str, Any]) -> None:
    assert same(record(**changes))
