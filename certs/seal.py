"""A signature that travels with a file: the holder's certificates and ECDSA over SHA-256 with the key they name.

For what is carried by hand, where no handshake can say who made it. What a seal is made for is signed with it, so the
seal of one kind of file is none for another.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ObjectIdentifier

from certs import chain, identity, judgement, keystore
from certs.errors import IdentityError, KeystoreError, UntrustedSeal
from certs.identity import Identity

_MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The signer's chain in PEM, leaf first, and the signature."""

    chain: bytes
    signature: bytes

    def text(self) -> str:
        """As one line of JSON."""
        return json.dumps({"chain": self.chain.decode("ascii"), "signature": base64.b64encode(self.signature).decode()})

    @classmethod
    def parse(cls, data: bytes) -> Seal:
        """UntrustedSeal when it is none."""
        try:
            if len(data) > _MOST_BYTES:
                raise ValueError
            read = json.loads(data)
            return cls(
                chain=read["chain"].encode("ascii"), signature=base64.b64decode(read["signature"], validate=True)
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise UntrustedSeal("its signature cannot be read") from None


def seal(directory: Path, data: bytes, *, made_for: str, role: judgement.Role) -> Seal:
    """Sign `data` with the identity in `directory`. Raises as `certs.judgement.check_own` when that cannot be used."""
    material = keystore.current(directory)
    judgement.check_own(material, role=role)
    key = serialization.load_pem_private_key(material.key.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeystoreError(f"{material.key} is no elliptic-curve key; install the identity again")
    signature = key.sign(_spoken(data, made_for), ec.ECDSA(hashes.SHA256()))
    return Seal(chain=material.chain.read_bytes(), signature=signature)


def sealed_by_gateway(found: Seal, data: bytes, *, made_for: str, roots: bytes, at: datetime) -> Identity:
    """Which gateway sealed `data`; `at` is when it says it did. UntrustedSeal says why it is not believed."""
    leaf = _verified(found, data, made_for=made_for, roots=roots, at=at, purpose=ExtendedKeyUsageOID.CLIENT_AUTH)
    try:
        return identity.from_der(leaf.public_bytes(serialization.Encoding.DER), trust_domain=_trust_domain(roots))
    except IdentityError as error:
        raise UntrustedSeal(str(error)) from None


def sealed_by_relay(found: Seal, data: bytes, *, made_for: str, name: str, roots: bytes, at: datetime) -> None:
    """Whether the relay called `name` sealed `data`. UntrustedSeal says why it is not believed."""
    leaf = _verified(found, data, made_for=made_for, roots=roots, at=at, purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise UntrustedSeal("it was signed by somebody without a name") from None
    hosts = [*names.get_values_for_type(x509.DNSName)]
    hosts += [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    if name not in hosts:
        raise UntrustedSeal(f"it was signed by {', '.join(hosts) or 'somebody without a name'}, not by {name}")


def _spoken(data: bytes, made_for: str) -> bytes:
    return f"nightporter/1|{made_for}|".encode() + data


def _verified(
    found: Seal, data: bytes, *, made_for: str, roots: bytes, at: datetime, purpose: ObjectIdentifier
) -> x509.Certificate:
    try:
        shown = x509.load_pem_x509_certificates(found.chain)
    except ValueError:
        raise UntrustedSeal("its certificates cannot be read") from None
    leaf = chain.verify(shown, roots=x509.load_pem_x509_certificates(roots), purpose=purpose, at=at)
    key = leaf.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UntrustedSeal("it was signed with a kind of key that is not used here")
    try:
        key.verify(found.signature, _spoken(data, made_for), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise UntrustedSeal("it was changed after it was signed") from None
    return leaf


def _trust_domain(roots: bytes) -> str | None:
    """What the root says it is for: an issuing CA of ours signs for nobody else."""
    for root in x509.load_pem_x509_certificates(roots):
        try:
            names = root.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            continue
        for uri in names.get_values_for_type(x509.UniformResourceIdentifier):
            if uri.startswith("spiffe://"):
                return uri.removeprefix("spiffe://")
    return None
