"""The composition root: makes every part of a relay, starts them in order and stops them in reverse."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount
from starlette.types import ASGIApp

from relay import listeners, restored, sdnotify
from relay.api import blobs as blobs_api
from relay.api import channel as channel_api
from relay.api import health, peers
from relay.api import ingest as ingest_api
from relay.api import records as records_api
from relay.api.channel import Channel
from relay.api.gate import REFUSALS, Gate
from relay.blobs.directory import BlobDirectory
from relay.blobs.uploads import Uploads
from relay.bundles.intake import BundleIntake
from relay.bundles.mailbox import BundleMailbox
from relay.changes import Changes
from relay.clock import Clock, SystemClock
from relay.config import Config, Secrets, SocketGateways, TcpGateways
from relay.context import RelayContext
from relay.errors import ConfigError
from relay.housekeeping import Housekeeping
from relay.hub import Hub
from relay.incidents import Incidents
from relay.ingest import Ingest
from relay.metrics import Metrics
from relay.notify import webhook
from relay.notify.pipeline import Notifier
from relay.presence import Presence
from relay.store.database import FAILURES, Database
from relay.turns import AT_ONCE, AT_ONCE_ON_POSTGRESQL, Turns

log = structlog.get_logger(__name__)

Pages = Callable[[RelayContext], ASGIApp]


def console(context: RelayContext) -> ASGIApp:
    """The console's pages."""
    from relay.web import routes

    return routes.build(context)


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a listener really listens: `host` and `port`, or the path of a Unix socket in `host`."""

    what: str
    host: str
    port: int | None


class Relay:
    """One relay process. `run` returns after `stop` was called or a signal came."""

    def __init__(self, *, config: Config, secrets: Secrets, clock: Clock | None = None, pages: Pages = console) -> None:
        self._config = config
        self._secrets = secrets
        self._clock = clock or SystemClock()
        self._pages = pages
        self._stopping = asyncio.Event()
        self._contexts: list[tuple[TcpGateways, ssl.SSLContext]] = []
        identity = config.relay.id
        own_policy = config.notify.own_policy
        self.metrics = Metrics()
        self.changes = Changes()
        self.db = Database(url=config.database_url)
        self.hub = Hub(db=self.db, changes=self.changes, clock=self._clock)
        self.incidents = Incidents(relay=identity, db=self.db, changes=self.changes, hub=self.hub, clock=self._clock)
        self.blobs = BlobDirectory(
            root=config.blobs_directory, read_only=config.blobs.read_only, floor=config.blobs.floor
        )
        self.uploads = Uploads(directory=self.blobs)
        self.ingest = Ingest(
            relay=identity,
            own_policy=own_policy,
            db=self.db,
            incidents=self.incidents,
            changes=self.changes,
            clock=self._clock,
        )
        self.presence = Presence(
            relay=identity,
            own_policy=own_policy,
            db=self.db,
            incidents=self.incidents,
            changes=self.changes,
            metrics=self.metrics,
            clock=self._clock,
        )
        self.bundles = self._bundles()
        self.context = RelayContext(
            config=config,
            db=self.db,
            blobs=self.blobs,
            changes=self.changes,
            incidents=self.incidents,
            clock=self._clock,
            hub=self.hub,
        )

    def stop(self) -> None:
        self._stopping.set()

    async def run(self, *, ready: Callable[[list[Address]], Awaitable[None]] | None = None) -> None:
        """Open, listen, say that we are ready (`ready` gets the addresses), and work until stopped. StoreError,
        ConfigError and CannotListen are sentences for a person."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        sockets: list[socket.socket] = []
        await self.db.open()
        try:
            self._prepare_folders()
            servers, addresses = self._listen(sockets)
            async with webhook.client() as http:
                senders = {
                    channel.name: webhook.WebhookSender(config=channel, secrets=self._secrets, http=http)
                    for channels in self._config.notify.policies.values()
                    for channel in channels
                }
                notifier = self._notifier(senders)
                self.incidents.on_notice = notifier.wake
                keeper = Housekeeping(
                    db=self.db,
                    uploads=None if self._config.blobs.read_only else self.uploads,
                    changes=self.changes,
                    clock=self._clock,
                )
                async with asyncio.TaskGroup() as group:
                    serving = [
                        group.create_task(server.serve(sockets=[one]), name=f"serve-{address.what}")
                        for server, one, address in zip(servers, sockets, addresses, strict=True)
                    ]
                    working = [
                        group.create_task(notifier.run(), name="notify"),
                        group.create_task(self.presence.run(), name="presence"),
                        group.create_task(keeper.run(), name="housekeeping"),
                        group.create_task(self._watchdog(), name="watchdog"),
                        *([group.create_task(self.bundles.run(), name="bundles")] if self.bundles else []),
                    ]
                    for server in servers:
                        await server.serving.wait()
                    for address in addresses:
                        log.info("listening", what=address.what, host=address.host, port=address.port)
                    if ready is not None:
                        await ready(addresses)
                    sdnotify.notify("READY=1")
                    await self._stopping.wait()
                    log.info("stopping")
                    sdnotify.notify("STOPPING=1")
                    self.changes.close()  # ends the open feeds, which no server could wait for
                    for server in servers:
                        server.should_exit = True
                    await asyncio.wait(serving)
                    for task in working:
                        task.cancel()
        finally:
            for one in sockets:
                one.close()
            self._unlink_sockets()
            await self.db.close()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def _prepare_folders(self) -> None:
        try:
            self._config.data.mkdir(parents=True, exist_ok=True, mode=0o750)
            self.blobs.prepare()
            if self.bundles is not None:
                self.bundles.prepare()
        except OSError as error:
            raise ConfigError(f"{error.filename}: the folder cannot be made: {error.strerror}") from None

    def _bundles(self) -> BundleMailbox | None:
        """For a relay that gateways reach from outside: one on the box has its gateway beside it."""
        over_tls = [each for each in self._config.listeners.gateways if isinstance(each, TcpGateways)]
        if not over_tls or self._config.blobs.read_only:
            return None
        intake = BundleIntake(
            relay=self._config.relay.id,
            identity=over_tls[0].identity,
            keys=self._config.data,
            db=self.db,
            ingest=self.ingest,
            blobs=self.blobs,
            clock=self._clock,
        )
        return BundleMailbox(data=self._config.data, intake=intake)

    def _notifier(self, senders: dict[str, webhook.WebhookSender]) -> Notifier:
        return Notifier(
            relay=self._config.relay.id,
            name=self._config.relay.name,
            keeps=self._config.blobs.keeps,
            public_url=self._config.listeners.people.public_url,
            config=self._config.notify,
            senders=senders,
            db=self.db,
            incidents=self.incidents,
            metrics=self.metrics,
            clock=self._clock,
            chance=random.Random(),  # noqa: S311 - spreads retries, keeps no secret
            alone=self.db.is_sqlite,
            on_site=self._config.on_site,
            restored=restored.read(self.db.path),
        )

    def _listen(self, sockets: list[socket.socket]) -> tuple[list[listeners.Server], list[Address]]:
        """Bind every listener before anything is served: a taken port ends the start, not half of the relay."""
        servers: list[listeners.Server] = []
        addresses: list[Address] = []
        gateways = self._gateways_app()
        for listener in self._config.listeners.gateways:
            if isinstance(listener, SocketGateways):
                sockets.append(listeners.bind_unix(listener.socket))
                servers.append(listeners.server(app=gateways, identify=peers.by_uid(listener)))
                addresses.append(Address(what="gateways", host=str(listener.socket), port=None))
            else:
                context = peers.tls_context(listener, on_refusal=self._refused)
                self._contexts.append((listener, context))
                sockets.append(listeners.bind_tcp(listener.host, listener.port))
                servers.append(listeners.server(app=gateways, tls=context, identify=peers.by_certificate(listener)))
                port = sockets[-1].getsockname()[1]
                addresses.append(Address(what="gateways", host=listener.host, port=port))
        people = self._config.listeners.people
        sockets.append(listeners.bind_tcp(people.host, people.port))
        servers.append(listeners.server(app=self._people_app(), tls=self._people_tls()))
        addresses.append(Address(what="people", host=people.host, port=sockets[-1].getsockname()[1]))
        return servers, addresses

    def _gateways_app(self) -> ASGIApp:
        gate = Gate(db=self.db, metrics=self.metrics, clock=self._clock)
        channel = Channel(
            relay=self._config.relay.id,
            db=self.db,
            hub=self.hub,
            ingest=self.ingest,
            presence=self.presence,
            changes=self.changes,
            clock=self._clock,
            gate=gate,
            restored=restored.read(self.db.path),
        )
        routes = [
            *records_api.routes(db=self.db),
            *ingest_api.routes(
                ingest=self.ingest,
                presence=self.presence,
                metrics=self.metrics,
                clock=self._clock,
                turns=Turns(at_once=AT_ONCE if self.db.is_sqlite else AT_ONCE_ON_POSTGRESQL),
            ),
            *blobs_api.routes(
                directory=self.blobs,
                uploads=self.uploads,
                db=self.db,
                changes=self.changes,
                metrics=self.metrics,
                largest=self._config.blobs.largest,
            ),
            *channel_api.routes(channel),
        ]

        async def refused(_: Request, error: Exception) -> Response:
            """What the store refused although the gate, which looks every few seconds, had let it in."""
            return gate.refuse(error)

        async def failed(_: Request, error: Exception) -> Response:
            return gate.not_now(error)

        handlers: dict[Any, Any] = dict.fromkeys(REFUSALS, refused) | dict.fromkeys(FAILURES, failed)
        return gate.guard(Starlette(routes=routes, exception_handlers=handlers))

    def _people_app(self) -> ASGIApp:
        token = self._config.listeners.people.metrics_token
        return Starlette(
            routes=[
                *health.routes(
                    db=self.db,
                    hub=self.hub,
                    changes=self.changes,
                    metrics=self.metrics,
                    token=self._secrets.get(token.secret) if token else None,
                    media=None if self._config.blobs.read_only else self._config.blobs_directory,
                    floor=self._config.blobs.floor,
                ),
                Mount("/", self._pages(self.context)),
            ]
        )

    def _people_tls(self) -> ssl.SSLContext | None:
        files = self._config.listeners.people.tls
        if files is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certfile=files.certificate, keyfile=files.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"{files.certificate}: the certificate for people cannot be used: {error}") from None
        return context

    def _refused(self, reason: str, sentence: str) -> None:
        self.metrics.refused.labels(reason).inc()
        log.warning("gateway.handshake_refused", reason=reason, detail=sentence)

    def _reload(self) -> None:
        """SIGHUP: show renewed certificates from the next handshake on."""
        for listener, context in self._contexts:
            try:
                peers.reload(context, listener.identity)
            except ConfigError as error:
                log.error("reload.failed", reason=str(error))
            else:
                log.info("reload.done", identity=str(listener.identity))

    async def _watchdog(self) -> None:
        """Tell systemd that we are alive, as often as it wants, and only while the database answers."""
        every = sdnotify.watchdog_seconds()
        if every is None:
            return
        while True:
            async with self.db.read():
                sdnotify.notify("WATCHDOG=1")
            await asyncio.sleep(every)

    def _unlink_sockets(self) -> None:
        for listener in self._config.listeners.gateways:
            if isinstance(listener, SocketGateways):
                listener.socket.unlink(missing_ok=True)
