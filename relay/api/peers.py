"""Which gateway a connection belongs to, found once per connection: the only module here that looks at certificates
and socket credentials."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

import structlog
from cryptography import x509
from starlette.requests import HTTPConnection

from certs import identity, judgement, keystore, refusal, tls
from certs.errors import CertsError, IdentityError
from relay.config import SocketGateways, TcpGateways
from relay.errors import ConfigError, RelayError
from relay.peer import Peer

log = structlog.get_logger(__name__)

EXTENSION = "nightporter.peer"


class Unidentified(RelayError):
    """The connection does not say which gateway it is."""


# Who is at the other end of a connection; raises Unidentified with a sentence.
Identify = Callable[[asyncio.BaseTransport], Peer]


def by_certificate(listener: TcpGateways) -> Identify:
    """Identity from the peer's certificate, which the handshake has verified."""

    def identify(transport: asyncio.BaseTransport) -> Peer:
        session: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        der = session.getpeercert(binary_form=True) if session is not None else None
        try:
            found = identity.from_der(der or b"", trust_domain=listener.trust_domain)
        except IdentityError as error:
            raise Unidentified(str(error)) from None
        end = x509.load_der_x509_certificate(der or b"").not_valid_after_utc
        return Peer(tenant=found.tenant, site=found.site, gateway=found.gateway, until=int(end.timestamp() * 1_000_000))

    return identify


def by_uid(listener: SocketGateways) -> Identify:
    """Identity from the uid of the process at the other end of a Unix socket, which the kernel vouches for."""
    peer = Peer(tenant=listener.gateway.tenant, site=listener.gateway.site, gateway=listener.gateway.id)

    def identify(transport: asyncio.BaseTransport) -> Peer:
        end: socket.socket = transport.get_extra_info("socket")
        credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        uid = struct.unpack("3i", credentials)[1]
        if uid not in listener.uid:
            raise Unidentified(f"uid {uid} may not speak for gateway {peer.gateway} here")
        return peer

    return identify


def tls_context(listener: TcpGateways, *, on_refusal: Callable[[str, str], None]) -> ssl.SSLContext:
    """The TLS 1.3 context of a gateways' listener. `on_refusal` gets reason and sentence of each refused handshake.
    ConfigError says what is wrong with the relay's own identity."""

    def refused(found: refusal.Refusal) -> None:
        on_refusal(found.reason, found.sentence)

    try:
        return tls.server_context(listener.identity, on_refusal=refused)
    except CertsError as error:
        raise ConfigError(str(error)) from None


def reload(context: ssl.SSLContext, directory: Path) -> None:
    """Show the newest certificate from the next handshake on. ConfigError leaves the old one in place."""
    try:
        material = keystore.current(directory)
        judgement.check_own(material, role="server")
        context.load_cert_chain(certfile=material.chain, keyfile=material.key)
    except CertsError as error:
        raise ConfigError(str(error)) from None


def peer_of(connection: HTTPConnection) -> Peer:
    """The gateway of this request. Unidentified when the connection has none."""
    found = connection.scope.get("extensions", {}).get(EXTENSION)
    if isinstance(found, Peer):
        return found
    raise Unidentified(str(found or "this connection identifies no gateway"))
