"""One HTTP/1.1 connection that is kept: opened by its first request, again when it was closed meanwhile.

h11 reads and writes the protocol, asyncio the bytes. A request and its body leave in one write, and asyncio sets
TCP_NODELAY, so an alarm is one packet on its way at once.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from agent.outlets.answers import Reply
from agent.outlets.exchange import Answer, again, body, head
from agent.outlets.peer import Peer

CONNECT = 5.0  # seconds
_PIECE = 65_536
_USER_TIMEOUT = 15_000  # ms that bytes may go unacknowledged before the kernel gives the connection up
_TCP_USER_TIMEOUT = 18  # Linux


@dataclass(slots=True)
class _Open:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection


class HttpConnection:
    """Requests one after another. OSError (ssl.SSLError is one), TimeoutError (no connection), h11.RemoteProtocolError,
    ClosedEarly or ReplyTooLong when there is no answer; then the connection is closed."""

    def __init__(self, *, peer: Peer, context: ssl.SSLContext | None) -> None:
        self._peer = peer
        self._context = context
        self._host = urlsplit(peer.http).netloc
        self._open: _Open | None = None

    async def request(self, method: str, target: str, *, headers: dict[str, str], content: bytes) -> Reply:
        """Send, and read the answer whole."""
        connection = self._kept() or await self._dial()
        try:
            reply = await self._exchange(connection, method, target, headers, content)
        except BaseException:
            self.abort()
            raise
        if not again(connection.protocol):
            self.abort()
        return reply

    @property
    def kept(self) -> bool:
        """Whether the next request goes over the connection of the last one."""
        return self._kept() is not None

    def abort(self) -> None:
        """Close at once."""
        if self._open is not None:
            self._open.writer.transport.abort()
            self._open = None

    def _kept(self) -> _Open | None:
        """The connection of the last request, if the other side has kept it too."""
        if self._open is not None and (self._open.reader.at_eof() or self._open.writer.is_closing()):
            self.abort()
        return self._open

    async def _dial(self) -> _Open:
        async with asyncio.timeout(CONNECT):
            if self._peer.socket is not None:
                reader, writer = await asyncio.open_unix_connection(self._peer.socket, limit=_PIECE)
            else:
                where = urlsplit(self._peer.http)
                reader, writer = await asyncio.open_connection(
                    where.hostname, where.port or 443, ssl=self._context, limit=_PIECE
                )
                keep_watch(writer.get_extra_info("socket"))
        self._open = _Open(reader, writer, h11.Connection(h11.CLIENT))
        return self._open

    async def _exchange(
        self, connection: _Open, method: str, target: str, headers: dict[str, str], content: bytes
    ) -> Reply:
        protocol = connection.protocol
        data = head(protocol, host=self._host, method=method, target=target, headers=headers, size=len(content))
        data += body(protocol, content)
        # Not drained: an answer may come, and be the last thing that comes, before the body has left.
        connection.writer.write(data)
        self._count(len(data))
        answer = Answer(protocol)
        while True:
            reply = answer.read()
            if reply is not None:
                return reply
            received = await connection.reader.read(_PIECE)
            self._count(len(received))
            protocol.receive_data(received)

    def _count(self, bytes_: int) -> None:
        if self._peer.meter is not None:
            self._peer.meter(bytes_)


def keep_watch(raw: socket.socket) -> None:
    """Bytes that nobody acknowledges for a while end the connection."""
    with suppress(OSError):  # not on every kernel; it works without, only slower to notice
        raw.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, _USER_TIMEOUT)
