"""Who a gateway is: one SPIFFE URI in its certificate, `spiffe://<trust-domain>/t/<tenant>/s/<site>/g/<id>`.

Only the URI in the subject alternative name counts. Common names, DNS names and e-mail addresses are never read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from certs.errors import IdentityError

# Lower case only: `Lobby` and `lobby` must not be two gateways, nor two directories on one disk and one on another.
_WORD = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
_URI = re.compile(r"spiffe://([^/]*)/t/([^/]*)/s/([^/]*)/g/([^/]*)")
_SHOWN = 200


def checked_word(what: str, value: str) -> str:
    """`value` if it may stand in an identity; raises IdentityError that says what is allowed."""
    if not _WORD.fullmatch(value) or ".." in value:
        raise IdentityError(
            f"{what} {value[:_SHOWN]!r} cannot stand in an identity: write 1 to 63 of a-z, 0-9, '-', '_', '.', "
            "beginning and ending with a letter or digit, without '..'"
        )
    return value


def checked_trust_domain(value: str) -> str:
    """`value` if it may be a trust domain: dotted words such as `np.example`; raises IdentityError."""
    if len(value) > 253:
        raise IdentityError(f"the trust domain is {len(value)} characters long; at most 253 are allowed")
    for word in value.split("."):
        checked_word("trust domain", word)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """One gateway. Every part is checked when it is made; raises IdentityError."""

    trust_domain: str
    tenant: str
    site: str
    gateway: str

    def __post_init__(self) -> None:
        checked_trust_domain(self.trust_domain)
        checked_word("tenant", self.tenant)
        checked_word("site", self.site)
        checked_word("gateway id", self.gateway)

    @property
    def uri(self) -> str:
        return f"spiffe://{self.trust_domain}/t/{self.tenant}/s/{self.site}/g/{self.gateway}"


def from_uri(uri: str) -> Identity:
    """The identity that a SPIFFE URI names. Raises IdentityError."""
    match = _URI.fullmatch(uri)
    if match is None:
        raise IdentityError(
            f"{uri[:_SHOWN]!r} names no gateway; expected spiffe://<trust-domain>/t/<tenant>/s/<site>/g/<id>"
        )
    trust_domain, tenant, site, gateway = match.groups()
    return Identity(trust_domain=trust_domain, tenant=tenant, site=site, gateway=gateway)


def from_der(der: bytes, *, trust_domain: str | None = None) -> Identity:
    """The identity in a peer's certificate, as `getpeercert(binary_form=True)` returns it.

    The handshake has already verified the chain; this only reads. With `trust_domain` any other one is refused.
    Raises IdentityError: no certificate, not a certificate, no SAN, no URI, two URIs, a URI of another shape.
    """
    from cryptography import x509

    if not der:
        raise IdentityError("the peer showed no certificate")
    try:
        certificate = x509.load_der_x509_certificate(der)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise IdentityError("the certificate has no subject alternative name, so it names no gateway") from None
    except ValueError:
        # Covers malformed DER, duplicate extensions and names that do not decode; their bytes are not repeated.
        raise IdentityError("the peer's certificate cannot be read") from None
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    if len(uris) != 1:
        count = "no URI" if not uris else f"{len(uris)} URIs"
        raise IdentityError(f"the certificate carries {count}; a gateway's carries exactly one")
    identity = from_uri(uris[0])
    if trust_domain is not None and identity.trust_domain != trust_domain:
        raise IdentityError(
            f"the gateway belongs to trust domain {identity.trust_domain!r}; this end only accepts {trust_domain!r}"
        )
    return identity
