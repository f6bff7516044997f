"""The camera's RTSP 1.0 server: one port, one stream, digest authentication, RTP inside the connection only."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
from collections.abc import Mapping

import structlog

from hwlab.camera.digest import Digest
from hwlab.camera.messages import TRACK, BadMessage, Request, describe, read_request, response
from hwlab.camera.rtp import interleaved
from hwlab.camera.stream import Mode, Stream, Viewer

log = structlog.get_logger()

_METHODS = "OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN"
_IDLE_SECONDS = 60
_KERNEL_BUFFER = 131_072


class Server:
    """Serves one stream on 127.0.0.1; `set_mode("down")` stops listening and drops everybody."""

    def __init__(self, *, stream: Stream, users: Mapping[str, str], port: int) -> None:
        self.stream = stream
        self.port = port
        self._users = users
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=16_384)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._drop_all()

    async def set_mode(self, mode: Mode) -> None:
        self.stream.mode = mode
        if mode == "down":
            await self.stop()
        else:
            await self.start()
        if mode == "unauthorised":  # as when somebody changed the password: nobody stays
            self._drop_all()
        log.info("camera.mode", camera=self.stream.spec.name, mode=mode)

    def _drop_all(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        # The kernel would keep megabytes for a reader that has stopped reading, and every frame of it would be old.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL_BUFFER)
        session = _Session(stream=self.stream, users=self._users, writer=writer)
        try:
            while (request := await read_request(reader)) is not None:
                writer.write(session.answer(request))
                session.after()
                await writer.drain()
                if session.ended:
                    break
        except BadMessage:
            writer.write(response(400, cseq=None))
        except (ConnectionError, asyncio.IncompleteReadError) as error:
            log.debug("camera.connection_lost", camera=self.stream.spec.name, error=type(error).__name__)
        finally:
            session.leave()
            self._writers.discard(writer)
            writer.close()


class _Session:
    """What one connection has set up. RFC 2326 states: init, ready (after SETUP), playing."""

    def __init__(self, *, stream: Stream, users: Mapping[str, str], writer: asyncio.StreamWriter) -> None:
        self.ended = False
        self._stream = stream
        self._writer = writer
        self._digest = Digest(users)
        self._id = secrets.token_hex(8)
        self._channel: int | None = None
        self._viewer: Viewer | None = None
        self._starting = False

    def answer(self, request: Request) -> bytes:
        """The response to one request."""
        cseq = request.headers.get("cseq")
        if cseq is None:
            return response(400, cseq=None)
        if request.version != "RTSP/1.0":
            return response(505, cseq=cseq)
        if request.method == "OPTIONS":
            return response(200, cseq=cseq, headers={"Public": _METHODS})
        authorised = self._digest.accepts(
            method=request.method, url=request.url, header=request.headers.get("authorization")
        )
        if not authorised or self._stream.mode == "unauthorised":
            return response(401, cseq=cseq, headers={"WWW-Authenticate": self._digest.challenge})
        if request.path != self._stream.spec.name:
            return response(404, cseq=cseq)
        status, headers, body = self._do(request)
        return response(status, cseq=cseq, headers=headers, body=body)

    def _do(self, request: Request) -> tuple[int, dict[str, str], str]:
        session = {"Session": f"{self._id};timeout={_IDLE_SECONDS}"}
        if request.method == "DESCRIBE":
            spec, encoder = self._stream.spec, self._stream.encoder
            body = describe(title=spec.title, sps=encoder.sps, pps=encoder.pps, fps=spec.fps)
            base = request.url.rstrip("/") + "/"
            return 200, {"Content-Type": "application/sdp", "Content-Base": base}, body
        if request.method == "SETUP":
            return self._setup(request, session)
        if request.method not in ("PLAY", "GET_PARAMETER", "TEARDOWN"):
            return 405, {"Allow": _METHODS}, ""
        if request.headers.get("session", self._id).partition(";")[0].strip() != self._id:
            return 454, {}, ""
        if request.method == "GET_PARAMETER":
            return 200, session, ""
        if self._channel is None:
            return 455, {"Allow": "SETUP"}, ""
        if request.method == "TEARDOWN":
            self.ended = True
            self.leave(goodbye=True)
            return 200, {}, ""
        self._starting = self._viewer is None
        return 200, {**session, "Range": "npt=now-"}, ""

    def _setup(self, request: Request, session: dict[str, str]) -> tuple[int, dict[str, str], str]:
        if self._viewer is not None:
            return 455, {"Allow": "PLAY, TEARDOWN"}, ""
        for offer in request.headers.get("transport", "").split(","):
            parts = [part.strip() for part in offer.split(";")]
            if parts[0].upper() != "RTP/AVP/TCP" or "multicast" in parts:
                continue
            channels = re.search(r"interleaved=(\d{1,3})-(\d{1,3})", offer)
            first = int(channels[1]) if channels else 0
            if first > 254 or not request.url.rstrip("/").endswith(TRACK):
                continue
            self._channel = first
            chosen = f"RTP/AVP/TCP;unicast;interleaved={first}-{first + 1};ssrc={self._stream.packetiser.ssrc:08X}"
            return 200, {"Transport": chosen, **session}, ""
        return 461, {}, ""

    def after(self) -> None:
        """Begin to send only once the answer to PLAY is on its way."""
        if self._starting and self._channel is not None:
            self._starting = False
            self._viewer = Viewer(transport=self._writer.transport, channel=self._channel)
            self._stream.join(self._viewer)

    def leave(self, *, goodbye: bool = False) -> None:
        if self._viewer is not None:
            self._stream.leave(self._viewer)
            if goodbye:
                self._writer.write(interleaved(self._viewer.channel + 1, [self._stream.packetiser.goodbye()]))
            self._viewer = None
