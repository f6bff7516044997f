"""Several uvicorn servers in one process: one per listener, signals and shutdown owned by `relay.app`.

A gateway's identity is found when its connection is made, from TLS or from the Unix socket's peer credentials, and put
into the ASGI scope; nothing that is said over the connection can change it.
"""

from __future__ import annotations

import asyncio
import asyncio.sslproto
import os
import socket
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from relay.api.peers import EXTENSION, Identify, Unidentified
from relay.errors import RelayError
from relay.peer import Peer

GRACE_SECONDS = 3
# How long an idle peer may take to answer our TLS farewell when we stop: a half-open one never does.
FAREWELL_SECONDS = 0.3
HEAD_SECONDS = 20  # for the head of a request
MOST_CONNECTIONS = 1_000  # of people; one more is told to come again
# Of gateways, each of which has four: alarms, records, media, channel. A fleet that comes back comes at once.
MOST_GATEWAY_CONNECTIONS = 8_000
# What asyncio sets aside for reading on each TLS connection, whether anything comes or not: 256 KiB by itself, which
# for a thousand gateways is a gigabyte. Four TLS records are enough.
TLS_BUFFER = 65_536


class CannotListen(RelayError):
    """The address is taken or not ours."""

    permanent = False


class Server(uvicorn.Server):
    """A server that leaves the process's signals alone, and says when it serves."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class PatientHttp(HttpToolsProtocol):
    """HTTP that does not wait for ever for a request's head: who drips it byte by byte is cut off."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._wait()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._stop_waiting()
        self._patience = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _protocols(identify: Identify) -> tuple[type[asyncio.Protocol], type[asyncio.Protocol]]:
    """The HTTP and WebSocket protocols of a gateways' listener: each connection knows its gateway."""

    def knowing(app: ASGIApp, transport: asyncio.BaseTransport) -> ASGIApp:
        try:
            found: Peer | str = identify(transport)
        except Unidentified as error:
            found = str(error)

        async def with_peer(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("extensions", {})[EXTENSION] = found
            await app(scope, receive, send)

        return with_peer

    class GatewayHttp(PatientHttp):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self.app: Any = knowing(self.app, transport)

        def shutdown(self) -> None:
            super().shutdown()
            if self.cycle is None or self.cycle.response_complete:  # type: ignore[redundant-expr]
                self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)

    class GatewayWebSocket(WebSocketsSansIOProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.app: Any = knowing(self.app, transport)

        def shutdown(self) -> None:
            super().shutdown()
            self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)

    return GatewayHttp, GatewayWebSocket


def server(*, app: ASGIApp, tls: ssl.SSLContext | None = None, identify: Identify | None = None) -> Server:
    """A server for one listener, to be given its socket by `serve`."""
    asyncio.sslproto.SSLProtocol.max_size = TLS_BUFFER
    http, ws = _protocols(identify) if identify else (PatientHttp, WebSocketsSansIOProtocol)
    config = uvicorn.Config(
        app,
        http=http,
        ws=ws,
        loop="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        interface="asgi3",
        ws_max_size=1_048_576,
        ws_per_message_deflate=False,
        ws_ping_interval=20.0,
        ws_ping_timeout=20.0,
        timeout_keep_alive=75 if identify else 15,
        timeout_graceful_shutdown=GRACE_SECONDS,
        limit_concurrency=MOST_GATEWAY_CONNECTIONS if identify else MOST_CONNECTIONS,
        ssl_context_factory=(lambda config, default: tls) if tls is not None else None,
    )
    return Server(config)


def bind_tcp(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises CannotListen with a sentence."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
        family, kind, protocol, _, address = found[0]
        # With the protocol spelled out: asyncio sets TCP_NODELAY only on sockets that say they are TCP, and without it
        # an answer's head and body cost a 40 ms plateau.
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    listening.setblocking(False)
    return listening


def bind_unix(path: Path) -> socket.socket:
    """A listening Unix socket, 0660, in place of one that nobody answers on. Raises CannotListen with a sentence."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        if path.exists() and stat.S_ISSOCK(path.stat().st_mode):
            if _answers(path):
                raise CannotListen(f"cannot listen on {path}: another process is listening there")
            path.unlink()
        mask = os.umask(0o117)
        try:
            listening.bind(str(path))
        finally:
            os.umask(mask)
    except OSError as error:
        listening.close()
        raise CannotListen(f"cannot listen on {path}: {error.strerror or error}") from None
    except CannotListen:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True
