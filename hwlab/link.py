"""A device's own connection to the broker: comes back by itself, and knows which messages were acknowledged."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiomqtt

from hwlab.crew import heed
from hwlab.instant import Instant, now
from hwlab.journal import Journal

_NODELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
_FIRST_BACKOFF, _LAST_BACKOFF = 0.1, 2.0
_log = logging.getLogger("hwlab.mqtt")
_log.setLevel(logging.CRITICAL)  # what matters of it is in the journal; a burst or a kill is no news here


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Where the broker is and who we are there."""

    host: str
    port: int
    user: str
    password: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A message the broker has acknowledged; `n` is its counter, if it carried one."""

    n: int | None
    sent: Instant
    acked: Instant


Received = Callable[[str, bytes, Instant], None]


class Link:
    """`run` keeps the connection; `publish` sends on it with QoS 1 and raises MqttError when no PUBACK came."""

    def __init__(
        self,
        *,
        device: str,
        account: Account,
        journal: Journal,
        topics: Sequence[str] = (),
        received: Received | None = None,
        greet: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self.device = device
        self._account = account
        self._journal = journal
        self._topics = topics
        self._received = received
        self._greet = greet
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()

    async def connected(self) -> None:
        """Wait until the connection is up and all topics are subscribed."""
        await self._connected.wait()

    async def run(self) -> None:
        """Connect, and connect again when it breaks, until cancelled."""
        backoff = _FIRST_BACKOFF
        while True:
            try:
                async with self._new_client() as client:
                    for topic in self._topics:
                        await client.subscribe(topic, qos=1)
                    heed()
                    self._client = client
                    self._journal.add(self.device, "connected")
                    self._connected.set()
                    backoff = _FIRST_BACKOFF
                    if self._greet is not None:
                        await self._greet()
                        heed()
                    async for message in client.messages:
                        self._hear(message)
            except aiomqtt.MqttError as error:
                self._journal.add(self.device, "disconnected", error=str(error))
            finally:
                self._client = None
                self._connected.clear()
            heed()
            await asyncio.sleep(backoff * random.uniform(0.7, 1.3))
            backoff = min(backoff * 2, _LAST_BACKOFF)

    def _new_client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._account.host,
            self._account.port,
            username=self._account.user,
            password=self._account.password,
            identifier=f"lab-{self.device}",
            # A device that was cut off forgets what was not acknowledged; the counter shows that it tried again.
            clean_session=True,
            keepalive=10,
            timeout=10,
            max_inflight_messages=1000,
            socket_options=_NODELAY,
            logger=_log,
        )

    def _hear(self, message: aiomqtt.Message) -> None:
        payload = bytes(message.payload)
        at = now()
        if self._received is not None:
            self._received(message.topic.value, payload, at)
        self._journal.add(
            self.device, "received", at=at, topic=message.topic.value, payload=payload.decode(errors="replace")
        )

    async def publish(self, topic: str, payload: bytes, *, n: int | None = None, retain: bool = False) -> Sent:
        """Send once, on the connection there is now; the journal has `sent`, then `acked` or `unacked`."""
        if self._client is None:
            raise aiomqtt.MqttError(f"{self.device} is not connected")
        mark: dict[str, Any] = {"topic": topic} if n is None else {"topic": topic, "n": n}
        sent = self._journal.add(self.device, "sent", **mark, payload=payload.decode(errors="replace"))
        try:
            await self._client.publish(topic, payload, qos=1, retain=retain)
        except aiomqtt.MqttError as error:
            self._journal.add(self.device, "unacked", **mark, error=str(error))
            raise
        acked = self._journal.add(self.device, "acked", **mark)
        heed()
        return Sent(n, sent, acked)


def dump(value: Any) -> bytes:
    """A payload as devices send it: compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
