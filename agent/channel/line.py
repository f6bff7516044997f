"""One WebSocket to a relay: text in, text out, and one sentence when it ends.

This module imports websockets: nobody imports it before the agent is ready (see `relay`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as dial
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from agent.errors import OutletError
from agent.outlets.peer import Peer
from certs.refusal import find

LARGEST_FRAME = 1_048_576
_OPEN, _PING, _CLOSE = 10.0, 20.0, 2.0  # seconds


class _Dial(dial):
    """Redirects are not followed: whoever redirects is not the relay."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


class Line:
    """An open channel. `ended` says how it ended, once `receive` has returned None."""

    def __init__(self, *, peer: Peer, socket: ClientConnection) -> None:
        self._peer = peer
        self._socket = socket
        self.ended = ""

    async def send(self, text: str) -> bool:
        """Whether it left; a line that ended is noticed by whoever receives."""
        try:
            await self._socket.send(text)
        except (ConnectionClosed, OSError):
            return False
        return True

    async def receive(self) -> str | None:
        """The next text message; None when the line has ended. Binary ones are nobody's and come as empty text."""
        try:
            message = await self._socket.recv()
        except ConnectionClosed as error:
            self.ended = _ending(error)
            return None
        return message if isinstance(message, str) else ""

    async def close(self, reason: str) -> None:
        """End it; the other side is told why."""
        await self._socket.close(1002, reason)


@asynccontextmanager
async def open_line(peer: Peer) -> AsyncIterator[Line]:
    """Dial. OutletError says why it did not work."""
    options: dict[str, Any] = {"ssl": await peer.context()}
    if peer.socket is not None:
        options = {"unix": True, "path": str(peer.socket)}
    try:
        socket = await _Dial(
            f"{peer.websocket}/v1/channel",
            max_size=LARGEST_FRAME,
            compression=None,
            proxy=None,
            user_agent_header="nightporter",
            open_timeout=_OPEN,
            ping_interval=_PING,
            ping_timeout=_PING,
            close_timeout=_CLOSE,
            **options,
        )
    except (WebSocketException, OSError, EOFError) as error:
        raise OutletError(f"channel to relay {peer.name} at {peer.where}: {_why(error)}") from error
    try:
        yield Line(peer=peer, socket=socket)
    finally:
        await socket.close()


def _why(error: Exception) -> str:
    refusal = find(error)
    if refusal is not None:
        return refusal.sentence
    if isinstance(error, InvalidStatus):
        return f"the relay answered {error.response.status_code} where a channel was asked for"
    if isinstance(error, TimeoutError):
        return f"no answer within {_OPEN:.0f} s"
    if isinstance(error, OSError):
        return error.strerror or "no connection"
    return "the relay refused our certificate, closed the connection, or is not one"


def _ending(error: ConnectionClosed) -> str:
    """Our side and theirs may each have said why."""
    for frame in (error.rcvd, error.sent):
        if frame is not None:
            reason = " ".join(letter for letter in frame.reason.split() if letter.isprintable())[:200]
            return f"closed with {frame.code}{': ' + reason if reason else ''}"
    return "the connection broke"
