"""What an outlet asks of a relay: requests of the contract out, their meaning back, every failure as one sentence."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import h11

from agent.errors import OutletError
from agent.outlets.answers import Reply, Unknown, demand
from agent.outlets.http import ClosedEarly, HttpConnection, ReplyTooLong
from agent.outlets.peer import Peer
from certs.refusal import find
from rules import wire
from rules.errors import WireError

_ALLOWANCE = 15.0  # seconds for a small request and its whole answer
_SLOWEST = 4096  # bytes a second that a large request is allowed to crawl at


class RelayClient:
    """The requests. Errors are OutletError (try again), OutletRefusal, or what `answers` names."""

    def __init__(self, *, peer: Peer, http: HttpConnection) -> None:
        self._peer = peer
        self._http = http
        self._answered = False

    @property
    def relay(self) -> str:
        """The relay as sentences name it."""
        return f"relay {self._peer.name} at {self._peer.where}"

    async def watermarks(self, epoch: str) -> wire.Watermarks:
        """What the relay holds of this epoch."""
        reply = demand(await self.request("GET", f"/v1/lanes?{urlencode({'epoch': epoch})}"), relay=self.relay)
        try:
            marks = wire.Watermarks.parse(reply.body)
        except WireError:
            raise self._gibberish() from None
        if marks.epoch != epoch:
            raise OutletError(f"{self.relay} was asked about epoch {epoch} and answered about another one")
        return marks

    async def post_batch(self, lane: str, batch: bytes) -> wire.Ack:
        """Hand over a batch; returns what the relay then holds durably."""
        headers = {"content-type": "application/x-ndjson"}
        reply = await self.request("POST", f"/v1/lanes/{lane}", headers=headers, content=batch)
        try:
            return wire.Ack.parse(demand(reply, relay=self.relay).body)
        except WireError:
            raise self._gibberish() from None

    async def has_blob(self, sha256: str, size: int) -> bool:
        """Whether the relay holds this blob of `size` bytes whole."""
        try:
            reply = demand(await self.request("HEAD", f"/v1/blobs/{sha256}"), relay=self.relay)
        except Unknown:
            return False
        # A page that says 200 to everything must not make us believe that a recording is safe.
        if reply.headers.get("content-length") != str(size):
            raise self._gibberish()
        return True

    def _gibberish(self) -> OutletError:
        return OutletError(
            f"{self.relay} answered with something that is not a relay's: is the address right, and does no sign-in "
            "page of a network stand in between?"
        )

    async def request(
        self, method: str, target: str, *, headers: dict[str, str] | None = None, content: bytes = b""
    ) -> Reply:
        """One request, its answer read whole. OutletError when none came."""
        allowance = _ALLOWANCE + len(content) / _SLOWEST
        try:
            async with asyncio.timeout(allowance):
                reply = await self._http.request(method, target, headers=headers or {}, content=content)
        except ReplyTooLong:
            raise OutletError(f"{self.relay} answered with more than a relay ever says") from None
        except (OSError, TimeoutError, ClosedEarly, h11.RemoteProtocolError) as error:
            raise OutletError(self._why(error)) from error
        self._answered = True
        return reply

    def _why(self, error: Exception) -> str:
        refusal = find(error)
        if refusal is not None:
            return f"{self.relay} cannot be talked to: {refusal.sentence}"
        if isinstance(error, TimeoutError):
            return f"{self.relay} does not answer"
        if isinstance(error, OSError) and not isinstance(error, ConnectionResetError | BrokenPipeError):
            return f"{self.relay} cannot be reached: {_words(error)}"
        if self._answered or self._peer.identity is None:
            return f"{self.relay} closed the connection"
        # With TLS 1.3 a refused certificate shows only now, and not always with a reason.
        return f"{self.relay} refused our certificate or closed the connection"


def _words(error: OSError) -> str:
    """What the operating system calls it: asyncio writes addresses instead; an unknown host has words of its own."""
    if error.errno and error.errno > 0 and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error) or "no connection"


@asynccontextmanager
async def connect(peer: Peer, *, bulk: bool = False) -> AsyncIterator[RelayClient]:
    """A client that opens its one connection with its first request. `bulk` keeps its queue in the kernel short."""
    context: ssl.SSLContext | None = await peer.context()
    http = HttpConnection(peer=peer, context=context, bulk=bulk)
    try:
        yield RelayClient(peer=peer, http=http)
    finally:
        http.abort()
