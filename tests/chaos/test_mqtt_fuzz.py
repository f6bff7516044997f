"""A million topics and payloads that nobody should send, in process: grammar, changed bytes, depth, size, odd numbers.

Each ends as facts or as a reason; none crashes, none holds the loop up, and what is told of them does not grow with
their number. What once went wrong is a named case at the end.
"""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from agent.clock import Clock
from agent.config.pepper import Pepper
from agent.devices.mqtt.mapping import MAX_PAYLOAD, Mapping
from agent.devices.mqtt.rejections import Rejections
from agent.intake import Intake
from rules import wire
from rules.document.site import load_site
from rules.events import DeviceEvent, PayloadRejected

SITE = """
site: {id: house, name: The House}
devices:
  - {id: door, type: contact, mqtt: {topic: b/door, field: contact, open: false, closed: true,
      tamper: {field: tamper, "on": true, "off": false}, battery: {field: battery, below: 15}}}
  - {id: deep, type: motion, mqtt: {topic: b/deep, field: data.a.b.occupancy, "on": 1, "off": 0}}
  - {id: plain, type: smoke, mqtt: {topic: b/plain, "on": "ON", "off": "OFF"}}
  - {id: loop, type: input, mqtt: {topic: b/loop, field: v, normal: 1, active: 2, short: 0, open: 3}}
  - {id: heat, type: temperature, mqtt: {topic: b/heat, field: temperature}}
  - {id: wet, type: humidity, mqtt: {topic: b/heat, field: humidity}}
  - {id: pad, type: keypad, mqtt: {topic: b/pad, code: code, wish: action, key: action,
      words: {arm_all: arm_away, disarm: disarm}}}
  - {id: card, type: reader, mqtt: {topic: b/card, field: card, code: code}}
  - {id: siren, type: siren, mqtt: {topic: b/siren, field: state, "on": "ON", "off": "OFF",
      command: {topic: b/siren/set, "on": "1", "off": "0"}}}
"""
TOPICS = ["b/door", "b/deep", "b/plain", "b/loop", "b/heat", "b/pad", "b/card", "b/siren"]
FIELDS = [
    "contact", "tamper", "battery", "data", "a", "b", "occupancy", "v", "temperature", "humidity", "code", "action",
    "card", "state", "n", "", "\x00", "é", "__class__", "data.a.b.occupancy",
]  # fmt: skip
WORDS = [
    "true", "false", "null", "0", "1", "2", "3", "-1", "1.0", "1e999", "-1e999", "NaN", "Infinity", "-Infinity",
    "1e-999", "9" * 400, "-" + "9" * 400, "9" * 5000, "0." + "0" * 300 + "1", "9007199254740993", "-0", "01", "0x10",
    '"ON"', '"OFF"', '"1234"', '"arm_all"', '"disarm"', '"panic"', '""', '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"',
    '"1234567890123456789012345678901234567890"', '"١٢٣٤"', '"' + "x" * 3000 + '"', '"\\ud83d\\ude00"', "[]", "{}",
    "[1,2]", '"0001"', "1234", "12.5", "15", "14.999999", "'1'", "tru", '"', "\x00", "\ufeff1",
]  # fmt: skip
ODD_TOPICS = [
    "",
    "b",
    "b/door/",
    "/b/door",
    "b/DOOR",
    "b/+",
    "#",
    "$SYS/x",
    "b/\x00",
    "b/\ufffd",
    "é" * 200,
    "b/" * 300,
    "x" * 60_000,
]
BOUND = 1.0  # s of CPU: twenty times what is wanted, for a machine that does other things too


def document(chance: random.Random, depth: int = 0) -> str:
    """Something like JSON, as a device might say it; keys may come twice."""
    pick = chance.random()
    if depth > 3 or pick < 0.35:
        return chance.choice(WORDS)
    if pick < 0.42:
        return "[" + ",".join(document(chance, depth + 1) for _ in range(chance.randrange(4))) + "]"
    parts = [
        f"{json.dumps(chance.choice(FIELDS))}:{document(chance, depth + 1)}" for _ in range(chance.randrange(1, 5))
    ]
    return "{" + chance.choice((",", ", ", ",\n")).join(parts) + "}"


SAID = {
    "b/door": ('{"contact":true}', '{"contact":false,"tamper":true}', '{"contact":true,"tamper":false,"battery":12}'),
    "b/deep": ('{"data":{"a":{"b":{"occupancy":1}}}}', '{"data":{"a":{"b":{"occupancy":0}}}}'),
    "b/plain": ("ON", "OFF"),
    "b/loop": ('{"v":1}', '{"v":2}', '{"v":0}', '{"v":3}'),
    "b/heat": ('{"temperature":21.5,"humidity":40}', '{"temperature":-3}'),
    "b/pad": ('{"code":"1234","action":"arm_all"}', '{"action":"panic"}', '{"code":"0000","action":"disarm"}'),
    "b/card": ('{"card":"04:a2:bc"}', '{"card":"04a2bc","code":"1234"}'),
    "b/siren": ('{"state":"ON"}', '{"state":"OFF"}'),
}


def good(chance: random.Random, topic: str) -> bytes:
    """What a device of this site would say, or with another word in its place."""
    said = chance.choice(SAID.get(topic) or SAID["b/door"])
    if chance.random() < 0.4:
        field, word = chance.choice(FIELDS[:14]), chance.choice(WORDS)
        said = f'{{"{field}":{word},"n":{chance.randrange(2**54)}}}'
    return said.encode("utf-8", "surrogatepass")


def changed(chance: random.Random, data: bytes) -> bytes:
    """The same with a few bytes flipped, cut, doubled or put in."""
    raw = bytearray(data)
    for _ in range(chance.randrange(1, 5)):
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(5):
            case 0 if raw:
                raw[at % len(raw)] ^= 1 << chance.randrange(8)
            case 1:
                del raw[at : at + chance.randrange(1, 8)]
            case 2:
                raw[at:at] = raw[: chance.randrange(1, 16)]
            case 3:
                raw[at:at] = chance.randbytes(chance.randrange(1, 6))
            case _:
                raw[at:at] = chance.choice((b"\x00", b"\xff\xfe", b"\xed\xa0\x80", b'"', b"{", b"\\u", b"e9"))
    return bytes(raw)


def large(chance: random.Random) -> bytes:
    """Close to the bound of a payload, in shapes that cost most to read."""
    size = chance.choice((1_000, 20_000, MAX_PAYLOAD - 1, MAX_PAYLOAD, MAX_PAYLOAD + 1))
    shape = chance.randrange(7)
    if shape == 0:
        return b"[" * size
    if shape == 1:
        return b'{"data":' * (size // 8)
    if shape == 2:
        return (b"[" * (size // 2)) + (b"]" * (size // 2))
    if shape == 3:
        return b'{"contact":' + b"9" * (size - 12) + b"}"
    if shape == 4:
        return b'{"contact":"' + b"\\ud800" * (size // 6 - 3) + b'"}'
    if shape == 5:
        return b"{" + b",".join(b'"contact":true' for _ in range(size // 15)) + b"}"
    return chance.randbytes(size)


def inputs(seed: int, number: int) -> Iterator[tuple[str, bytes]]:
    """Seeded, so that a failure can be had again. One in 5,000 is large."""
    chance = random.Random(seed)
    for _ in range(number):
        pick = chance.random()
        topic = chance.choice(TOPICS) if pick < 0.95 else chance.choice(ODD_TOPICS)
        kind = chance.random()
        if kind < 0.0002:
            yield topic, large(chance)
        elif kind < 0.35:
            yield topic, document(chance).encode("utf-8", "surrogatepass")
        elif kind < 0.75:
            yield topic, changed(chance, good(chance, topic))
        elif kind < 0.8:
            yield topic, chance.randbytes(chance.randrange(60))
        else:
            yield topic, good(chance, topic)


class Ear:
    """Everything a message passes on its way to being facts."""

    def __init__(self) -> None:
        self.clock = Clock.start(last_gt=0, off_time=None)
        self.intake = Intake(bound=10_000)
        site = load_site(SITE, "site.yaml")
        self.mapping = Mapping(devices=site.devices, pepper=Pepper(key=b"p" * 32), missed={"door": 1})
        self.rejections = Rejections(broker="broker", intake=self.intake, clock=self.clock)
        self.counted: Counter[str] = Counter()

    async def hear(self, topic: str, payload: bytes) -> list[DeviceEvent]:
        said = self.mapping.read(topic, payload, header=self.clock.header(), delivery="live")
        self.counted["facts"] += len(said.facts)
        if said.problem is not None:
            self.counted["refused"] += 1
            await self.rejections.add(topic, said.problem)
        elif not said.facts:
            self.counted["nothing said"] += 1
        return said.facts

    async def told(self) -> list[PayloadRejected]:
        found: list[PayloadRejected] = []
        while len(self.intake):
            found += [item.fact for item in await self.intake.take(500) if isinstance(item.fact, PayloadRejected)]
        return found


@pytest.mark.timeout(600)
async def test_a_million_strange_messages(pick: Callable[..., int]) -> None:
    number = pick(quick=50_000, ci=1_000_000)
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    ear = Ear()
    slowest, what, told, rows = 0.0, (0, ""), 0, 0
    began = time.process_time()
    reported = 0
    for index, (topic, payload) in enumerate(inputs(seed, number)):
        before = time.thread_time()
        try:
            facts = await ear.hear(topic, payload)
            for fact in facts:  # what becomes a fact can be written down, and read back
                if index % 10 == 0:
                    assert wire.event(wire.read(wire.encode(fact))) == fact
                    rows += 1
        except Exception as error:  # whatever it is, it is a finding, and says with what
            raise AssertionError(f"seed {seed}, input {index}: {topic[:50]!r} {payload[:200]!r}") from error
        took = time.thread_time() - before
        if took > slowest:
            slowest, what = took, (index, f"{topic[:20]} {payload[:20]!r} {len(payload)} bytes")
        if index % 1000 == 0:
            for rejected in await ear.told():
                told += 1
                reported += rejected.count
    await ear.rejections.tell_rest()
    for rejected in await ear.told():
        told += 1
        reported += rejected.count
    print(f"{number} inputs in {time.process_time() - began:.0f} s CPU: {dict(ear.counted)}; {rows} written and read")
    print(f"slowest {slowest * 1000:.1f} ms CPU: input {what[0]}, {what[1]}; {told} reports")
    assert reported == ear.counted["refused"], f"seed {seed}: every refusal is counted"
    minutes = (time.process_time() - began) / 60 + 2
    assert told < 2 * 250 * minutes, f"seed {seed}: what is told does not grow with what is refused"
    assert slowest < BOUND, f"seed {seed}: input {what}"
    assert min(ear.counted["facts"], ear.counted["refused"]) > number // 20, "both are met"


async def test_without_its_bound_the_log_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test of the test: refusals told one by one."""
    monkeypatch.setattr("agent.devices.mqtt.rejections.EVERY", 0)
    ear = Ear()
    for topic, payload in inputs(1, 5000):
        await ear.hear(topic, payload)
    assert len(await ear.told()) == ear.counted["refused"] > 1000


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("b/door", b'{"contact": NaN}'),
        ("b/door", b'{"contact": 1e999}'),
        ("b/heat", b'{"temperature": 1e999}'),
        ("b/heat", b'{"temperature": -Infinity}'),
        ("b/heat", b'{"temperature": ' + b"9" * 400 + b"}"),
        ("b/heat", b'{"temperature": ' + b"9" * 5000 + b"}"),  # more digits than Python turns into a number
        ("b/loop", b'{"v": ' + b"9" * 4000 + b"}"),
        ("b/door", b"[" * 60_000),
        ("b/door", b'{"contact":' * 8_000),
        ("b/door", b"\xff\xfe\x00"),
        ("b/plain", b"\xed\xa0\x80"),  # a lone surrogate, as no text has it
        ("b/pad", b'{"code": "\\ud800"}'),
        ("b/card", b'{"card": "\\u0000"}'),
        ("b/pad", b'{"code": "1234", "action": {"a": 1}}'),
        ("b/pad", b'{"code": [1]}'),
        ("b/deep", b'{"data": []}'),
        ("b/deep", b'{"data": {"a": null}}'),
        ("b/door", b"x" * (MAX_PAYLOAD + 1)),
        ("no/such/topic", b"{}"),
        ("b/\x00", b""),
    ],
)
async def test_refused_with_a_reason(topic: str, payload: bytes) -> None:
    ear = Ear()
    assert await ear.hear(topic, payload) == []
    (rejected,) = await ear.told()
    assert rejected.count == 1
    assert len(rejected.reason) < 300
    wire.encode(rejected)


async def test_a_key_twice_counts_as_its_last(tmp_path: object) -> None:
    facts = await Ear().hear("b/door", b'{"contact": false, "contact": true}')
    assert [fact.kind for fact in facts] == ["contact.closed"]
