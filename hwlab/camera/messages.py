"""RTSP messages (RFC 2326) as text, and the description of a stream (SDP, RFC 4566)."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from urllib.parse import urlsplit

from hwlab.camera.rtp import PAYLOAD_TYPE

REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    505: "RTSP Version Not Supported",
}
_MAX_BODY = 65_536


class BadMessage(Exception):
    """The peer does not speak RTSP; the connection is closed after a 400."""


@dataclass(frozen=True, slots=True)
class Request:
    """Header names are lower case."""

    method: str
    url: str
    version: str
    headers: dict[str, str]

    @property
    def path(self) -> str:
        """The path without a leading slash and without the track."""
        return urlsplit(self.url).path.strip("/").removesuffix(f"/{TRACK}")


TRACK = "trackID=0"


async def read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request; interleaved data of the client (its RTCP) is passed over. None at the end of the stream."""
    while True:
        first = await reader.read(1)
        if not first:
            return None
        if first == b"$":
            header = await reader.readexactly(3)
            await reader.readexactly(int.from_bytes(header[1:]))
            continue
        if first in b"\r\n":
            continue
        try:
            text = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.LimitOverrunError, UnicodeDecodeError):
            raise BadMessage from None
        request = _parse(text)
        length = request.headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > _MAX_BODY:
            raise BadMessage
        await reader.readexactly(int(length))
        return request


def _parse(text: str) -> Request:
    start, *lines = text.rstrip("\r\n").split("\r\n")
    parts = start.split(" ")
    if len(parts) != 3 or not parts[2].startswith("RTSP/"):
        raise BadMessage
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise BadMessage
        headers[name.strip().lower()] = value.strip()
    return Request(parts[0], parts[1], parts[2], headers)


def response(status: int, *, cseq: str | None, headers: dict[str, str] | None = None, body: str = "") -> bytes:
    lines = [f"RTSP/1.0 {status} {REASONS[status]}"]
    if cseq is not None:
        lines.append(f"CSeq: {cseq}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def describe(*, title: str, sps: bytes, pps: bytes, fps: int) -> str:
    """The SDP of a live H.264 stream."""
    sets = ",".join(base64.b64encode(nal).decode() for nal in (sps, pps))
    lines = [
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        f"s={title}",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {PAYLOAD_TYPE}",
        f"a=rtpmap:{PAYLOAD_TYPE} H264/90000",
        f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={sps[1:4].hex()};sprop-parameter-sets={sets}",
        f"a=framerate:{fps}",
        f"a=control:{TRACK}",
    ]
    return "\r\n".join(lines) + "\r\n"
