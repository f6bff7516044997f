"""The duty desk: a receiver of signed webhooks (Standard Webhooks), which believes nothing it cannot verify."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from hwlab.instant import boot_now, wall_now
from hwlab.journal import Journal

_TOLERANCE = 300  # seconds, as the specification asks
_MAX_BODY = 1_000_000


class Desk:
    """Serves until cancelled; `told` gets (boot µs, message) of every verified one, `refused` counts the others. With a
    `journal` each is written there before it is accepted, for the checker."""

    def __init__(
        self,
        *,
        port: int,
        secret: str,
        told: Callable[[int, dict[str, Any]], None] = lambda _at, _message: None,
        journal: Journal | None = None,
    ) -> None:
        self._port = port
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._told = told
        self._journal = journal
        self.refused = 0

    async def run(self) -> None:
        """Serve on the loopback interface."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                fields = {
                    name.strip().lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:] if line)
                }
                body = await reader.readexactly(min(int(fields.get("content-length", 0)), _MAX_BODY))
            good = self._verify(fields, body)
            if good:
                message = json.loads(body)
                self._take_down(fields["webhook-id"], message)
                self._told(boot_now(), message)
            else:
                self.refused += 1
            status = "204 No Content" if good else "401 Unauthorized"
            writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError, OSError):
            self.refused += 1
        finally:
            writer.close()

    def _take_down(self, identity: str, message: dict[str, Any]) -> None:
        if self._journal is not None:
            data = message["data"]
            news = [[one["incident"], one["possibly_repeated"]] for one in data.get("incidents", [data])]
            self._journal.add("desk", "told", message=identity, type=message["type"], news=news)

    def _verify(self, fields: dict[str, str], body: bytes) -> bool:
        identity, moment = fields.get("webhook-id", ""), fields.get("webhook-timestamp", "")
        if not identity or not moment.isdigit() or abs(int(moment) - wall_now() // 1_000_000) > _TOLERANCE:
            return False
        signed = f"{identity}.{moment}.".encode() + body
        expected = "v1," + base64.b64encode(hmac.new(self._key, signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(expected, given) for given in fields.get("webhook-signature", "").split())
