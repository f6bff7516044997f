"""The door of the gateways' listener: no request reaches an endpoint without a gateway that may speak here."""

from __future__ import annotations

import asyncio

import structlog
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from relay.api.peers import Unidentified, peer_of
from relay.api.problem import problem
from relay.clock import Clock
from relay.errors import RelayError
from relay.metrics import Metrics
from relay.peer import Peer
from relay.store import gateways
from relay.store.database import FAILURES, Database
from relay.store.gateways import Gateway

log = structlog.get_logger(__name__)

REMEMBER = 1_000_000  # µs that what we know of the gateways stands without looking again


_NOT_NOW = "the relay cannot look at its database at the moment"


class CertificateEnded(RelayError):
    """The certificate of an open connection is past its end."""


REFUSALS = (Unidentified, gateways.Locked, gateways.OtherTenant, CertificateEnded)


class Gate:
    """Who may speak: `admit` looks, and looks again for streams that stay open (a locked gateway is out within five
    seconds); `guard` puts it before an application. All gateways are looked up together, by one query a second however
    many of them come: a fleet that comes back would otherwise keep every reader busy with this."""

    def __init__(self, *, db: Database, metrics: Metrics, clock: Clock) -> None:
        self._db = db
        self._metrics = metrics
        self._clock = clock
        self._known: dict[str, Gateway] = {}
        self._looked: int | None = None
        self._looking = asyncio.Lock()

    async def admit(self, peer: Peer) -> None:
        """Raises Locked, OtherTenant or CertificateEnded."""
        if peer.until is not None and self._clock.wall() >= peer.until:
            raise CertificateEnded(f"the certificate of gateway {peer.gateway} has ended; renew it")
        await self._look()
        found = self._known.get(peer.gateway)
        if found is not None:
            gateways.admit(found, peer)

    async def _look(self) -> None:
        if self._fresh():
            return
        async with self._looking:
            if self._fresh():  # somebody has looked while we waited
                return
            began = self._clock.boot()
            async with self._db.read() as connection:
                self._known = await gateways.every(connection)
            self._looked = began

    def _fresh(self) -> bool:
        return self._looked is not None and self._clock.boot() - self._looked < REMEMBER

    def _note(self, error: Exception) -> str:
        reason = type(error).__name__.lower()
        self._metrics.refused.labels(reason).inc()
        log.warning("gateway.refused", reason=reason, detail=str(error))
        return reason

    def refuse(self, error: Exception) -> Response:
        """The answer to one of REFUSALS."""
        return problem(403, self._note(error), str(error))

    def not_now(self, error: Exception) -> Response:
        """The answer when the database fails, or everybody reads it at once: nothing is lost, come again."""
        log.error("gate.store_failed", reason=str(getattr(error, "orig", error)))
        return problem(503, "store-failed", _NOT_NOW, headers={"retry-after": "5"})

    def guard(self, app: ASGIApp) -> ASGIApp:
        """The application, reached only by gateways that are admitted."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await self.admit(peer_of(HTTPConnection(scope)))
            except REFUSALS as error:
                if scope["type"] == "websocket":
                    self._note(error)
                    await WebSocket(scope, receive, send).close(1008, str(error)[:120])
                else:
                    await self.refuse(error)(scope, receive, send)
            except FAILURES as error:
                answer = self.not_now(error)
                if scope["type"] == "websocket":
                    await WebSocket(scope, receive, send).close(1013, _NOT_NOW)
                else:
                    await answer(scope, receive, send)
            else:
                await app(scope, receive, send)

        return guarded
