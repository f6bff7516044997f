"""Which of a broker's messages are new: a broker played by hand, every order of crash, repeat and acknowledgement."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest

from agent.clock import Clock
from agent.config.model import BrokerConfig
from agent.config.pepper import Pepper
from agent.devices.mqtt.adapter import MqttFamily
from agent.devices.mqtt.connection import Connection, Received
from agent.intake import Input, Intake
from agent.store import receipts
from agent.store.opening import Store, open_store
from rules.document.site import load_site
from rules.events import ContactClosed, ContactOpened, DeviceEvent, PayloadRejected, ReadingTemperature

SITE = """
site: {id: house, name: The House}
devices:
  - {id: door, type: contact, mqtt: {topic: t/door, field: contact, open: false, closed: true}}
  - {id: heat, type: temperature, mqtt: {topic: t/door, field: temperature}}
  - {id: cold, type: temperature, mqtt: {topic: t/cold, field: temperature}}
"""


class Wire:
    """A connection on which we only see what is acknowledged and given up."""

    def __init__(self, *, session_present: bool) -> None:
        self.session_present = session_present
        self.acked: list[int] = []
        self.left: list[str] = []

    def acknowledge(self, message: Received) -> None:
        self.acked.append(message.packet_id)

    async def unsubscribe(self, topic: str) -> None:
        self.left.append(topic)

    async def subscribe(self, topics: list[tuple[str, int]]) -> list[int]:
        return [1 for _ in topics]

    async def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool = False) -> None:
        pass


class Core:
    """An adapter and the store behind it. `commit` is what the pipeline does with what it took."""

    def __init__(self, store: Store, site: str = SITE, pepper: Pepper | None = None) -> None:
        self.store = store
        self.intake = Intake()
        self.family = MqttFamily(
            config=BrokerConfig(host="h", port=1),
            password=None,
            gateway="gw-1",
            site=load_site(site, "site.yaml"),
            intake=self.intake,
            database=store.database,
            clock=Clock.start(last_gt=0, off_time=None),
            pepper=pepper,
        )
        self.wire = Wire(session_present=False)

    async def connect(self, *, session_present: bool) -> Wire:
        self.wire = Wire(session_present=session_present)
        await self.family._begin(cast(Connection, self.wire))
        return self.wire

    def disconnect(self) -> None:
        self.family._connection = None

    async def hear(
        self,
        packet_id: int,
        payload: Any,
        *,
        dup: bool = False,
        topic: str = "t/door",
        retain: bool = False,
        qos: int = 1,
    ) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        message = Received(topic=topic, payload=data, qos=qos, retain=retain, dup=dup, packet_id=packet_id)
        await self.family._hear(cast(Connection, self.wire), message)

    async def take(self) -> list[Input]:
        return await self.intake.take(100) if len(self.intake) else []

    async def write(self, items: list[Input]) -> None:
        """Durable, not yet acknowledged."""
        async with self.store.database.transaction() as transaction:
            for item in items:
                if item.together is not None:
                    await item.together.write(transaction, [item.together.item])

    def let_go(self, items: list[Input]) -> None:
        for item in items:
            if item.acknowledge is not None:
                item.acknowledge()

    async def commit(self) -> list[str]:
        items = await self.take()
        await self.write(items)
        self.let_go(items)
        return [f"{item.fact.kind} {getattr(item.fact, 'delivery', '')}" for item in items]

    async def kept(self) -> list[int]:
        return [receipt.packet_id for receipt in await receipts.load(self.store.database, "broker")]


@contextlib.asynccontextmanager
async def core(folder: Path, *, site: str = SITE, pepper: Pepper | None = None) -> AsyncIterator[Core]:
    store = await open_store(folder / "log.db", gateway="gw-1")
    try:
        yield Core(store, site, pepper)
    finally:
        await store.database.close()


OPEN, CLOSED = {"contact": False}, {"contact": True}


async def test_acknowledged_after_the_commit_not_before(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        await agent.hear(2, CLOSED)
        items = await agent.take()
        assert wire.acked == []
        await agent.write(items)
        assert wire.acked == []
        agent.let_go(items)
        assert wire.acked == [1, 2]
        assert await agent.kept() == [1, 2]


async def test_killed_between_commit_and_ack_the_repeat_is_acknowledged_and_not_decided(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        await agent.write(await agent.take())
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=True)
        await agent.hear(1, OPEN, dup=True)
        assert wire.acked == [1]
        assert await agent.commit() == []


async def test_killed_after_an_ack_that_never_arrived_it_is_known_too(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        await agent.hear(2, CLOSED)
        await agent.commit()
        await agent.hear(3, OPEN)
        await agent.commit()
        agent.disconnect()
        wire = await agent.connect(session_present=True)
        await agent.hear(2, CLOSED, dup=True)
        assert wire.acked == [2]
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=True)
        await agent.hear(3, OPEN, dup=True)
        assert await agent.commit() == []
        assert wire.acked == [3]


@pytest.mark.parametrize("kept", [receipts.KEPT, 1000], ids=["as it is", "the test of the test"])
async def test_what_was_overtaken_by_a_whole_window_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Acknowledgements get lost with a connection in the order they were given, which is not the messages' order: of
    1,500 messages the broker has seen the acknowledgements of 501 to 1,000 only, and sends the others again."""
    monkeypatch.setattr(receipts, "KEPT", kept)
    again = {*range(1, 501), *range(1001, 1501)}
    async with core(tmp_path) as agent:
        for first in range(1, 1501, 100):
            made = [receipts.Receipt(number, bytes(32)) for number in range(first, first + 100)]
            async with agent.store.database.transaction() as transaction:
                await receipts.add(transaction, "h:1", 7, made)
        known = {receipt.packet_id for receipt in await receipts.load(agent.store.database, "h:1")}
    assert (again <= known) is (kept > 1000)


async def test_killed_before_the_commit_the_repeat_is_decided_as_such(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=True)
        await agent.hear(1, OPEN, dup=True)
        assert await agent.commit() == ["contact.opened redelivered"]
        assert wire.acked == [1]


async def test_one_that_was_overtaken_is_late(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.connect(session_present=True)
        await agent.hear(9, CLOSED)
        await agent.hear(1, OPEN, dup=True)
        assert await agent.commit() == ["contact.closed live", "contact.opened late"]


async def test_repeated_while_the_disk_is_slow_it_is_neither_decided_twice_nor_acknowledged_early(
    tmp_path: Path,
) -> None:
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        items = await agent.take()
        await agent.hear(1, OPEN, dup=True)
        assert wire.acked == []
        assert await agent.take() == []
        await agent.write(items)
        agent.let_go(items)
        assert wire.acked == [1]


async def test_repeated_on_a_new_connection_it_is_acknowledged_there_once_it_is_durable(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        old = await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        items = await agent.take()
        agent.disconnect()
        new = await agent.connect(session_present=True)
        await agent.hear(1, OPEN, dup=True)
        await agent.write(items)
        agent.let_go(items)
        assert (old.acked, new.acked) == ([], [1])


async def test_let_go_while_there_is_no_connection_it_is_known_when_it_comes_again(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        old = await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        agent.disconnect()
        await agent.commit()
        assert old.acked == []
        new = await agent.connect(session_present=True)
        await agent.hear(1, OPEN, dup=True)
        assert new.acked == [1]
        assert await agent.commit() == []


async def test_a_broker_without_our_session_cannot_repeat_anything(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        await agent.commit()
        await agent.hear(2, OPEN)
        old = await agent.take()
        agent.disconnect()
        wire = await agent.connect(session_present=False)
        assert await agent.kept() == []
        await agent.write(old)
        agent.let_go(old)
        assert await agent.kept() == [], "what is of the old session leaves no receipt in the new one"
        assert wire.acked == []
        await agent.hear(1, OPEN, dup=True)
        assert await agent.commit() == ["contact.opened redelivered"]


async def test_a_packet_id_used_again_is_a_new_message(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        await agent.commit()
        await agent.hear(1, OPEN)
        assert await agent.commit() == ["contact.opened live"]
        assert await agent.kept() == [1]
        await agent.hear(1, CLOSED)
    async with core(tmp_path) as agent:
        await agent.connect(session_present=True)
        await agent.hear(1, CLOSED, dup=True)
        assert await agent.commit() == ["contact.closed redelivered"]


async def test_a_store_that_fails_does_not_keep_us_from_listening(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.store.database.close()
        wire = await agent.connect(session_present=False)
        await agent.hear(1, OPEN)
        assert len(await agent.take()) == 1
        agent.disconnect()
        await agent.store.database.open()
        wire = await agent.connect(session_present=True)
        await agent.hear(1, OPEN, dup=True)
        assert (wire.acked, await agent.take()) == ([], [])


async def test_one_message_of_two_devices_stays_together_and_is_acknowledged_once(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=False)
        await agent.hear(1, {"contact": False, "temperature": 21})
        items = await agent.intake.take(1)
        assert [type(item.fact) for item in items] == [ContactOpened, ReadingTemperature]
        assert items[0].together is not None, "the contact must be durable, the reading need not be"
        assert [item.acknowledge is not None for item in items] == [True, False]
        await agent.write(items)
        agent.let_go(items)
        assert wire.acked == [1]
        await agent.hear(2, {"temperature": 21})
        items = await agent.take()
        assert [item.together for item in items] == [None]
        agent.let_go(items)
        assert wire.acked == [1, 2]
        await agent.hear(3, {"temperature": 21}, retain=True)
        items = await agent.take()
        assert cast(DeviceEvent, items[0].fact).delivery == "retained"
        assert items[0].together is not None


async def test_garbage_is_acknowledged_and_counted_once_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=False)
        now = [10**12]
        monkeypatch.setattr("agent.clock.boot_now", lambda: now[0])
        for n in range(5):
            await agent.hear(n + 1, b"\xff")
        assert wire.acked == [1, 2, 3, 4, 5]
        (first,) = await agent.take()
        assert isinstance(first.fact, PayloadRejected)
        assert (first.fact.source, first.fact.count) == ("broker: t/door", 1)
        assert first.fact.reason == "the payload is not JSON"
        await agent.family._rejections.tell_waiting()
        assert await agent.take() == []
        now[0] += 61_000_000
        await agent.family._rejections.tell_waiting()
        (rest,) = await agent.take()
        assert cast(PayloadRejected, rest.fact).count == 4, "nothing is only dropped"
        await agent.family._rejections.tell_waiting()
        assert await agent.take() == []


async def test_a_topic_of_an_older_document_is_left(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=True)
        await agent.hear(1, OPEN, topic="t/gone")
        assert (wire.acked, wire.left) == ([1], ["t/gone"])


async def test_half_garbage_still_says_what_it_says(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        await agent.connect(session_present=False)
        await agent.hear(1, {"contact": True, "temperature": "n/a"})
        facts = [item.fact for item in await agent.take()]
        assert isinstance(facts[0], ContactClosed)
        assert isinstance(facts[1], PayloadRejected)
        assert len(facts) == 2


async def test_qos_0_is_heard_without_acknowledgement(tmp_path: Path) -> None:
    async with core(tmp_path) as agent:
        wire = await agent.connect(session_present=False)
        await agent.hear(0, OPEN, qos=0)
        assert await agent.commit() == ["contact.opened live"]
        assert (wire.acked, await agent.kept()) == ([], [])


KEYPAD = SITE + "  - {id: pad, type: keypad, mqtt: {topic: t/pad, code: code}}\n"
PEPPER = Pepper.read("0f" * 32)


async def test_no_plain_digest_of_a_code_is_kept_anywhere(tmp_path: Path) -> None:
    """Ten thousand tries find four digits from a plain hash: the receipt is keyed with what is not in the store."""
    async with core(tmp_path, site=KEYPAD, pepper=PEPPER) as agent:
        wire = await agent.connect(session_present=False)
        await agent.hear(1, {"code": "4711"}, topic="t/pad")
        await agent.hear(2, OPEN)
        await agent.write(await agent.take())
        secret, plain = await receipts.load(agent.store.database, "broker")
        assert wire.acked == []
    guesses = {sha256(b't/pad\0{"code": "%04d"}' % n).digest() for n in range(10_000)}
    assert secret.digest not in guesses
    assert secret.digest == PEPPER.receipt(b't/pad\0{"code": "4711"}')
    assert plain.digest == sha256(b't/door\0{"contact": false}').digest()
    raw = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"4711" not in raw
    assert not any(guess in raw for guess in guesses)
    async with core(tmp_path, site=KEYPAD, pepper=PEPPER) as agent:
        wire = await agent.connect(session_present=True)
        await agent.hear(1, {"code": "4711"}, topic="t/pad", dup=True)
        assert (wire.acked, await agent.commit()) == ([1], [])


async def test_with_another_pepper_a_repeated_code_is_decided_as_repeated(tmp_path: Path) -> None:
    async with core(tmp_path, site=KEYPAD, pepper=PEPPER) as agent:
        await agent.connect(session_present=False)
        await agent.hear(1, {"code": "4711"}, topic="t/pad")
        await agent.write(await agent.take())
    async with core(tmp_path, site=KEYPAD, pepper=Pepper.fresh()[0]) as agent:
        await agent.connect(session_present=True)
        await agent.hear(1, {"code": "4711"}, topic="t/pad", dup=True)
        assert await agent.commit() == ["code.entered redelivered"]
