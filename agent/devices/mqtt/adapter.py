"""The MQTT family: a persistent session, acknowledged after our commit, with receipts against redelivery.

A message is acknowledged to the broker only once what it says is durable. A crash in between makes the broker send it
again: a DUP that the ledger knows is acknowledged and not decided upon twice; one it does not know is decided upon as
`redelivered` (pulses withheld), or `late` when a newer message of its topic was heard first. A device that floods
(flood.py) is heard by what is new in its words; the rest is acknowledged and counted.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
from contextlib import suppress
from dataclasses import replace
from functools import partial

import aiomqtt
import structlog

from agent.clock import Clock, Header
from agent.config.model import BrokerConfig
from agent.config.pepper import Pepper
from agent.devices.mqtt.connection import Connection, Received
from agent.devices.mqtt.flood import Flood
from agent.devices.mqtt.floods_told import FloodsTold
from agent.devices.mqtt.ledger import Ledger
from agent.devices.mqtt.mapping import Mapping
from agent.devices.mqtt.rejections import LOOK, Rejections
from agent.errors import ConfigError, DeviceError
from agent.intake import Input, Intake, Together
from agent.store.database import Database
from agent.store.receipts import Receipt
from rules.document.site import Site
from rules.events import BrokerLost, BrokerRestored, Delivery, DeviceEvent, Reading

log = structlog.get_logger()

_PAUSE_FIRST, _PAUSE_LONGEST = 0.5, 30.0  # seconds
_GRACE = 3.0  # a broker that starts together with us is not lost
_GOODBYE = 1.0
_NOBODY = "00000000-0000-7000-8000-000000000000"  # stands for an id where a message is only looked at


class MqttFamily:
    """Service "mqtt": hears the site's MQTT devices and commands its MQTT outputs."""

    name = "mqtt"

    def __init__(
        self, *, config: BrokerConfig, password: str | None, gateway: str, site: Site, intake: Intake,
        database: Database, clock: Clock, pepper: Pepper | None = None,
    ) -> None:  # fmt: skip
        self._config = config
        self._password = password
        self._gateway = gateway
        self._intake = intake
        self._clock = clock
        self._pepper = pepper
        self._mapping = Mapping(devices=site.devices, pepper=pepper, missed=_missed(site))
        self._commands = {
            device.id: device.mqtt.command for device in site.devices if device.mqtt and device.mqtt.command
        }
        self._ledger = Ledger(database=database, broker=config.name)
        self._rejections = Rejections(broker=config.name, intake=intake, clock=clock)
        self._flood: Flood[tuple[Connection, Received]] = Flood(
            topics=self._mapping.topics, per_second=config.flood.per_second, burst=config.flood.burst
        )
        self._floods_told = FloodsTold(
            database=database, intake=intake, clock=clock, per_second=config.flood.per_second
        )
        self._excess = asyncio.Event()
        self._connection: Connection | None = None
        self._heard: set[str] = set()  # topics with a message newer than any the broker may repeat
        self._lost = False

    def owns(self, device: str) -> bool:
        """Whether this output is one of ours."""
        return device in self._commands

    async def command(self, device: str, value: str) -> None:
        """Publish what switches the output; returns when the broker has it."""
        wanted, connection = self._commands[device], self._connection
        if connection is None:
            raise DeviceError(f"{device} cannot be commanded: no connection to {self._where}")
        try:
            await connection.publish(wanted.topic, wanted.on if value == "on" else wanted.off, qos=1)
        except (aiomqtt.MqttError, ValueError) as error:
            raise DeviceError(f"{device} cannot be commanded: {error}") from None

    @property
    def _where(self) -> str:
        return f"broker {self._config.host}:{self._config.port}"

    @property
    def _status_topic(self) -> str:
        return f"nightporter/{self._gateway}/status"

    async def run(self) -> None:
        """Connect, hear, and connect again; told as broker.lost and broker.restored."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._count_rejected(), name="mqtt.rejected")
                group.create_task(self._pace(), name="mqtt.pace")
                await self._floods_told.load()
                await self._stay_connected()
        finally:
            with suppress(TimeoutError):  # the pipeline still turns, unless it is far behind
                async with asyncio.timeout(_GOODBYE):
                    await self._rejections.tell_rest()

    async def _stay_connected(self) -> None:
        pause = _PAUSE_FIRST
        loop = asyncio.get_running_loop()
        started = loop.time()
        while True:
            try:
                async with self._connect() as connection:
                    try:
                        await self._begin(connection)
                        pause = _PAUSE_FIRST
                        async for message in connection.received():
                            await self._hear(connection, message)
                    except asyncio.CancelledError:
                        await self._say_goodbye(connection)
                        raise
                reason = "the broker closed the connection"
            except aiomqtt.MqttError as error:
                reason = _sentence(error)
            finally:
                self._connection = None
            if not self._lost and loop.time() - started > _GRACE:
                self._lost = True
                log.warning("broker.lost", broker=self._where, reason=reason)
                await self._intake.tell(
                    BrokerLost(**self._clock.header(), broker=self._config.name, reason=f"{self._where}: {reason}")
                )
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _PAUSE_LONGEST)

    def _connect(self) -> Connection:
        tls: ssl.SSLContext | None = None
        if self._config.tls is not None:
            try:
                tls = ssl.create_default_context(cafile=str(self._config.tls.ca))
            except (OSError, ssl.SSLError):
                raise ConfigError(f"the broker's CA file {self._config.tls.ca} cannot be used") from None
        return Connection(
            host=self._config.host,
            port=self._config.port,
            client_id=f"nightporter-{self._gateway}",
            user=self._config.user,
            password=self._password,
            tls=tls,
            status_topic=self._status_topic,
        )

    async def _begin(self, connection: Connection) -> None:
        self._heard.clear()
        await self._ledger.begin(session_present=connection.session_present)
        if connection.session_present:
            self._flood.backlog()
        if self._mapping.topics:
            granted = await connection.subscribe([(topic, 1) for topic in self._mapping.topics])
            refused = [
                topic for topic, code in zip(self._mapping.topics, granted, strict=True) if int(_number(code)) >= 128
            ]
            if refused:
                log.error("broker.subscription_refused", topics=refused, broker=self._where)
                for topic in refused:
                    await self._reject(topic, "the broker does not let this gateway read the topic: check its ACL")
        await connection.publish(self._status_topic, b"online", qos=1, retain=True)
        self._connection = connection
        log.info("broker.connected", broker=self._where, session_kept=connection.session_present)
        if self._lost:
            self._lost = False
            await self._intake.tell(
                BrokerRestored(
                    **self._clock.header(), broker=self._config.name, session_kept=connection.session_present
                )
            )

    async def _say_goodbye(self, connection: Connection) -> None:
        """After an orderly disconnect the broker does not speak our last will, so we say it ourselves."""
        with suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(_GOODBYE):
                await connection.publish(self._status_topic, b"offline", qos=1, retain=True)

    async def _hear(self, connection: Connection, message: Received) -> None:
        fresh = not (message.dup or message.retain)
        if fresh and not self._flood.within(message.topic, self._clock.gt()):
            await self._hear_excess(connection, message)
            return
        receipt = self._receipt(message)
        if message.qos and self._ledger.repeated(connection, message, receipt):
            return
        said = self._mapping.read(
            message.topic, message.payload, header=self._clock.header(), delivery=self._delivery(message)
        )
        if said.facts:
            await self._offer(connection, message, receipt, said.facts)
        else:
            connection.acknowledge(message)
        if said.problem is not None:
            await self._reject(message.topic, said.problem)
            if not self._mapping.knows(message.topic):  # left over from an older site document
                await connection.unsubscribe(message.topic)

    async def _hear_excess(self, connection: Connection, message: Received) -> None:
        """One message of a flood, read without a fact's identity: few of them become one."""
        device = self._mapping.device(message.topic)
        if not self._floods_told.knows(device):
            await self._floods_told.begin(device)
        header: Header = {"id": _NOBODY, "gt": self._clock.gt(), "wall": 0, "clock": "unsynced"}
        said = self._mapping.read(message.topic, message.payload, header=header, delivery=self._delivery(message))
        settled = self._flood.excess(message.topic, (connection, message), said.facts, header["gt"])
        if settled is not None:
            for came_by, old in settled:
                self._let_go(came_by, old)
            self._excess.set()
        elif said.facts:
            await self._offer_anew(connection, message, said.facts)
        else:
            connection.acknowledge(message)
        if said.problem is not None:
            await self._reject(message.topic, said.problem)

    async def _pace(self) -> None:
        """Offer what a flood said anew, one message for each that its rate allows."""
        while True:
            await self._excess.wait()
            self._excess.clear()
            while (wait := self._flood.due(self._clock.gt())) is not None:
                await asyncio.sleep(wait / 1e6)
                for topic in self._flood.ready(self._clock.gt()):
                    held = self._flood.begin(topic)
                    try:
                        await self._offer_anew(*held.message, held.facts)
                    finally:
                        self._flood.end(topic)

    async def _offer_anew(self, connection: Connection, message: Received, facts: list[DeviceEvent]) -> None:
        """What was only looked at becomes facts of now."""
        facts = [replace(fact, **self._clock.header()) for fact in facts]
        await self._offer(connection, message, self._receipt(message), facts)

    def _receipt(self, message: Received) -> Receipt:
        return Receipt(message.packet_id, self._digest(message))

    def _digest(self, message: Received) -> bytes:
        """By which it is known again. A code has few digits: a plain hash of its message would give it away."""
        whole = message.topic.encode("utf-8", "replace") + b"\0" + message.payload
        if self._pepper is not None and self._mapping.bears_credentials(message.topic):
            return self._pepper.receipt(whole)
        return hashlib.sha256(whole).digest()

    async def _offer(
        self, connection: Connection, message: Received, receipt: Receipt, facts: list[DeviceEvent]
    ) -> None:
        """All facts of a message together. It is acknowledged with the last one that must be durable; live readings are
        let go on receipt."""
        kept = [n for n, fact in enumerate(facts) if not (isinstance(fact, Reading) and fact.delivery == "live")]
        inputs = [Input(fact=fact) for fact in facts]
        if message.qos and kept:
            pending = self._ledger.hand_over(connection, message, receipt)
            inputs[kept[-1]] = Input(
                fact=facts[kept[-1]],
                acknowledge=lambda: self._ledger.release(pending, self._connection),
                together=Together(self._ledger.write_all, pending),
            )
        elif message.qos:
            inputs[-1] = Input(fact=facts[-1], acknowledge=partial(self._let_go, connection, message))
        await self._intake.offer(*inputs)

    def _let_go(self, connection: Connection, message: Received) -> None:
        if connection is self._connection:
            connection.acknowledge(message)

    def _delivery(self, message: Received) -> Delivery:
        if message.retain:
            return "retained"
        if not message.dup:
            self._heard.add(message.topic)
            return "live"
        return "late" if message.topic in self._heard else "redelivered"

    async def _count_rejected(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            await self._rejections.tell_waiting()
            over = self._flood.calm(self._clock.gt())
            flooding = {self._mapping.device(topic) for topic in self._flood.floods()}
            await self._floods_told.end({self._mapping.device(topic): count for topic, count in over}, flooding)
            if self._connection is not None and self._connection.overrun:
                lost, self._connection.overrun = self._connection.overrun, 0
                await self._reject("QoS 0", "came faster than it could be decided upon, and is lost", count=lost)

    async def _reject(self, topic: str, reason: str, *, count: int = 1) -> None:
        await self._rejections.add(topic, reason, count=count)


def _missed(site: Site) -> dict[str, int]:
    """Devices that are missed when they are silent: four proofs of life in the shortest time that may be (µs)."""
    missed: dict[str, int] = {}
    for zone in site.zones:
        if zone.supervision is not None:
            every = min(zone.supervision.armed, zone.supervision.disarmed) // 4
            missed[zone.device] = min(every, missed.get(zone.device, every))
    return missed


def _number(code: object) -> int:
    return int(getattr(code, "value", code))  # type: ignore[call-overload, no-any-return]


def _sentence(error: aiomqtt.MqttError) -> str:
    text = str(error)
    if "135" in text or "Not authorized" in text or "code:5" in text or "Bad user" in text:
        return "it refused this gateway's user name or password"
    if "timed out" in text:
        return "it does not answer (or refused our certificate)"
    return text.removeprefix("[Errno 111] ") or "connection lost"
