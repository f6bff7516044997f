"""The door of the gateways' listener: no request reaches an endpoint without a gateway that may speak here."""

from __future__ import annotations

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
from relay.store.database import Database

log = structlog.get_logger(__name__)

REMEMBER = 3_000_000  # µs that an admission stands without looking again


class CertificateEnded(RelayError):
    """The certificate of an open connection is past its end."""


REFUSALS = (Unidentified, gateways.Locked, gateways.OtherTenant, CertificateEnded)


class Gate:
    """Who may speak: `admit` looks, and looks again for streams that stay open (a locked gateway is out within five
    seconds); `guard` puts it before an application."""

    def __init__(self, *, db: Database, metrics: Metrics, clock: Clock) -> None:
        self._db = db
        self._metrics = metrics
        self._clock = clock
        self._admitted: dict[Peer, int] = {}  # one entry per gateway and certificate; forgotten below

    async def admit(self, peer: Peer) -> None:
        """Raises Locked, OtherTenant or CertificateEnded."""
        if peer.until is not None and self._clock.wall() >= peer.until:
            raise CertificateEnded(f"the certificate of gateway {peer.gateway} has ended; renew it")
        now = self._clock.boot()
        if now - self._admitted.get(peer, -REMEMBER) < REMEMBER:
            return
        async with self._db.read() as connection:
            found = await gateways.find(connection, peer.gateway)
        if found is not None:
            gateways.admit(found, peer)
        self._admitted = {known: at for known, at in self._admitted.items() if now - at < REMEMBER}
        self._admitted[peer] = now

    def _note(self, error: Exception) -> str:
        reason = type(error).__name__.lower()
        self._metrics.refused.labels(reason).inc()
        log.warning("gateway.refused", reason=reason, detail=str(error))
        return reason

    def refuse(self, error: Exception) -> Response:
        """The answer to one of REFUSALS."""
        return problem(403, self._note(error), str(error))

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
                return
            await app(scope, receive, send)

        return guarded
