"""One connection to the broker: aiomqtt, with acknowledgement left to us.

aiomqtt 2.x acknowledges before we have processed and hides the DUP and session-present flags; paho underneath has all
three. Its private `_client` is touched here and nowhere else.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.client import MQTTMessage

KEEPALIVE = 10  # seconds
TIMEOUT = 5.0
_log = logging.getLogger("mqtt")


@dataclass(frozen=True, slots=True)
class Received:
    """A message as the broker delivered it. `dup`: the broker says it may have sent it before."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int


class Connection(aiomqtt.Client):
    """A persistent session with QoS 1: what arrives while we are away waits at the broker, within its limits."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        user: str | None,
        password: str | None,
        tls: ssl.SSLContext | None,
        status_topic: str,
    ) -> None:
        super().__init__(
            host,
            port,
            identifier=client_id,
            username=user,
            password=password,
            tls_context=tls,
            clean_session=False,
            keepalive=KEEPALIVE,
            timeout=TIMEOUT,
            will=aiomqtt.Will(status_topic, b"offline", qos=1, retain=True),
            # Two small writes in a row (PUBACK, command) would otherwise cost a 40 ms plateau.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            logger=_log,
        )
        self.session_present = False
        self._client.manual_ack_set(True)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self.session_present = bool(flags.session_present)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _on_message(self, client: Any, userdata: Any, message: MQTTMessage) -> None:
        # The broker's inflight window bounds this queue: it sends no more until we acknowledge.
        self._queue.put_nowait(
            Received(  # type: ignore[arg-type]
                topic=message.topic,
                payload=bytes(message.payload),
                qos=message.qos,
                retain=message.retain,
                dup=message.dup,
                packet_id=message.mid,
            )
        )

    async def received(self) -> AsyncIterator[Received]:
        """Messages in the broker's order, until the connection ends with aiomqtt.MqttError."""
        async for message in self.messages:
            yield message  # type: ignore[misc]

    def acknowledge(self, message: Received) -> None:
        """Tell the broker that this message is ours now (nothing to tell for QoS 0)."""
        if message.qos:
            self._client.ack(message.packet_id, message.qos)
