"""Where a relay is, and what we show it: a URL with our identity, or a Unix socket."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from agent.errors import OutletError

# Anything does where the socket decides: HTTP wants a host.
_SOCKET_HOST = "relay"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One relay: `url` (https://host:port) with the directory of our `identity`, or `socket`. `meter` is told how many
    bytes each request and its answer had; `unsure_since` gives the wall time (µs) that has certainly passed while
    nothing keeps our clock right."""

    name: str
    url: str | None = None
    identity: Path | None = None
    socket: Path | None = None
    meter: Callable[[int], None] | None = field(default=None, compare=False)
    unsure_since: Callable[[], int | None] = field(default=lambda: None, compare=False)

    def __post_init__(self) -> None:
        if (self.url is None) == (self.socket is None) or (self.url is None) != (self.identity is None):
            raise ValueError(f"outlet {self.name}: give url and identity, or socket")
        if self.url is not None and not self.url.startswith("https://"):
            raise ValueError(f"outlet {self.name}: the url begins with https://")

    @classmethod
    def of(
        cls,
        *,
        name: str,
        url: str | None,
        identity: Path | None,
        socket: Path | None,
        meter: Callable[[int], None] | None = None,
        unsure_since: Callable[[], int | None] = lambda: None,
    ) -> Self:
        """From the four values of the configuration."""
        url = url.rstrip("/") if url else None
        return cls(
            name=name, url=url, identity=identity, socket=socket, meter=meter, unsure_since=unsure_since
        )

    @property
    def http(self) -> str:
        """The base address for HTTP."""
        return self.url if self.url is not None else f"http://{_SOCKET_HOST}"

    @property
    def websocket(self) -> str:
        """The base address for WebSockets."""
        return f"wss://{self.url.removeprefix('https://')}" if self.url is not None else f"ws://{_SOCKET_HOST}"

    @property
    def where(self) -> str:
        """As a person reads it."""
        return self.url if self.url is not None else str(self.socket)

    async def context(self) -> ssl.SSLContext | None:
        """TLS as our identity is now (it may have been renewed); None for a socket. OutletError when our own
        certificate cannot be used: the other side would only break the connection."""
        if self.identity is None:
            return None
        # Reading and checking certificates takes milliseconds that an alarm should not wait for.
        return await asyncio.to_thread(_context, self.name, self.identity, self.unsure_since())

    async def doubt(self) -> str | None:
        """What is wrong with our own certificate by a clock that nothing keeps right: it is shown all the same, and the
        relay, whose clock is right, only breaks the connection. None when nothing is, or the clock is kept."""
        if self.identity is None or self.unsure_since() is None:
            return None
        return await asyncio.to_thread(_doubt, self.identity)


def _doubt(identity: Path) -> str | None:
    from certs import judgement, keystore
    from certs.errors import CertsError

    try:
        judgement.check_own(keystore.current(identity), role="client")
    except (CertsError, OSError) as error:
        return str(error)
    return None


def _context(name: str, identity: Path, unsure_since: int | None) -> ssl.SSLContext:
    from certs.errors import CertsError
    from certs.tls import client_context

    try:
        since = None if unsure_since is None else datetime.fromtimestamp(unsure_since / 1e6, UTC)
        return client_context(identity, unsure_since=since)
    except CertsError as error:
        raise OutletError(str(error)) from error
    except OSError as error:
        raise OutletError(f"outlet {name}: the identity in {identity} cannot be read: {error.strerror}") from error
