"""One HTTP/1.1 connection for recordings: blocking sockets in a thread of its own.

asyncio's TLS copies every byte several times; a plain socket hands the file's bytes to OpenSSL as they are, which
costs a quarter of the processor time, and leaves the event loop to the alarms. The same requests and errors as
`HttpConnection`.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import h11

from agent.outlets.answers import Reply
from agent.outlets.exchange import Answer, ClosedEarly, again, body, head
from agent.outlets.http import CONNECT, keep_watch
from agent.outlets.peer import Peer

_PIECE = 65_536
_AT_ONCE = 262_144  # bytes between two looks whether the relay has already said no
_TCP_NOTSENT_LOWAT = 25  # Linux; Python 3.11 does not name it
_QUEUE = 131_072  # bytes of a blob that may wait in the kernel, where nothing more urgent can overtake them


@dataclass(slots=True)
class _Open:
    """A connection; `lever` is a second handle of the same socket, by which another thread can close it."""

    stream: socket.socket
    lever: socket.socket
    protocol: h11.Connection = field(default_factory=lambda: h11.Connection(h11.CLIENT))

    def end(self) -> None:
        """A thread that waits in it gets an error; the thread itself closes it."""
        with contextlib.suppress(OSError):
            self.lever.shutdown(socket.SHUT_RDWR)
        self.lever.close()


class BulkConnection:
    """Requests one after another. OSError (ssl.SSLError is one), TimeoutError (no connection), h11.RemoteProtocolError,
    ClosedEarly or ReplyTooLong when there is no answer; then the connection is closed."""

    def __init__(self, *, peer: Peer, context: ssl.SSLContext | None) -> None:
        self._peer = peer
        self._context = context
        self._host = urlsplit(peer.http).netloc
        self._open: _Open | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def kept(self) -> bool:
        """Whether the next request goes over the connection of the last one, as far as is known here."""
        return self._open is not None

    async def request(self, method: str, target: str, *, headers: dict[str, str], content: bytes) -> Reply:
        """Send, and read the answer whole."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"outlet.{self._peer.name}.media")
        loop = asyncio.get_running_loop()
        try:
            connection = self._open
            if connection is None or _speaks(connection.stream):
                # Nothing was asked: what there is to read is the end of it.
                self._close()
                connection = self._open = await loop.run_in_executor(self._thread, self._dial)
            reply, moved = await loop.run_in_executor(
                self._thread, self._exchange, connection, method, target, headers, content
            )
        except BaseException:
            self.abort()
            raise
        if self._peer.meter is not None:
            self._peer.meter(moved)
        if not again(connection.protocol):
            self.abort()
        return reply

    def abort(self) -> None:
        """Close at once; a thread that still waits ends by itself."""
        self._close()
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _close(self) -> None:
        if self._open is not None and self._thread is not None:
            self._open.end()
            self._thread.submit(self._open.stream.close)
            self._open = None

    # --- in the thread -----------------------------------------------------------------------------------------------

    def _dial(self) -> _Open:
        if self._peer.socket is not None:
            raw = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            raw.settimeout(CONNECT)
            try:
                raw.connect(str(self._peer.socket))
            except BaseException:
                raw.close()
                raise
            return self._ready(raw, raw)
        where = urlsplit(self._peer.http)
        raw = socket.create_connection((where.hostname, where.port or 443), timeout=CONNECT)
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_watch(raw)
            with contextlib.suppress(OSError):  # not on every kernel; it works without
                raw.setsockopt(socket.IPPROTO_TCP, _TCP_NOTSENT_LOWAT, _QUEUE)
            stream = raw
            if self._context is not None:
                stream = self._context.wrap_socket(raw, server_hostname=where.hostname)
        except BaseException:
            raw.close()
            raise
        return self._ready(stream, stream)

    def _ready(self, stream: socket.socket, raw: socket.socket) -> _Open:
        stream.settimeout(None)  # whoever waits for the answer has a clock, and the lever
        return _Open(stream, socket.fromfd(raw.fileno(), raw.family, raw.type))

    def _exchange(
        self, connection: _Open, method: str, target: str, headers: dict[str, str], content: bytes
    ) -> tuple[Reply, int]:
        protocol, stream = connection.protocol, connection.stream
        first = head(protocol, host=self._host, method=method, target=target, headers=headers, size=len(content))
        rest = memoryview(body(protocol, content))
        answer, moved, whole = Answer(protocol), len(first), True
        try:
            if len(rest) <= _PIECE:
                stream.sendall(first + bytes(rest))
                moved += len(rest)
            else:
                stream.sendall(first)
                for start in range(0, len(rest), _AT_ONCE):
                    if _speaks(stream):
                        whole = False  # it answers before it has everything: it says no
                        break
                    piece = rest[start : start + _AT_ONCE]
                    stream.sendall(piece)
                    moved += len(piece)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            # It may have said why before it closed.
            reply = _last_words(stream, answer)
            if reply is None:
                raise
            return reply, moved
        while True:
            data = stream.recv(_PIECE)
            moved += len(data)
            protocol.receive_data(data)
            reply = answer.read()
            if reply is not None:
                if not whole:
                    stream.shutdown(socket.SHUT_RDWR)  # half a request was said: this connection is of no more use
                return reply, moved
            if not data:
                raise ClosedEarly


def _speaks(stream: socket.socket) -> bool:
    """Whether the other side said something, or closed."""
    if isinstance(stream, ssl.SSLSocket) and stream.pending():
        return True
    # poll, because select knows no descriptor above 1023
    poll = select.poll()
    poll.register(stream.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def _last_words(stream: socket.socket, answer: Answer) -> Reply | None:
    try:
        stream.settimeout(0.2)
        while data := stream.recv(_PIECE):
            answer._protocol.receive_data(data)
            reply = answer.read()
            if reply is not None:
                return reply
    except (OSError, ClosedEarly, h11.RemoteProtocolError):
        return None
    return None
