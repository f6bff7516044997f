"""What each kind of certificate may do, and for how long. Every certificate we sign is made from one of these."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from certs.errors import AuthorityError
from certs.identity import Identity

ROOT_LIFETIME = timedelta(days=15 * 365)
ISSUING_LIFETIME = timedelta(days=2 * 365)
GATEWAY_LIFETIME = timedelta(days=7)
RELAY_LIFETIME = timedelta(days=90)
# A gateway whose clock runs a little behind the signer's must be able to use a fresh certificate at once.
BACKDATED = timedelta(minutes=5)

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

Kind = Literal["gateway", "relay"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One leaf certificate to be: its kind, its names, the one thing it may do and how long it lives."""

    kind: Kind
    names: tuple[x509.GeneralName, ...]
    purpose: ObjectIdentifier
    lifetime: timedelta

    @property
    def shown_names(self) -> tuple[str, ...]:
        return tuple(str(name.value) for name in self.names)


def gateway(identity: Identity, *, lifetime: timedelta = GATEWAY_LIFETIME) -> Profile:
    """A gateway: TLS client only, named by its SPIFFE URI alone."""
    return Profile(
        kind="gateway",
        names=(x509.UniformResourceIdentifier(identity.uri),),
        purpose=ExtendedKeyUsageOID.CLIENT_AUTH,
        lifetime=lifetime,
    )


def relay(names: tuple[str, ...], *, lifetime: timedelta = RELAY_LIFETIME) -> Profile:
    """A relay's gateway listener: TLS server only, named by the DNS names and addresses gateways dial.

    Raises AuthorityError on a name that is neither, or when there is none.
    """
    if not names:
        raise AuthorityError("a relay's certificate needs at least one name: the host name or address gateways dial")
    return Profile(
        kind="relay",
        names=tuple(_host(name) for name in dict.fromkeys(names)),
        purpose=ExtendedKeyUsageOID.SERVER_AUTH,
        lifetime=lifetime,
    )


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    labels = name.split(".")
    # A last label of digits only is a mistyped address: RFC 1123 hosts never end so.
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise AuthorityError(
            f"{name[:200]!r} is neither a host name nor an address; write for example relay.example or 192.0.2.7 "
            "(lower case, no wildcard, no port)"
        )
    return x509.DNSName(name)
