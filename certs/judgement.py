"""Our own certificate, judged as a peer would judge it, with a sentence for each fault it can have."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from certs.chain import purposes, signed
from certs.errors import CertificateExpired, CertificateNotYetValid, KeystoreError, WrongChain, WrongPurpose
from certs.keystore import Material
from certs.parts import shown

Role = Literal["client", "server"]

_PURPOSES: dict[Role, ObjectIdentifier] = {
    "client": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
}


def check_own(material: Material, *, role: Role, now: datetime | None = None) -> x509.Certificate:
    """Our own leaf, after everything a peer would refuse it for has been looked at. Raises as `client_context`."""
    moment = now or datetime.now(UTC)
    key = _private_key(material)
    (leaf, *rest), roots = _certificates(material.chain), _certificates(material.trust)
    if _certificates(material.cert)[0] != leaf:
        raise WrongChain(f"{material.chain} does not begin with the certificate in {material.cert}; install again")
    if key.public_key() != leaf.public_key():
        raise WrongChain(f"{material.key} does not belong to {material.cert}; install the identity again")
    for certificate in (leaf, *rest):
        _check_time(certificate, what=_what(certificate, leaf, material), moment=moment)
    below = leaf
    for above in rest:
        if not signed(below, above):
            raise WrongChain(f"{material.chain}: a certificate is not signed by the one after it; install again")
        below = above
    anchors = [root for root in roots if signed(below, root)]
    if not anchors:
        raise WrongChain(
            f"{material.chain} does not lead to the root in {material.trust}: certificate and trust come from "
            "different CAs; install an identity of the CA that the other end trusts"
        )
    for anchor in anchors[:1]:
        _check_time(anchor, what=f"the root in {material.trust}", moment=moment)
    if _PURPOSES[role] not in purposes(leaf):
        needed = "gateway (TLS client)" if role == "client" else "relay (TLS server)"
        raise WrongPurpose(
            f"{material.cert} was not issued for a {needed}; issue one with: nightporter certs issue "
            f"{'gateway' if role == 'client' else 'relay'}"
        )
    return leaf


def _what(certificate: x509.Certificate, leaf: x509.Certificate, material: Material) -> str:
    return f"our certificate {material.cert}" if certificate is leaf else f"the issuing CA in {material.chain}"


def _check_time(certificate: x509.Certificate, *, what: str, moment: datetime) -> None:
    if moment >= certificate.not_valid_after_utc:
        raise CertificateExpired(
            f"{what} expired at {shown(certificate.not_valid_after_utc)} and now is {shown(moment)}; renew it, or set "
            "this machine's clock if that is wrong"
        )
    if moment < certificate.not_valid_before_utc:
        raise CertificateNotYetValid(
            f"{what} is valid from {shown(certificate.not_valid_before_utc)} and now is {shown(moment)}; this "
            "machine's clock is probably wrong"
        )


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except ValueError:
        raise KeystoreError(f"{path} is not a certificate in PEM form; install the identity again") from None


def _private_key(material: Material) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(material.key.read_bytes(), password=None)
    except (ValueError, TypeError):
        raise KeystoreError(f"{material.key} is not an unencrypted private key in PEM form; install again") from None
