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
import zstandard

from agent.clock import boot_now
from agent.errors import OutletError
from agent.outlets.answers import ConnectionEnded, Reply, Unknown, demand
from agent.outlets.bulk import BulkConnection
from agent.outlets.exchange import ClosedEarly, ReplyTooLong
from agent.outlets.heard import Heard
from agent.outlets.http import HttpConnection
from agent.outlets.peer import Peer
from certs.refusal import find
from rules import wire
from rules.errors import WireError

_ALLOWANCE = 15.0  # seconds for a small request and its whole answer
_SLOWEST = 4096  # bytes a second that a large request is allowed to crawl at
_LEVEL = 3  # of zstd: more costs more time than it saves bytes
COMPRESS_FROM = 2_048  # bytes of a batch: below this it is one packet either way, and an alarm waits for nothing
_IN_THE_LOOP = 16_384  # bytes that are compressed sooner than a thread takes over


class RelayClient:
    """The requests. Errors are OutletError (try again), OutletRefusal, or what `answers` names."""

    def __init__(self, *, peer: Peer, http: HttpConnection | BulkConnection, heard: Heard | None = None) -> None:
        self._peer = peer
        self._http = http
        self._heard = heard
        self._answered = False
        self._begun = False
        self._bound = False
        self.reads_zstd = False  # until it says so in an answer

    @property
    def relay(self) -> str:
        """The relay as sentences name it."""
        return f"relay {self._peer.name} at {self._peer.where}"

    def begin(self) -> None:
        """From here on one connection counts: the next request may open it, those after it end with ConnectionEnded
        when it is closed. What was agreed holds for the relay that was asked, and behind a new connection there may be
        one that was restored from a backup."""
        self._begun, self._bound = True, False

    async def watermarks(self, epoch: str | None) -> wire.Watermarks:
        """What the relay holds of this epoch; None asks for the one it is in ("" when it knows none of ours)."""
        asked = f"?{urlencode({'epoch': epoch})}" if epoch is not None else ""
        sent_at = boot_now()
        reply = demand(await self.request("GET", f"/v1/lanes{asked}"), relay=self.relay)
        received_at = boot_now()
        try:
            marks = wire.Watermarks.parse(reply.body)
        except WireError:
            raise self._gibberish() from None
        if epoch is not None and marks.epoch != epoch:
            raise OutletError(f"{self.relay} was asked about epoch {epoch} and answered about another one")
        self._reads(reply.headers.get("accept-encoding", ""))
        self._hear(marks.wall, sent_at, received_at)
        return marks

    async def post_batch(self, lane: str, batch: bytes) -> wire.Ack:
        """Hand over a batch; returns what the relay then holds durably."""
        reply, sent_at = await self._post(lane, batch)
        received_at = boot_now()
        try:
            ack = wire.Ack.parse(demand(reply, relay=self.relay).body)
        except WireError:
            raise self._gibberish() from None
        self._hear(ack.wall, sent_at, received_at)
        return ack

    async def _post(self, lane: str, batch: bytes) -> tuple[Reply, int]:
        """The reply, and when (boot-time clock) that was sent which it answers."""
        target, headers = f"/v1/lanes/{lane}", {"content-type": "application/x-ndjson"}
        if self.reads_zstd and len(batch) >= COMPRESS_FROM:
            if len(batch) <= _IN_THE_LOOP:
                small = zstandard.compress(batch, _LEVEL)
            else:
                small = await asyncio.to_thread(zstandard.compress, batch, _LEVEL)
            sent_at = boot_now()
            reply = await self.request("POST", target, headers=headers | {"content-encoding": "zstd"}, content=small)
            if reply.status not in (400, 415):
                return reply, sent_at
            self.reads_zstd = False  # it, or something in between, does not after all: the rest goes plain
        sent_at = boot_now()
        return await self.request("POST", target, headers=headers, content=batch), sent_at

    def _reads(self, encodings: str) -> None:
        """What the relay says it reads (RFC 9110, 12.5.3)."""
        said = {each.partition(";")[0].strip().lower() for each in encodings.split(",")}
        self.reads_zstd = "zstd" in said

    def _hear(self, wall: int | None, sent_at: int, received_at: int) -> None:
        if self._heard is not None and wall is not None:
            self._heard(self._peer.name, wall, sent_at, received_at)

    async def kept(self, lane: str, *, epoch: str, after: int, limit: int) -> wire.KeptRecords:
        """Our own records after `after`, as the relay keeps them. Unknown when it cannot be asked for them."""
        asked = urlencode({"epoch": epoch, "after": after, "limit": limit})
        reply = demand(await self.request("GET", f"/v1/lanes/{lane}/records?{asked}"), relay=self.relay)
        try:
            kept = wire.read_kept(reply.body)
        except WireError:
            raise self._gibberish() from None
        if (kept.header.epoch, kept.header.lane, kept.header.after) != (epoch, lane, after):
            raise OutletError(f"{self.relay} was asked for records of lane {lane} and answered with others")
        return kept

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
        if self._bound and not self._http.kept:
            raise ConnectionEnded(f"{self.relay}, or what is on the way to it, closes each connection after a request")
        allowance = _ALLOWANCE + len(content) / _SLOWEST
        try:
            async with asyncio.timeout(allowance):
                reply = await self._http.request(method, target, headers=headers or {}, content=content)
        except ReplyTooLong:
            raise OutletError(f"{self.relay} answered with more than a relay ever says") from None
        except (OSError, TimeoutError, ClosedEarly, h11.RemoteProtocolError) as error:
            raise OutletError(await self._why(error)) from error
        self._answered = True
        self._bound = self._begun
        return reply

    async def _why(self, error: Exception) -> str:
        refusal = find(error)
        if refusal is not None:
            return f"{self.relay} cannot be talked to: {refusal.sentence}{await self._doubt()}"
        if isinstance(error, TimeoutError):
            return f"{self.relay} does not answer"
        if isinstance(error, OSError) and not isinstance(error, ConnectionResetError | BrokenPipeError):
            return f"{self.relay} cannot be reached: {_words(error)}"
        if self._answered or self._peer.identity is None:
            return f"{self.relay} closed the connection"
        # With TLS 1.3 a refused certificate shows only now, and not always with a reason.
        return f"{self.relay} refused our certificate or closed the connection{await self._doubt()}"

    async def _doubt(self) -> str:
        doubt = await self._peer.doubt()
        return "" if doubt is None else f"; by this machine's clock, which nothing keeps right, {doubt}"


def _words(error: OSError) -> str:
    """What the operating system calls it: asyncio writes addresses instead; an unknown host has words of its own."""
    if error.errno and error.errno > 0 and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)
    return error.strerror or str(error) or "no connection"


@asynccontextmanager
async def connect(peer: Peer, *, bulk: bool = False, heard: Heard | None = None) -> AsyncIterator[RelayClient]:
    """A client that opens its one connection with its first request. `bulk` is for recordings, in a thread of their own
    and with a short queue in the kernel; `heard` is told the relay's time."""
    context: ssl.SSLContext | None = await peer.context()
    http: HttpConnection | BulkConnection
    http = BulkConnection(peer=peer, context=context) if bulk else HttpConnection(peer=peer, context=context)
    try:
        yield RelayClient(peer=peer, http=http, heard=heard)
    finally:
        http.abort()
