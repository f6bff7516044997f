"""One connection to the broker: aiomqtt, with acknowledgement left to us.

aiomqtt 2.x acknowledges before we have processed and hides the DUP and session-present flags; paho underneath has all
three. Its private `_client` is touched here and nowhere else.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.enums import MQTTErrorCode

from agent.devices.mqtt.read_ahead import ReadAhead

KEEPALIVE = 10  # seconds
TIMEOUT = 5.0
MOST_UNASKED = 10_000  # messages of QoS 0 that wait; what comes beyond is lost, as its sender agreed to, and counted
_BREATH = 64  # messages after which others have their turn


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
            protocol=aiomqtt.ProtocolVersion.V311,
            will=aiomqtt.Will(status_topic, b"offline", qos=1, retain=True),
        )
        self.session_present = False
        self.overrun = 0
        self._arrived: deque[Received] = deque()
        self._news = asyncio.Event()
        self._client.manual_ack_set(True)
        self._client.disable_logger()
        self._client._handle_publish = self._take  # type: ignore[method-assign]
        self._open_socket = self._client._create_socket
        self._client._create_socket = self._read_ahead  # type: ignore[method-assign]

    @property
    def no_delay(self) -> bool:
        """Whether small writes leave at once on the connection that is open."""
        held = self._client.socket()
        return isinstance(held, ReadAhead) and bool(held.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def _read_ahead(self) -> ReadAhead:
        raw = self._open_socket()
        assert isinstance(raw, socket.socket), "neither a proxy nor WebSockets are asked for"
        # Two small writes in a row (PUBACK, command) would otherwise cost a 40 ms plateau. Set here: aiomqtt sets the
        # options it is given on plain sockets only.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return ReadAhead(raw)

    def _on_socket_unregister_write(self, client: Any, userdata: Any, sock: Any) -> None:
        super()._on_socket_unregister_write(client, userdata, sock)
        self._flush(sock)

    def _flush(self, sock: ReadAhead) -> None:
        """paho has nothing more to say: what it said leaves together, and what does not fit as soon as it can."""
        descriptor = sock.fileno()
        if sock.flush():
            self._loop.remove_writer(descriptor)
        else:
            self._loop.add_writer(descriptor, self._flush, sock)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason_code: Any, properties: Any = None) -> None:
        self.session_present = bool(flags.session_present)
        super()._on_connect(client, userdata, flags, reason_code, properties)

    def _take(self) -> MQTTErrorCode:
        """A PUBLISH packet of MQTT 3.1.1, section 3.3, without what paho does beside: callbacks by topic, its own book
        of what it has acknowledged, log lines. That is half of what a message costs."""
        packet, flags = self._client._in_packet["packet"], self._client._in_packet["command"]
        qos = flags >> 1 & 3
        end = 2 + int.from_bytes(packet[:2])
        body = end + 2 if qos else end
        self._hold(
            Received(
                topic=packet[2:end].decode("utf-8", "replace"),
                payload=bytes(packet[body:]),
                qos=qos,
                retain=bool(flags & 1),
                dup=bool(flags & 8),
                packet_id=int.from_bytes(packet[end:body]),
            )
        )
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _hold(self, message: Received) -> None:
        # The broker's inflight window bounds what waits here with QoS 1: it sends no more until we acknowledge.
        if not message.qos and len(self._arrived) >= MOST_UNASKED:
            self.overrun += 1
            return
        self._arrived.append(message)
        self._news.set()

    async def received(self) -> AsyncIterator[Received]:
        """Messages in the broker's order, until the connection ends with aiomqtt.MqttError."""
        ended = self._disconnected
        ended.add_done_callback(self._wake)
        while True:
            for _ in range(_BREATH):
                if not self._arrived:
                    break
                yield self._arrived.popleft()
            if self._arrived:
                await asyncio.sleep(0)
            elif ended.done():
                raise aiomqtt.MqttError("Disconnected") from ended.exception()
            else:
                self._news.clear()
                await self._news.wait()

    def _wake(self, ended: object) -> None:
        self._news.set()

    def acknowledge(self, message: Received) -> None:
        """Tell the broker that this message is ours now (nothing to tell for QoS 0)."""
        if message.qos:
            self._client.ack(message.packet_id, message.qos)
