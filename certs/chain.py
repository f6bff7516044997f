"""Certificates in a row: who signed whom, and what each may do. For those who were shown one outside a handshake."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ObjectIdentifier

from certs.errors import UntrustedSeal
from certs.parts import shown

_LONGEST = 4  # certificates of one chain: leaf, issuing CA, and room for a cross-signed one


def signed(below: x509.Certificate, above: x509.Certificate) -> bool:
    """Whether `above` signed `below` and is named by it."""
    try:
        below.verify_directly_issued_by(above)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def purposes(certificate: x509.Certificate) -> x509.ExtendedKeyUsage | tuple[()]:
    """What a leaf may be used for."""
    try:
        return certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ()


def verify(
    shown_chain: list[x509.Certificate], *, roots: list[x509.Certificate], purpose: ObjectIdentifier, at: datetime
) -> x509.Certificate:
    """The leaf of a chain that somebody else shows, after everything TLS would refuse it for was looked at as of `at`
    (RFC 5280 section 6, for chains as our CA makes them). UntrustedSeal says what is wrong."""
    if not shown_chain or len(shown_chain) > _LONGEST:
        raise UntrustedSeal(f"it comes with {len(shown_chain)} certificates; a leaf and its issuing CA are expected")
    (leaf, *above) = shown_chain
    for certificate in shown_chain:
        if not certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc:
            raise UntrustedSeal(
                f"a certificate of it was not valid when it was made, at {shown(at)}: it is valid from "
                f"{shown(certificate.not_valid_before_utc)} to {shown(certificate.not_valid_after_utc)}"
            )
    for depth, certificate in enumerate(above):
        _may_sign(certificate, below=depth)
    below = leaf
    for certificate in above:
        if not signed(below, certificate):
            raise UntrustedSeal("its certificates do not follow from each other")
        below = certificate
    anchors = [root for root in roots if signed(below, root)]
    if not anchors:
        raise UntrustedSeal("its certificates come from another CA than the one trusted here")
    if not any(root.not_valid_before_utc <= at < root.not_valid_after_utc for root in anchors):
        raise UntrustedSeal("the root it leads to was not valid when it was made")
    if purpose not in purposes(leaf):
        raise UntrustedSeal("it was signed with a certificate that is for something else")
    return leaf


def _may_sign(certificate: x509.Certificate, *, below: int) -> None:
    """A CA, allowed to sign certificates, with room for as many CAs as stand below it."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        raise UntrustedSeal("a certificate that is no CA's stands where a CA's must be") from None
    room = constraints.path_length
    if not constraints.ca or not usage.key_cert_sign or (room is not None and room < below):
        raise UntrustedSeal("a certificate that may not sign others stands where a CA's must be")
