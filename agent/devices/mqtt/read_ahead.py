"""A socket that reads ahead and writes together. paho asks for every packet in three or four small pieces and sends
every acknowledgement by itself; each would be a system call, here and at the broker.

What was read ahead is invisible to whoever waits for the descriptor, so `pending` says that there is more: aiomqtt asks
it after each packet and goes on reading until nothing is left. What is sent is held until `flush`, which the connection
calls when paho has nothing more to say, in the same turn of the event loop.
"""

from __future__ import annotations

import socket
import ssl

# So much is read at once, and decided by the event loop in one go: a hundred messages, about two milliseconds.
AHEAD = 8_192
# So much is held to be sent; beyond it paho is told to wait, and keeps the rest in its own queue.
MOST_HELD = 65_536


class ReadAhead:
    """Stands where paho expects its (TCP or TLS) socket, and does of it what paho uses."""

    def __init__(self, raw: socket.socket) -> None:
        self._raw = raw
        self._hidden = raw.pending if isinstance(raw, ssl.SSLSocket) else _nothing
        self._held = b""
        self._at = 0
        self._sending = bytearray()

    def recv(self, size: int) -> bytes:
        """Up to `size` bytes; raises as the socket does when there is nothing yet, b"" at the end of the connection."""
        if self._at == len(self._held):
            self._held, self._at = self._raw.recv(AHEAD), 0
        begin = self._at
        self._at = min(begin + size, len(self._held))
        return self._held[begin : self._at]

    def pending(self) -> int:
        """Bytes that are here already, and that no wait for the descriptor would show."""
        return len(self._held) - self._at + self._hidden()

    def send(self, data: bytes | bytearray) -> int:
        """Hold it for the next flush; BlockingIOError when too much is held already."""
        if len(self._sending) >= MOST_HELD and not self.flush() and len(self._sending) >= MOST_HELD:
            raise BlockingIOError
        self._sending += data
        return len(data)

    def flush(self) -> bool:
        """Send what is held, as far as the socket takes it; whether nothing is left. A connection that broke takes
        everything: whoever reads will notice."""
        while self._sending:
            try:
                sent = self._raw.send(self._sending)
            except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
                return False
            except OSError:
                self._sending.clear()
                return True
            del self._sending[:sent]
        return True

    def setblocking(self, flag: bool) -> None:
        """As the socket's."""
        self._raw.setblocking(flag)

    def fileno(self) -> int:
        """As the socket's."""
        return self._raw.fileno()

    def getsockopt(self, level: int, option: int) -> int:
        """As the socket's."""
        return self._raw.getsockopt(level, option)

    def close(self) -> None:
        """Send what is held, if that goes at once, and close the socket; what was read ahead is forgotten."""
        self.flush()
        self._held, self._at = b"", 0
        self._raw.close()


def _nothing() -> int:
    return 0
