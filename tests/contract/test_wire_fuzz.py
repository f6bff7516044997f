"""Whatever comes over the wire, only WireError comes out; and what comes through can be written again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import wire
from rules.errors import WireError
from rules.incidents import fold
from tests.contract import wire_samples as samples
from tests.examples import examples

RECORDS = [*map(wire.encode, samples.events()), *map(wire.encode, samples.entries())]
MESSAGES = [message.text() for message in (*samples.from_agent(), *samples.from_relay())]
BATCH = wire.write_batch(*samples.batch()[:2])

NASTY: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**53,
        2**63,
        -(2**63),
        10**400,
        1.5,
        1e308,
        float("nan"),
        float("inf"),
        "",
        "\0",
        "\ud800",
        "x" * 500,
    ]
)
VALUES = st.recursive(
    NASTY | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
# Bytes a JSON reader stumbles over, put anywhere.
PIECES = st.sampled_from(
    [
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"\\ud800",
        b"\\u0000",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"9" * 5000,
        b"[" * 3000,
        b'{"a":' * 3000,
        b'"',
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b"\n",
        b"1",
        b"-",
        b"null",
        b"\xe2\x80\xa8",
    ]
)


def read_all(data: bytes) -> None:
    """All a relay does with record bytes before it stores them."""
    record = wire.read(data)
    json.dumps(record.body, allow_nan=False).encode()
    if record.kind.startswith("incident."):
        entry = wire.entry(record)
        incident = fold(
            [entry, samples.entries()[0]] if entry.incident == samples.INCIDENT else [entry], now=samples.WALL
        )
        json.dumps([incident.title, incident.severity, incident.policy, incident.clips, incident.stills]).encode()
        assert wire.entry(wire.read(wire.encode(entry))) == entry
    else:
        event = wire.event(record)
        assert event is None or wire.event(wire.read(wire.encode(event))) == event


def only_wire_errors(read: Callable[[Any], object], data: bytes | str) -> None:
    try:
        read(data)
    except WireError as error:
        complaint = str(error)
    else:
        return
    assert complaint
    assert len(complaint) < 400


def damage(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, piece in cuts:
        at %= len(data) + 1
        data = data[:at] + piece + data[at + length :]
    return data


CUTS = st.lists(
    st.tuples(st.integers(0, 5000), st.integers(0, 12), PIECES | st.binary(max_size=3)), min_size=1, max_size=3
)


@given(st.sampled_from(RECORDS), CUTS)
@examples(400)
def test_damaged_records(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    only_wire_errors(read_all, damage(data, cuts))


@given(st.binary(max_size=200))
@examples(60)
def test_any_bytes(data: bytes) -> None:
    for read in (read_all, wire.read_batch):
        only_wire_errors(read, data)


def graft(draw: st.DrawFn, value: Any) -> Any:
    """The value with one of its parts replaced, added or taken away."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        choice = draw(st.integers(0, 5))
        if choice == 0:
            return {name: part for name, part in value.items() if name != key}
        if choice == 1:
            return value | {draw(st.text(max_size=4)): draw(VALUES)}
        return value | {key: graft(draw, value[key])}
    return draw(VALUES)


@st.composite
def grafted(draw: st.DrawFn, texts: list[str]) -> str:
    value = graft(draw, json.loads(draw(st.sampled_from(texts))))
    return json.dumps(value, ensure_ascii=draw(st.booleans()))


@given(grafted([data.decode() for data in RECORDS]))
@examples(500)
def test_records_with_other_values(text: str) -> None:
    only_wire_errors(read_all, text.encode(errors="surrogatepass"))


@given(grafted(MESSAGES))
@examples(400)
def test_messages_with_other_values(text: str) -> None:
    only_wire_errors(wire.read_from_agent, text)
    only_wire_errors(wire.read_from_relay, text)


@given(st.sampled_from(MESSAGES), CUTS)
@examples(200)
def test_damaged_messages(text: str, cuts: list[tuple[int, int, bytes]]) -> None:
    damaged = damage(text.encode(), cuts).decode(errors="surrogateescape")
    only_wire_errors(wire.read_from_agent, damaged)
    only_wire_errors(wire.read_from_relay, damaged)


@given(CUTS)
@examples(200)
def test_damaged_batches(cuts: list[tuple[int, int, bytes]]) -> None:
    only_wire_errors(wire.read_batch, damage(BATCH, cuts))


@pytest.mark.parametrize("name", sorted(samples.answers()))
@given(data=st.data())
@examples(60)
def test_answers_with_other_values(name: str, data: st.DataObject) -> None:
    message = samples.answers()[name]
    only_wire_errors(type(message).parse, data.draw(grafted([message.text()])))


@given(grafted([data.decode() for data in RECORDS]))
@examples(60)
def test_what_is_read_can_be_stored(text: str) -> None:
    """No text that PostgreSQL refuses, no number that SQLite cannot bind."""
    try:
        record = wire.read(text.encode(errors="surrogatepass"))
    except WireError:
        return
    waiting: list[Any] = [record.body, record.kind, record.wall, record.gt, record.cause, record.clock]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str):
            assert "\0" not in value
            value.encode()
        elif isinstance(value, int):
            assert -(2**63) < value < 2**63
