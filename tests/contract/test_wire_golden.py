"""Wire v1, read from both ends: today's code writes the golden bytes, and the golden bytes give today's facts."""

from __future__ import annotations

import json

import pytest
from pydantic import BaseModel

from rules import wire
from rules.events import EVENTS
from rules.incidents import ENTRY_KINDS
from tests.contract import wire_samples as samples
from tests.contract.wire_samples import GOLDEN


def lines(name: str) -> list[bytes]:
    data = (GOLDEN / name).read_bytes()
    assert data.endswith(b"\n")
    return data.removesuffix(b"\n").split(b"\n")


def test_every_kind_has_a_golden_record() -> None:
    assert {kind for kind, _ in samples.EVENT_BODIES} == set(EVENTS)
    assert {kind for kind, _ in samples.ENTRY_BODIES} == set(ENTRY_KINDS)


def test_events_are_written_as_the_golden_bytes_and_read_back() -> None:
    for fact, line in zip(samples.events(), lines("events.ndjson"), strict=True):
        assert wire.encode(fact) == line
        assert wire.event(wire.read(line)) == fact


def test_entries_are_written_as_the_golden_bytes_and_read_back() -> None:
    for fact, line in zip(samples.entries(), lines("entries.ndjson"), strict=True):
        assert wire.encode(fact) == line
        assert wire.entry(wire.read(line)) == fact


def test_a_record_keeps_the_bytes_it_came_in() -> None:
    for line in [*lines("events.ndjson"), *lines("entries.ndjson")]:
        assert wire.read(line).data == line


def test_known_is_what_has_a_golden_record() -> None:
    for line in [*lines("events.ndjson"), *lines("entries.ndjson")]:
        assert wire.known(json.loads(line)["kind"])
    assert not wire.known("door.dreamt")


def test_a_batch_with_a_gap() -> None:
    header, records, chain = samples.batch()
    data = (GOLDEN / "batch.ndjson").read_bytes()
    assert wire.write_batch(header, records) == data
    batch = wire.read_batch(data)
    assert batch.header == header
    gap = batch.lines[2]
    assert isinstance(gap, wire.GapRange)
    assert (gap.since, gap.to, gap.count, gap.reason) == (7, 9, 3, "pruned")
    assert [line for n, line in enumerate(batch.lines) if n != 2] == [records[0], records[1], records[3]]
    assert [hash_.hex().encode() for hash_ in chain] == lines("batch-chain.txt")


def test_the_chain_is_walked_with_nothing_but_the_batch() -> None:
    batch = wire.read_batch((GOLDEN / "batch.ndjson").read_bytes())
    seq, chain, walked = batch.header.first, bytes.fromhex(batch.header.prev), []
    for line in batch.lines:
        if isinstance(line, bytes):
            chain, seq = wire.chain_next(chain, line), seq + 1
        else:
            assert line.since == seq
            chain, seq = bytes.fromhex(line.chain), line.to + 1
        walked.append(chain.hex().encode())
    assert walked == lines("batch-chain.txt")
    assert seq == 11


def test_the_chain_begins_with_gateway_epoch_and_lane() -> None:
    # SHA-256 of "nightporter/1|gw-1|e1|P0": worked out with sha256sum, not with our code.
    start = wire.chain_start("gw-1", "e1", "P0")
    assert start.hex() == "54aeb6ce9393a3508df14b1ecbfca43dc02034069c9d901cffa1f60e235fe59e"
    assert wire.chain_next(start, b"{}").hex() == "777a1cdca1e0ead18cae880d8f85ae99df79811b87a34325e8d98b92e85d63ee"


@pytest.mark.parametrize("name", sorted(samples.answers()))
def test_answers(name: str) -> None:
    message = samples.answers()[name]
    golden = (GOLDEN / name).read_text()
    assert message.text() + "\n" == golden
    assert type(message).parse(golden) == message


@pytest.mark.parametrize("side", ["agent", "relay"])
def test_every_channel_message(side: str) -> None:
    messages = samples.from_agent() if side == "agent" else samples.from_relay()
    read = wire.read_from_agent if side == "agent" else wire.read_from_relay
    other = wire.read_from_relay if side == "agent" else wire.read_from_agent
    for message, line in zip(messages, lines(f"channel-from-{side}.ndjson"), strict=True):
        text = line.decode()
        assert message.text() == text
        assert read(text) == message
        if message.model_dump()["type"] != "hello":
            assert other(text) is None  # what only the other side says is unknown to this one


def test_every_type_of_message_has_a_golden_line() -> None:
    def types(union: object) -> set[type[BaseModel]]:
        return set(getattr(union, "__origin__").__args__)  # noqa: B009 - typing's own attributes are not declared

    assert {type(message) for message in samples.from_agent()} == types(wire.FromAgent)
    assert {type(message) for message in samples.from_relay()} == types(wire.FromRelay)


def test_an_entry_travels_down_as_its_makers_exact_bytes() -> None:
    message = wire.read_from_relay(lines("channel-from-relay.ndjson")[3].decode())
    assert isinstance(message, wire.Entries)
    assert message.items[0].encode() == lines("entries.ndjson")[10]


def test_a_proof_is_not_shown() -> None:
    message = wire.read_from_relay(lines("channel-from-relay.ndjson")[2].decode())
    assert isinstance(message, wire.Command)
    assert message.proof == {"pin": "0000"}
    assert "0000" not in repr(message)
    assert "pin" not in str(message)
