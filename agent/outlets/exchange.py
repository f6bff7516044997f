"""One request and its answer as h11 sees them, whoever moves the bytes."""

from __future__ import annotations

import h11

from agent.outlets.answers import Reply

LARGEST_REPLY = 1_048_576


class ReplyTooLong(Exception):
    """More than a relay ever says."""


class ClosedEarly(Exception):
    """The other side closed the connection instead of answering."""


def head(protocol: h11.Connection, *, host: str, method: str, target: str, headers: dict[str, str], size: int) -> bytes:
    """The first bytes of a request with a body of `size` bytes."""
    fields = {"host": host, "user-agent": "nightporter", "accept-encoding": "identity"} | headers
    if method not in ("GET", "HEAD"):
        fields["content-length"] = str(size)
    return protocol.send(h11.Request(method=method, target=target, headers=list(fields.items()))) or b""


def body(protocol: h11.Connection, content: bytes) -> bytes:
    """The rest of it: the content itself, not a copy of it."""
    parts = protocol.send_with_data_passthrough(h11.Data(data=content)) if content else None
    protocol.send(h11.EndOfMessage())
    return parts[0] if parts else b""


class Answer:
    """The answer of a request, read as it comes. ReplyTooLong, ClosedEarly, h11.RemoteProtocolError when it is none."""

    def __init__(self, protocol: h11.Connection) -> None:
        self._protocol = protocol
        self._response: h11.Response | None = None
        self._body = bytearray()

    def read(self) -> Reply | None:
        """The whole of it; None while more bytes are needed."""
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Response):
                self._response = event
            elif isinstance(event, h11.Data):
                self._body += event.data
                if len(self._body) > LARGEST_REPLY:
                    raise ReplyTooLong
            elif isinstance(event, h11.EndOfMessage) and self._response is not None:
                return Reply(
                    self._response.status_code,
                    {name.decode("ascii"): value.decode("latin-1") for name, value in self._response.headers},
                    bytes(self._body),
                )
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                raise ClosedEarly


def again(protocol: h11.Connection) -> bool:
    """Ready for the next request on the same connection; False when it has to be closed."""
    if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
        protocol.start_next_cycle()
        return True
    return False
