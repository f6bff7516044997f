"""What a reader of wire v1 takes from a newer or a broken peer, and the sentence for each thing it does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rules import wire
from rules.errors import WireError
from rules.events import ContactOpened, LogGap
from rules.incidents import fold
from tests.contract import wire_samples as samples

ID = "019bbe7c-b38b-774b-ac64-656e2d303030"
SECRET = "hunter2-canary"


def record(kind: Any = "contact.opened", body: Any = None, **changes: Any) -> bytes:
    """Record bytes with changes; `...` takes a field away."""
    value = {"id": ID, "kind": kind, "wall": 1, "clock": "synced", "gt": 2, "body": {"device": "door"}}
    value |= ({"body": body} if body is not None else {}) | changes
    return json.dumps({name: part for name, part in value.items() if part is not ...}).encode()


def entry_record(kind: str = "incident.noted", **changes: Any) -> bytes:
    body = {"incident": "i", "lamport": 1, "origin": "o", "by": "b"} | changes
    return record(kind, {name: part for name, part in body.items() if part is not ...})


# --- what is tolerated ------------------------------------------------------------------------------------------------


def test_unknown_fields_are_ignored() -> None:
    fact = wire.event(wire.read(record(body={"device": "door", "colour": "red"}, future={"deep": [1]})))
    assert fact == ContactOpened(id=ID, gt=2, wall=1, device="door")


def test_an_unknown_kind_is_kept_verbatim() -> None:
    data = record("lift.stuck", {"floor": 3})
    read = wire.read(data)
    assert (read.kind, read.body, read.data) == ("lift.stuck", {"floor": 3}, data)
    assert wire.event(read) is None
    assert not wire.known(read.kind)


def test_an_unknown_entry_kind_is_still_an_entry_that_moves_nothing() -> None:
    opening = samples.entries()[0]
    body = {"incident": opening.incident, "lamport": 9, "origin": "o", "by": "b", "to": "police"}
    dispatched = wire.entry(wire.read(record("incident.dispatched", body)))
    assert dispatched.body == {"to": "police"}
    incident = fold([opening, dispatched], now=0)
    assert (incident.state, incident.lamport, len(incident.entries)) == ("open", 9, 2)


def test_unknown_fields_of_an_entry_are_kept_for_whoever_forwards_it() -> None:
    read = wire.entry(wire.read(entry_record(note="hello", mood="calm")))
    assert read.body == {"note": "hello", "mood": "calm"}


def test_a_severity_from_a_newer_peer_is_read_and_taken_seriously() -> None:
    read = wire.entry(wire.read(entry_record("incident.opened", title="t", severity="catastrophic")))
    assert fold([read], now=0).severity == "high"


def test_an_absent_or_unknown_clock_is_not_trusted() -> None:
    for changes in ({"clock": ...}, {"clock": "gps"}):
        fact = wire.event(wire.read(record(**changes)))
        assert fact is not None
        assert fact.clock == "unsynced"


def test_what_may_be_none_may_be_absent_or_null() -> None:
    for body in ({"reason": "r"}, {"reason": "r", "count": None}):
        assert wire.event(wire.read(record("log.gap", body))) == LogGap(id=ID, gt=2, wall=1, count=None, reason="r")


def test_an_unknown_channel_message_is_none() -> None:
    for read in (wire.read_from_agent, wire.read_from_relay):
        assert read('{"type":"sing","tune":"la"}') is None


def test_unknown_fields_of_messages_are_ignored() -> None:
    assert wire.read_from_agent('{"type":"pull","after":3,"why":"curious"}') == wire.Pull(after=3)
    ack = wire.Ack.parse(samples.answers()["ack.json"].text()[:-1] + ',"weather":"mild"}')
    assert ack == samples.answers()["ack.json"]


def test_a_batch_is_not_refused_for_an_unreadable_record() -> None:
    header = samples.batch()[0]
    batch = wire.read_batch(wire.write_batch(header, [b"\xff\x00 garbage", b"{}", record()]))
    assert batch.lines == (b"\xff\x00 garbage", b"{}", record())


def test_an_empty_batch_is_a_batch() -> None:
    assert wire.read_batch(wire.write_batch(samples.batch()[0], [])).lines == ()


# --- what is refused --------------------------------------------------------------------------------------------------

NOT_JSON = "this is not JSON in UTF-8"
TEXT = "a text has a NUL or half a character"
NESTED = "objects and lists are nested deeper than 32"
PATTERN = "String should match pattern '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'"

REFUSED_RECORDS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", NOT_JSON),
    "not JSON": (b"{hello", NOT_JSON),
    "two values": (record() + record(), NOT_JSON),
    "not UTF-8": (record(body={"device": "d\xe9j\xe0"}).decode("unicode-escape").encode("latin-1"), NOT_JSON),
    "UTF-16": (record().decode().encode("utf-16"), NOT_JSON),
    "a byte order mark": (b"\xef\xbb\xbf" + record(), NOT_JSON),
    "half a character in bytes": (record().replace(b"door", b"\xed\xa0\x80"), NOT_JSON),
    "half a character escaped": (record().replace(b"door", b"\\ud800"), TEXT),
    "halves in the wrong order": (record().replace(b"door", b"\\udc00\\ud800"), TEXT),
    "half a character in a key": (record().replace(b'"device"', b'"\\udfff"'), TEXT),
    "NUL escaped": (record().replace(b"door", b"\\u0000"), TEXT),
    "NUL raw": (record().replace(b"door", b"\0"), NOT_JSON),
    "NaN": (record().replace(b'"door"', b"NaN"), "NaN and Infinity are not JSON"),
    "Infinity": (record().replace(b'"door"', b"-Infinity"), "NaN and Infinity are not JSON"),
    "a number beyond doubles": (record().replace(b'"door"', b"1e999"), "a number is out of range"),
    "an integer beyond 64 bits": (record().replace(b'"door"', b"9" * 19 + b"9"), "a whole number does not fit 64 bits"),
    "an integer of 10,000 digits": (record().replace(b'"door"', b"9" * 10_000), "a whole number does not fit 64 bits"),
    "a key twice": (record().replace(b'"wall": 1', b'"wall": 1, "wall": 2'), "a key stands twice in one object"),
    "a key twice inside": (record().replace(b'"door"', b'{"a":1,"a":1}'), "a key stands twice in one object"),
    "deep": (record().replace(b'"door"', b"[" * 40 + b"]" * 40), NESTED),
    "very deep": (record().replace(b'"door"', b"[" * 30_000 + b"]" * 30_000), NESTED),
    "very deep and never closed": (b'{"a":' * 10_000, NESTED),
    "two lines": (record() + b"\n", "a record is one line"),
    "too long": (record().replace(b"door", b"d" * 70_000), "a record may have 65536 bytes, this one has @"),
    "a list": (b"[]", "record: message: Input should be a valid dictionary or instance of _Envelope"),
    "no id": (record(id=...), "record: id: Field required"),
    "an id of another form": (record(id=SECRET), f"record: id: {PATTERN}"),
    "an id in capitals": (record(id=ID.upper()), f"record: id: {PATTERN}"),
    "a number as kind": (record(kind=1), "record: kind: Input should be a valid string"),
    "wall as text": (record(wall="1"), "record: wall: Input should be a valid integer"),
    "wall as a fraction": (record(wall=1.5), "record: wall: Input should be a valid integer"),
    "wall as truth": (record(wall=True), "record: wall: Input should be a valid integer"),
    "wall far away": (record(wall=2**60), "record: wall: Input should be less than or equal to 9007199254740992"),
    "gateway time before it began": (record(gt=-1), "record: gt: Input should be greater than or equal to 0"),
    "a body of text": (record(body=SECRET), "record: body: Input should be a valid dictionary"),
    "no body": (record(body=...), "record: body: Field required"),
}


@pytest.mark.parametrize("name", sorted(REFUSED_RECORDS))
def test_a_record_is_refused_with_its_reason(name: str) -> None:
    data, sentence = REFUSED_RECORDS[name]
    with pytest.raises(WireError) as caught:
        wire.read(data)
    assert str(caught.value) == sentence.replace("@", str(len(data)))


REFUSED_EVENTS: dict[str, tuple[bytes, str]] = {
    "no gateway time": (record(gt=...), "contact.opened: an event has gateway time"),
    "a field is missing": (record(body={}), "contact.opened: device: Field required"),
    "a field of another type": (
        record("output.reported", {"device": "s", "on": SECRET}),
        "output.reported: on: Input should be a valid boolean",
    ),
    "a number as text": (
        record("reading.temperature", {"device": "t", "value": "21.5"}),
        "reading.temperature: value: Input should be a valid number",
    ),
    "a word outside a closed set": (
        record(body={"device": "d", "delivery": SECRET}),
        "contact.opened: delivery: Input should be 'live', 'retained', 'redelivered' or 'late'",
    ),
    "a made-up key is not repeated": (
        record("command.received", {"command": "c", "name": "n", "args": {SECRET: 1}, "actor": "a", "outlet": "o"}),
        "command.received: args.*: Input should be a valid string",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED_EVENTS))
def test_a_known_event_is_refused_with_its_reason(name: str) -> None:
    data, sentence = REFUSED_EVENTS[name]
    read = wire.read(data)
    with pytest.raises(WireError) as caught:
        wire.event(read)
    assert str(caught.value) == sentence


REFUSED_ENTRIES: dict[str, tuple[bytes, str]] = {
    "an event": (record(), "contact.opened is not an incident entry"),
    "no lamport": (entry_record(lamport=...), "incident.noted: lamport: Field required"),
    "lamport nought": (
        entry_record(lamport=0),
        "incident.noted: lamport: Input should be greater than or equal to 1",
    ),
    "lamport true": (entry_record(lamport=True), "incident.noted: lamport: Input should be a valid integer"),
    "lamport that would end all counting": (
        entry_record(lamport=2**53),
        "incident.noted: lamport: Input should be less than 9007199254740992",
    ),
    "by nobody": (entry_record(by=None), "incident.noted: by: Input should be a valid string"),
    "an unknown kind needs its head too": (
        record("incident.dispatched", {"incident": "i"}),
        "incident.dispatched: lamport: Field required",
    ),
    "until as text": (
        entry_record("incident.acknowledged", until=SECRET),
        "incident.acknowledged: until: Input should be a valid integer",
    ),
    "evidence as a list": (
        entry_record("incident.evidence", evidence=[SECRET]),
        "incident.evidence: evidence: Input should be a valid dictionary or instance of Evidence",
    ),
    "a clip as an object": (
        entry_record("incident.evidence", evidence={"clip": {SECRET: 1}}),
        "incident.evidence: evidence.clip: Input should be a valid string",
    ),
    "opened without a title": (
        entry_record("incident.opened", severity="high"),
        "incident.opened: title: Field required",
    ),
    "merged into nothing": (entry_record("incident.merged"), "incident.merged: into: Field required"),
}


@pytest.mark.parametrize("name", sorted(REFUSED_ENTRIES))
def test_an_entry_is_refused_with_its_reason(name: str) -> None:
    data, sentence = REFUSED_ENTRIES[name]
    read = wire.read(data)
    with pytest.raises(WireError) as caught:
        wire.entry(read)
    assert str(caught.value) == sentence


HEADER = samples.batch()[0].text()
GAP = samples.batch()[1][2].decode()
REFUSED_BATCHES: dict[str, tuple[str, str]] = {
    "nothing": ("", f"batch: {NOT_JSON}"),
    "no header": ("{}\n", "batch: gateway: Field required"),
    "another version": (HEADER.replace('"v":1', '"v":2'), "batch: v: Input should be 1"),
    "a lane without records": (
        HEADER.replace('"P1"', '"P3"'),
        "batch: lane: Input should be 'P0', 'P1', 'P2' or 'P4'",
    ),
    "seq nought": (
        HEADER.replace('"first":5', '"first":0'),
        "batch: first: Input should be greater than or equal to 1",
    ),
    "a hash of another form": (
        HEADER.replace('"prev":"', '"prev":"X'),
        "batch: prev: String should match pattern '^[0-9a-f]{64}$'",
    ),
    "a gap without an end": (HEADER + "\n" + GAP.replace('"to":9,', ""), "batch: gap.to: Field required"),
    "a gap backwards": (HEADER + "\n" + GAP.replace('"to":9', '"to":6'), "batch: gap: a gap ends before it begins"),
    "a gap to the end of the world": (
        HEADER + "\n" + GAP.replace('"to":9', f'"to":{2**60}'),
        "batch: gap.to: Input should be less than or equal to 9007199254740992",
    ),
    "too many lines": (HEADER + "\n{}" * 501, "a batch may have 500 lines, this one has 501"),
    "too large": (HEADER + "\n" + "x" * 4_194_304, "a batch may have 4194304 bytes, this one has @"),
}


@pytest.mark.parametrize("name", sorted(REFUSED_BATCHES))
def test_a_batch_is_refused_with_its_reason(name: str) -> None:
    data, sentence = REFUSED_BATCHES[name]
    with pytest.raises(WireError) as caught:
        wire.read_batch(data.encode())
    assert str(caught.value) == sentence.replace("@", str(len(data)))


REFUSED_MESSAGES: dict[str, tuple[str, str]] = {
    "nothing": ("", NOT_JSON),
    "text": ('"hello"', "channel: message: Input should be a valid dictionary or object to extract fields from"),
    "no type": ('{"after":1}', "channel: type is missing"),
    "a number too large": (
        f'{{"type":"pull","after":{2**60}}}',
        "channel: pull.after: Input should be less than or equal to 9007199254740992",
    ),
    "a cursor before the beginning": (
        '{"type":"pull","after":-1}',
        "channel: pull.after: Input should be greater than or equal to 0",
    ),
    "a number as text": ('{"type":"pull","after":"1"}', "channel: pull.after: Input should be a valid integer"),
    "half a character": ('{"type":"pull","after":"\\ud800"}', TEXT),
    "half a character unescaped": ('{"type":"pull","after":"\ud800"}', TEXT),
    "deep": ("[" * 100_000, NESTED),
    "NaN in a result": ('{"type":"answer","ask":"a","ok":true,"result":{"x":NaN}}', "NaN and Infinity are not JSON"),
    "a made-up name is not repeated": (
        f'{{"type":"heartbeat","wall":1,"outlets":{{"{SECRET}":1}}}}',
        "channel: heartbeat.outlets.*: Input should be a valid dictionary or instance of OutletState",
    ),
}


@pytest.mark.parametrize("name", sorted(REFUSED_MESSAGES))
def test_a_channel_message_is_refused_with_its_reason(name: str) -> None:
    text, sentence = REFUSED_MESSAGES[name]
    with pytest.raises(WireError) as caught:
        wire.read_from_agent(text)
    assert str(caught.value) == sentence


def test_digits_of_a_proof_never_stand_in_a_complaint() -> None:
    command = samples.from_relay()[2].text()
    for broken in (command.replace('"pin":"0000"', f'"{SECRET}":1'), command.replace('"0000"', "4711")):
        with pytest.raises(WireError) as caught:
            wire.read_from_relay(broken)
        assert str(caught.value) in (
            "channel: command.proof.*: Input should be a valid string",
            "channel: command.proof.pin: Input should be a valid string",
        )


def test_no_complaint_repeats_what_was_sent() -> None:
    tables = (REFUSED_RECORDS, REFUSED_EVENTS, REFUSED_ENTRIES, REFUSED_BATCHES, REFUSED_MESSAGES)
    assert all(SECRET not in sentence for table in tables for _, sentence in table.values())


# --- what cannot be written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", ["\ud800", "a\udfffb"])
def test_half_a_character_cannot_be_written(device: str) -> None:
    with pytest.raises(WireError, match=r"kind contact\.opened cannot be written as JSON: surrogates not allowed"):
        wire.encode(ContactOpened(id=ID, gt=1, wall=1, device=device))


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), object(), {1, 2}, 10**5000], ids=["nan", "infinity", "object", "set", "long"]
)
def test_what_json_cannot_say_cannot_be_written(value: object) -> None:
    entry = samples.entries()[0]
    entry.body["extra"] = value
    try:
        with pytest.raises(WireError, match=r"kind incident\.opened cannot be written as JSON"):
            wire.encode(entry)
    finally:
        del entry.body["extra"]


def test_a_body_cannot_change_whose_entry_it_is() -> None:
    entry = wire.entry(wire.read(entry_record(note="n")))
    entry.body["incident"] = entry.body["lamport"] = "another"
    assert wire.entry(wire.read(wire.encode(entry))).incident == "i"
