"""Simulated MQTT devices: a door contact, a siren, a thermometer, each with a connection of its own."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from typing import Any

import aiomqtt

from hwlab.errors import LabError, NotReady
from hwlab.instant import Instant
from hwlab.journal import Journal
from hwlab.link import Account, Link, Sent, dump

_PATIENCE = 60.0  # seconds a device goes on trying to deliver one message
_STATES_WAITING = 64
PREFIX = "building"


class Contact:
    """A door contact: `{"contact": true, ...}` is closed. Every message bears a fresh counter `n`, also a repeated one,
    so what the broker acknowledged can be matched one to one with what the agent logged."""

    def __init__(self, *, name: str, account: Account, journal: Journal, n: int = 0) -> None:
        self.name = name
        self.topic = f"{PREFIX}/{name}"
        self.closed = True
        self.battery = 97
        self.n = n
        self._link = Link(device=name, account=account, journal=journal)
        self.run, self.connected = self._link.run, self._link.connected

    async def open(self) -> Sent:
        """Open the door; returns when the broker has acknowledged it."""
        self.closed = False
        return await self._report(contact=False)

    async def close(self) -> Sent:
        """Close the door; returns when the broker has acknowledged it."""
        self.closed = True
        return await self._report(contact=True)

    async def publish(self, payload: Any) -> Sent:
        """Send anything: an object gets the next counter, text goes out as it is (which need not be JSON)."""
        if isinstance(payload, dict):
            return await self._report(**payload)
        return await self._deliver(lambda: (str(payload).encode(), None))

    async def _report(self, **facts: Any) -> Sent:
        def make() -> tuple[bytes, int]:
            self.n += 1
            return dump({"battery": self.battery, **facts, "n": self.n}), self.n

        return await self._deliver(make)

    async def _deliver(self, make: Callable[[], tuple[bytes, int | None]]) -> Sent:
        try:
            async with asyncio.timeout(_PATIENCE):
                while True:
                    await self._link.connected()
                    payload, n = make()
                    try:
                        return await self._link.publish(self.topic, payload, n=n)
                    except aiomqtt.MqttError:  # the journal has it as unacked; its fate is unknown, so try a new one
                        await asyncio.sleep(0.05)
        except TimeoutError:
            silence = f"{self.name} could not deliver a message within {_PATIENCE:.0f} s"
            raise NotReady(f"{silence}; is the broker up?") from None


class Siren:
    """A siren: obeys `<topic>/set`, keeps its retained state true; `commands` holds (boot µs, payload)."""

    def __init__(self, *, name: str, account: Account, journal: Journal) -> None:
        self.name = name
        self.topic = f"{PREFIX}/{name}"
        self.sounding = False
        self.commands: list[tuple[int, str]] = []
        # Full: orders came faster than the broker took our state. The oldest is dropped, the newest is the truth.
        self._states: asyncio.Queue[bool] = asyncio.Queue(_STATES_WAITING)
        self._arrived = asyncio.Event()
        self._link = Link(
            device=name,
            account=account,
            journal=journal,
            topics=(f"{self.topic}/set",),
            received=self._obey,
            greet=self._tell,
        )
        self.connected = self._link.connected

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run(), name=f"{self.name} link")
            group.create_task(self._tell_changes(), name=f"{self.name} states")

    async def commanded(self, count: int, *, patience: float = 10.0) -> list[tuple[int, str]]:
        """Wait until `count` orders have come since the start; NotReady after `patience` seconds."""
        try:
            async with asyncio.timeout(patience):
                while len(self.commands) < count:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise NotReady(f"{self.name} got {len(self.commands)} of {count} orders within {patience:.0f} s") from None
        return list(self.commands)

    def _obey(self, _topic: str, payload: bytes, at: Instant) -> None:
        self.commands.append((at.boot, payload.decode(errors="replace")))
        self._arrived.set()
        try:
            wanted = json.loads(payload)["state"]
        except (ValueError, TypeError, KeyError):
            return
        if wanted in ("ON", "OFF"):
            self.sounding = wanted == "ON"
        if self._states.full():
            self._states.get_nowait()
        self._states.put_nowait(self.sounding)

    async def _tell_changes(self) -> None:
        while True:
            state = await self._states.get()
            try:
                await self._say(sounding=state)
            except aiomqtt.MqttError:
                continue  # said again when the connection is back

    async def _tell(self) -> None:
        await self._say(sounding=self.sounding)

    async def _say(self, *, sounding: bool) -> None:
        await self._link.publish(self.topic, dump({"state": "ON" if sounding else "OFF"}), retain=True)


class Thermometer:
    """Reports `{"temperature": 21.4}` every `period` seconds; `drift` is in degrees a minute."""

    def __init__(
        self, *, name: str, account: Account, journal: Journal, start: float = 21.4, period: float = 5.0
    ) -> None:
        self.name = name
        self.topic = f"{PREFIX}/{name}"
        self.value = start
        self.drift = 0.0
        self._period = period
        self._random = random.Random(name)
        self._link = Link(device=name, account=account, journal=journal)
        self.connected = self._link.connected

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._link.run(), name=f"{self.name} link")
            group.create_task(self._measure(), name=f"{self.name} readings")

    async def set(self, value: float) -> Sent:
        """Jump to a temperature in degrees Celsius and report it now."""
        self.value = value
        return await self._report()

    async def publish(self, payload: Any) -> Sent:
        """Send anything: an object as JSON, text as it is."""
        data = dump(payload) if isinstance(payload, dict) else str(payload).encode()
        return await self._link.publish(self.topic, data)

    async def _measure(self) -> None:
        while True:
            await self._link.connected()
            try:
                await self._report()
            except aiomqtt.MqttError:
                continue  # a reading is worth nothing later; the next one is fresh
            await asyncio.sleep(self._period)
            self.value += self.drift * self._period / 60.0

    async def _report(self) -> Sent:
        reading = round(self.value + self._random.gauss(0.0, 0.04), 1)
        return await self._link.publish(self.topic, dump({"temperature": reading}))


Device = Contact | Siren | Thermometer


def make(kind: str, *, name: str, account: Account, journal: Journal, n: int = 0) -> Device:
    """A device by the type the site document gives it."""
    if kind == "contact":
        return Contact(name=name, account=account, journal=journal, n=n)
    if kind == "siren":
        return Siren(name=name, account=account, journal=journal)
    if kind == "temperature":
        return Thermometer(name=name, account=account, journal=journal)
    raise LabError(f"the lab has no device of type {kind!r}; it has contact, siren and temperature")
