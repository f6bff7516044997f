"""A relay that implements the HTTP and WebSocket contract to the letter, in memory, and misbehaves when told to.

It is written from the contract, not from `relay/`: two readings of it meet in the tests of the agent's outlets.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import socket
import ssl
import time
import uuid
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import uvicorn
import zstandard
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol

from agent.clock import wall_now
from rules import wire
from rules.errors import WireError

Fault = Literal["drop_before", "drop_after", "later", "html", "redirect", "error", "too_large", "slow", "refuse"]


class _Http(H11Protocol):
    """Lets the fake cut a connection in the middle of anything, as a dying machine does."""

    relay: FakeRelay

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.relay.transports.add(transport)
        self.relay.connections += 1
        inner: Any = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope.setdefault("extensions", {})["fake.transport"] = transport
            await inner(scope, receive, send)

        self.app: Any = app

    def connection_lost(self, exc: Exception | None) -> None:
        self.relay.transports.discard(self.transport)
        super().connection_lost(exc)


@dataclass(slots=True)
class Lane:
    """What was taken of one (epoch, lane)."""

    start: bytes
    records: list[bytes] = field(default_factory=list)
    chains: list[bytes] = field(default_factory=list)

    @property
    def mark(self) -> dict[str, Any]:
        return {"seq": len(self.records), "chain": (self.chains[-1] if self.chains else self.start).hex()}


@dataclass(slots=True)
class Upload:
    """One that is not whole yet."""

    sha256: str
    length: int
    data: bytearray = field(default_factory=bytearray)


class FakeRelay:
    """`faults` are used up one a request, by path prefix; `arrivals` is everything in the order it was taken."""

    def __init__(self, *, gateway: str) -> None:
        self.gateway = gateway
        self.lanes: dict[tuple[str, str], Lane] = {}
        self.current: str | None = None
        self.blobs: dict[str, bytes] = {}
        self.uploads: dict[str, Upload] = {}
        self.arrivals: list[tuple[str, int | str]] = []
        self.requests: Counter[str] = Counter()
        self.transports: set[asyncio.Transport] = set()
        self.connections = 0
        self.faults: dict[str, deque[Fault]] = {}
        self.always: dict[str, Fault] = {}
        self.retry_after = "1"
        self.hold = asyncio.Event()  # requests with fault "slow" wait for it
        self.headers: list[wire.Header] = []
        self.gaps: list[wire.GapRange] = []
        self.closes = False  # each connection, after one answer
        self.zstd: Literal["read", "unread", "refused"] = "unread"  # refused: announced, and not read all the same
        self.bytes = Counter[str]()  # of bodies, by path
        self.patch_limit: int | None = None  # bytes taken of a PATCH before the connection is cut, once
        # The channel.
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.streams: list[WebSocket] = []
        self.entries: list[str] = []
        self.greeting = True

    # --- what was taken --------------------------------------------------------------------------------------------

    def lane(self, epoch: str, lane: str) -> Lane:
        return self.lanes.setdefault((epoch, lane), Lane(wire.chain_start(self.gateway, epoch, lane)))

    def taken(self, lane: str) -> list[bytes]:
        return [data for (_, name), held in self.lanes.items() if name == lane for data in held.records]

    def restore(self, epoch: str, lane: str, length: int) -> None:
        """As after restoring an older copy."""
        held = self.lane(epoch, lane)
        del held.records[length:], held.chains[length:]

    # --- HTTP ------------------------------------------------------------------------------------------------------

    def _fault(self, request: Request) -> Fault | None:
        self.requests[f"{request.method} {request.url.path}"] += 1
        for prefix, queue in self.faults.items():
            if queue and f"{request.method} {request.url.path}".startswith(prefix):
                return queue.popleft()
        for prefix, fault in self.always.items():
            if f"{request.method} {request.url.path}".startswith(prefix):
                return fault
        return None

    async def _misbehave(self, fault: Fault | None, request: Request) -> Response | None:
        match fault:
            case "drop_before":
                _cut(request)
                return Response(status_code=500)
            case "later":
                headers = {"retry-after": self.retry_after}
                return _problem(503, "busy", "the database is being moved", headers=headers)
            case "html":
                return HTMLResponse("<html><body>Welcome to the hotel's network. Sign in.</body></html>")
            case "redirect":
                return RedirectResponse("http://portal.invalid/")
            case "error":
                return Response("Internal Server Error", status_code=500)
            case "too_large":
                return _problem(413, "too-large", "send fewer records at once")
            case "refuse":
                return _problem(403, "locked", "this gateway was locked by its operator")
            case "slow":
                await self.hold.wait()
        return None

    async def get_lanes(self, request: Request) -> Response:
        answer = await self._misbehave(self._fault(request), request)
        if answer is not None:
            return answer
        epoch = request.query_params.get("epoch", self.current or "")
        lanes = {name: held.mark for (of, name), held in self.lanes.items() if of == epoch and held.records}
        headers = {"accept-encoding": "zstd"} if self.zstd != "unread" else {}
        if self.closes:
            headers["connection"] = "close"
        return JSONResponse({"v": 1, "epoch": epoch, "lanes": lanes, "wall": self.wall()}, headers=headers)

    def wall(self) -> int:
        return time.time_ns() // 1000

    async def post_lane(self, request: Request) -> Response:
        body = await request.body()
        fault = self._fault(request)
        answer = await self._misbehave(fault, request)
        if answer is not None:
            return answer
        self.bytes[request.url.path] += len(body)
        if request.headers.get("content-encoding") == "zstd":
            if self.zstd != "read":
                return _problem(415, "bad-encoding", "plain, please")
            body = zstandard.decompress(body)
        try:
            batch = wire.read_batch(body)
        except WireError as error:
            return _problem(400, "bad-request", str(error))
        header = batch.header
        if header.lane != request.path_params["lane"] or header.gateway != self.gateway:
            return _problem(400, "bad-request", "another lane or gateway")
        if self.current not in (None, header.epoch) and header.supersedes != self.current:
            return _problem(409, "epoch-conflict", "a new epoch must name the one it supersedes", seq=0, chain="")
        self.current = header.epoch
        held = self.lane(header.epoch, header.lane)
        seq = len(held.records)
        if header.first > seq + 1:
            return _problem(409, "chain-mismatch", "records in between have not arrived", **held.mark)
        before = held.chains[header.first - 2] if header.first > 1 else held.start
        if before.hex() != header.prev:
            return _problem(409, "chain-mismatch", "the chain hash there is another one here", **held.mark)
        self.headers.append(header)
        number = header.first - 1
        for line in batch.lines:
            number += 1
            if isinstance(line, wire.GapRange):
                if line.since != number:
                    return _problem(400, "bad-request", "a gap begins where it stands")
                missing = line.to - max(line.since - 1, len(held.records))
                held.records += [b""] * missing
                held.chains += [bytes.fromhex(line.chain)] * missing
                self.gaps.append(line)
                number = line.to
                continue
            if number <= len(held.records):
                if held.records[number - 1] != line:
                    return _problem(409, "integrity", "acknowledged with other bytes", **held.mark)
                continue
            before = held.chains[-1] if held.chains else held.start
            held.records.append(line)
            held.chains.append(wire.chain_next(before, line))
            self.arrivals.append((header.lane, number))
        if fault == "drop_after":
            _cut(request)
        return JSONResponse({"v": 1, "lane": header.lane, "epoch": header.epoch, "quarantined": [], **held.mark})

    async def head_blob(self, request: Request) -> Response:
        answer = await self._misbehave(self._fault(request), request)
        if answer is not None:
            return answer
        data = self.blobs.get(request.path_params["sha256"])
        if data is None:
            return Response(status_code=404)
        return Response(status_code=200, headers={"content-length": str(len(data))})

    async def post_blob(self, request: Request) -> Response:
        fault = self._fault(request)
        answer = await self._misbehave(fault, request)
        if answer is not None:
            return answer
        digest = request.headers["repr-digest"].removeprefix("sha-256=:").removesuffix(":")
        sha256, length = base64.b64decode(digest).hex(), int(request.headers["upload-length"])
        if sha256 in self.blobs:
            return Response(status_code=201, headers={"upload-offset": str(length), "upload-complete": "?1"})
        name = uuid.uuid4().hex
        self.uploads[name] = Upload(sha256, length)
        response = await self._append(name, request)
        if fault == "drop_after":
            _cut(request)
        response.headers["location"] = f"/v1/uploads/{name}"
        return response

    async def head_upload(self, request: Request) -> Response:
        answer = await self._misbehave(self._fault(request), request)
        if answer is not None:
            return answer
        upload = self.uploads.get(request.path_params["id"])
        if upload is None:
            return _problem(404, "not-found", "there is no such upload")
        return Response(status_code=204, headers={"upload-offset": str(len(upload.data)), "upload-complete": "?0"})

    async def patch_upload(self, request: Request) -> Response:
        fault = self._fault(request)
        answer = await self._misbehave(fault, request)
        if answer is not None:
            return answer
        name = request.path_params["id"]
        upload = self.uploads.get(name)
        if upload is None:
            return _problem(404, "not-found", "there is no such upload")
        if request.headers.get("content-type") != "application/partial-upload":
            return _problem(415, "bad-request", "Content-Type is application/partial-upload")
        have = len(upload.data)
        if int(request.headers["upload-offset"]) != have:
            return _problem(409, "wrong-offset", "not where it ends", expected_offset=have)
        response = await self._append(name, request)
        if fault == "drop_after":
            _cut(request)
        return response

    async def _append(self, name: str, request: Request) -> Response:
        upload = self.uploads[name]
        body = await request.body()
        if self.patch_limit is not None and body:
            upload.data += body[: self.patch_limit]
            self.patch_limit = None
            _cut(request)
            return Response(status_code=500)
        upload.data += body
        offset = {"upload-offset": str(len(upload.data))}
        if request.headers["upload-complete"] == "?0":
            return Response(status_code=201 if request.method == "POST" else 204, headers=offset)
        del self.uploads[name]
        if len(upload.data) != upload.length or hashlib.sha256(upload.data).hexdigest() != upload.sha256:
            return _problem(460, "wrong-digest", "the bytes have another SHA-256")
        self.blobs[upload.sha256] = bytes(upload.data)
        self.arrivals.append(("blob", upload.sha256))
        return Response(status_code=201, headers=offset | {"upload-complete": "?1"})

    # --- the channel -----------------------------------------------------------------------------------------------

    async def channel(self, stream: WebSocket) -> None:
        await stream.accept()
        if self.greeting:
            await stream.send_text(wire.RelayHello(relay="fake", wall=wall_now()).text())
        self.streams.append(stream)
        try:
            while True:
                message = wire.read_from_agent(await stream.receive_text())
                if isinstance(message, wire.Pull):
                    await self.answer_pull(stream, message.after)
                await self.heard.put(message)
        except WebSocketDisconnect:
            pass
        finally:
            self.streams.remove(stream)

    async def answer_pull(self, stream: WebSocket, after: int) -> None:
        items = self.entries[after : after + 3]
        await stream.send_text(wire.Entries(after=after, next=after + len(items), items=items).text())

    async def expect(self, kind: type[Any]) -> Any:
        """The next message of this kind; others before it are passed over."""
        async with asyncio.timeout(10):
            while True:
                message = await self.heard.get()
                if isinstance(message, kind):
                    return message

    # --- up and down -----------------------------------------------------------------------------------------------

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v1/lanes", self.get_lanes, methods=["GET"]),
                Route("/v1/lanes/{lane}", self.post_lane, methods=["POST"]),
                Route("/v1/blobs/{sha256}", self.head_blob, methods=["HEAD"]),
                Route("/v1/blobs", self.post_blob, methods=["POST"]),
                Route("/v1/uploads/{id}", self.head_upload, methods=["HEAD"]),
                Route("/v1/uploads/{id}", self.patch_upload, methods=["PATCH"]),
                WebSocketRoute("/v1/channel", self.channel),
            ]
        )

    @contextlib.asynccontextmanager
    async def listening(self, at: Path | int, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
        """Up inside the block, on a Unix socket or a port of 127.0.0.1 (0: a free one, which is what comes back)."""
        listening = _bind(at)
        http = type("Http", (_Http,), {"relay": self})
        config = uvicorn.Config(
            self.app(),
            http=http,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
            ssl_context_factory=(lambda config, default: tls) if tls else None,
        )
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listening]), name="fake-relay")
        while not server.started:
            await asyncio.sleep(0.005)
        try:
            yield 0 if isinstance(at, Path) else listening.getsockname()[1]
        finally:
            # First: whoever comes from now on finds the same, however long it takes until the rest has ended.
            if isinstance(at, Path):
                os.unlink(at)
            self.hold.set()
            for transport in [transport for transport in self.transports if not transport.is_closing()]:
                transport.abort()
            server.should_exit = server.force_exit = True
            await task
            listening.close()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(at: Path | int) -> socket.socket:
    if isinstance(at, Path):
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listening.bind(str(at))
    else:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", at))
    listening.setblocking(False)
    return listening


def _cut(request: Request) -> None:
    request.scope["extensions"]["fake.transport"].abort()


def _problem(status: int, kind: str, detail: str, *, headers: dict[str, str] | None = None, **facts: Any) -> Response:
    named = {name.replace("_", "-"): value for name, value in facts.items()}
    body = {"type": kind, "status": status, "detail": detail} | named
    return JSONResponse(body, status_code=status, media_type="application/problem+json", headers=headers)
