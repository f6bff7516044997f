"""Mutual TLS 1.3 from an identity directory: `client_context` for the agent, `server_context` for the relay.

Both judge their own certificate first: with TLS 1.3 a peer that refuses it looks like a broken connection, so the
plain sentence has to be found at home. Session tickets are off: a resumed session would walk past a revocation.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from certs import keystore
from certs.errors import KeystoreError
from certs.keystore import Material
from certs.refusal import Refusal, expiry_class, reporting_class
from certs.rehearsal import NO_CHECK_TIME, accepted, shown

if TYPE_CHECKING:
    from certs.judgement import Role


def client_context(
    directory: Path, *, now: datetime | None = None, unsure_since: datetime | None = None
) -> ssl.SSLContext:
    """What a gateway dials with. The relay's host name or address is checked against its certificate by the caller's
    `server_hostname`. `unsure_since`: nothing keeps this machine's clock right; it is certainly later than this. Then a
    certificate counts that had not expired by that moment: the relay, whose clock is right, judges ours, and a gateway
    with a dead clock battery still reaches the one who can tell it so.

    Raises CertificateExpired, CertificateNotYetValid, WrongChain, WrongPurpose, KeystoreError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = True
    context.hostname_checks_common_name = False
    _equip(context, keystore.current(directory), role="client", now=now, unsure_since=unsure_since)
    if unsure_since is not None:
        context.verify_flags |= NO_CHECK_TIME
        context.sslobject_class = expiry_class(unsure_since.timestamp())
    return context


def server_context(
    directory: Path, *, on_refusal: Callable[[Refusal], None] | None = None, now: datetime | None = None
) -> ssl.SSLContext:
    """What a relay listens with: a peer without a gateway's certificate does not get past the handshake.

    `on_refusal` is called inside the event loop with the reason of each refused handshake; it must not block or raise.
    Raises as `client_context`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0
    if on_refusal is not None:
        context.sslobject_class = reporting_class(on_refusal)
    _equip(context, keystore.current(directory), role="server", now=now)
    return context


def _equip(
    context: ssl.SSLContext,
    material: Material,
    *,
    role: Role,
    now: datetime | None,
    unsure_since: datetime | None = None,
) -> None:
    if unsure_since is None or not _certainly(material, unsure_since):
        _judge(material, role=role, now=now or unsure_since)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    try:
        context.load_verify_locations(cafile=material.trust)
        context.load_cert_chain(certfile=material.chain, keyfile=material.key)
    except (ssl.SSLError, OSError) as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise KeystoreError(f"{material.chain.parent} cannot be loaded ({reason}); install it again") from None


def _judge(material: Material, *, role: Role, now: datetime | None) -> None:
    """A gateway rehearses the handshake first: the sentences need `cryptography`, which is 10 MB of a small box's
    memory, and are wanted only when something is wrong."""
    if role == "client" and now is None and accepted(material):
        return
    from certs.judgement import check_own

    check_own(material, role=role, now=now)


def _certainly(material: Material, since: datetime) -> bool:
    """Whether nothing is wrong with our certificate but perhaps the time, and it had not expired at `since`."""
    certificate = shown(material) or {}
    ends = certificate.get("notAfter")
    return isinstance(ends, str) and ssl.cert_time_to_seconds(ends) > since.timestamp()
