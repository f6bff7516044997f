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
from agent.outlets.peer import Peer

LARGEST_REPLY = 1_048_576
CONNECT = 5.0  # seconds
_PIECE = 65_536
_USER_TIMEOUT = 15_000  # ms that bytes may go unacknowledged before the kernel gives the connection up
_TCP_USER_TIMEOUT, _TCP_NOTSENT_LOWAT = 18, 25  # Linux; Python 3.11 does not name the second
_BULK_QUEUE = 131_072  # bytes of a blob that may wait in the kernel, where nothing more urgent can overtake them


class ReplyTooLong(Exception):
    """More than a relay ever says."""


class ClosedEarly(Exception):
    """The other side closed the connection instead of answering."""


@dataclass(slots=True)
class _Open:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    protocol: h11.Connection


class HttpConnection:
    """Requests one after another. OSError (ssl.SSLError is one), TimeoutError (no connection), h11.RemoteProtocolError,
    ClosedEarly or ReplyTooLong when there is no answer; then the connection is closed."""

    def __init__(self, *, peer: Peer, context: ssl.SSLContext | None, bulk: bool = False) -> None:
        self._peer = peer
        self._context = context
        self._bulk = bulk
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
        protocol = connection.protocol
        if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
            protocol.start_next_cycle()
        else:
            self.abort()
        return reply

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
                self._tune(writer.get_extra_info("socket"))
        self._open = _Open(reader, writer, h11.Connection(h11.CLIENT))
        return self._open

    def _tune(self, raw: socket.socket) -> None:
        with suppress(OSError):  # not on every kernel; it works without, only slower to notice
            raw.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, _USER_TIMEOUT)
            if self._bulk:
                raw.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _BULK_QUEUE)

    async def _exchange(
        self, connection: _Open, method: str, target: str, headers: dict[str, str], content: bytes
    ) -> Reply:
        protocol = connection.protocol
        fields = {"host": self._host, "user-agent": "nightporter", "accept-encoding": "identity"} | headers
        if method not in ("GET", "HEAD"):
            fields["content-length"] = str(len(content))
        parts = [protocol.send(h11.Request(method=method, target=target, headers=list(fields.items())))]
        if content:
            parts.append(protocol.send(h11.Data(data=content)))
        parts.append(protocol.send(h11.EndOfMessage()))
        # Not drained: an answer may come, and be the last thing that comes, before the body has left.
        connection.writer.write(b"".join(part for part in parts if part))
        return await self._answer(connection)

    async def _answer(self, connection: _Open) -> Reply:
        response: h11.Response | None = None
        body = bytearray()
        while True:
            event = connection.protocol.next_event()
            if event is h11.NEED_DATA:
                connection.protocol.receive_data(await connection.reader.read(_PIECE))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > LARGEST_REPLY:
                    raise ReplyTooLong
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                return Reply(
                    response.status_code,
                    {name.decode("ascii"): value.decode("latin-1") for name, value in response.headers},
                    bytes(body),
                )
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise ClosedEarly
