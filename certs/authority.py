"""Signing: an opened CA directory that issues by profile and records every certificate before handing it out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from certs import index
from certs.errors import AuthorityError
from certs.identity import checked_trust_domain
from certs.parts import authority_key_identifier, builder, key_usage, shown
from certs.profiles import BACKDATED, Profile

_STRONG_CURVES = ("secp256r1", "secp384r1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A signed certificate with all that its holder installs beside the key. PEM bytes; `chain` begins with `cert`."""

    certificate: x509.Certificate
    cert: bytes
    chain: bytes
    trust: bytes


class Authority:
    """An opened CA directory. Signs by profile and records each certificate before it hands it out."""

    def __init__(
        self,
        *,
        directory: Path,
        trust_domain: str,
        root: x509.Certificate,
        issuing: x509.Certificate,
        key: ec.EllipticCurvePrivateKey,
    ) -> None:
        self.directory = directory
        self.trust_domain = trust_domain
        self.root = root
        self.issuing = issuing
        self._key = key

    def issue(self, profile: Profile, public_key: CertificatePublicKeyTypes, *, now: datetime | None = None) -> Issued:
        """Signs one leaf. Its names, purpose and life come from the profile, never from a request.

        Raises AuthorityError: weak key, foreign trust domain, issuing CA not valid; KeystoreBusy; OSError.
        """
        moment = (now or datetime.now(UTC)).replace(microsecond=0)
        if not isinstance(public_key, ec.EllipticCurvePublicKey) or public_key.curve.name not in _STRONG_CURVES:
            raise AuthorityError("only keys on the curves P-256 and P-384 are signed")
        self._check_names(profile)
        if not self.issuing.not_valid_before_utc <= moment < self.issuing.not_valid_after_utc:
            raise AuthorityError(
                f"{self.directory}: the issuing CA is valid from {shown(self.issuing.not_valid_before_utc)} to "
                f"{shown(self.issuing.not_valid_after_utc)}, and now is {shown(moment)}; check the clock, or make "
                "a new issuing CA"
            )
        certificate = (
            builder(common=f"nightporter {profile.kind}", issuer=self.issuing.subject, public_key=public_key)
            .not_valid_before(max(moment - BACKDATED, self.issuing.not_valid_before_utc))
            .not_valid_after(min(moment + profile.lifetime, self.issuing.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([profile.purpose]), critical=False)
            .add_extension(x509.SubjectAlternativeName(profile.names), critical=False)
            .add_extension(authority_key_identifier(self.issuing), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        index.append(
            self.directory,
            index.Entry(
                serial=f"{certificate.serial_number:x}",
                kind=profile.kind,
                names=profile.shown_names,
                not_before=shown(certificate.not_valid_before_utc),
                not_after=shown(certificate.not_valid_after_utc),
                sha256=certificate.fingerprint(hashes.SHA256()).hex(),
            ),
        )
        cert = certificate.public_bytes(serialization.Encoding.PEM)
        return Issued(
            certificate=certificate,
            cert=cert,
            chain=cert + self.issuing.public_bytes(serialization.Encoding.PEM),
            trust=self.root.public_bytes(serialization.Encoding.PEM),
        )

    def _check_names(self, profile: Profile) -> None:
        prefix = f"spiffe://{self.trust_domain}/"
        for name in profile.names:
            if isinstance(name, x509.UniformResourceIdentifier) and not name.value.startswith(prefix):
                raise AuthorityError(f"{self.directory} signs for {prefix} only, not for {name.value}")


def open_authority(directory: Path) -> Authority:
    """The CA in `directory`, its parts checked against each other. The root's key is not touched.

    Raises AuthorityError, or PermissionError when this user may not read the keys.
    """
    root, issuing, trust_domain = read_certificates(directory)
    path = directory / "issuing" / "key.pem"
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except FileNotFoundError:
        raise AuthorityError(f"{path} is missing; this machine does not hold the issuing key") from None
    except (ValueError, TypeError):
        raise AuthorityError(f"{path} is not an unencrypted private key in PEM form") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != issuing.public_key():
        raise AuthorityError(f"{path} does not belong to the certificate beside it")
    return Authority(directory=directory, trust_domain=trust_domain, root=root, issuing=issuing, key=key)


def read_certificates(directory: Path) -> tuple[x509.Certificate, x509.Certificate, str]:
    """The root, the issuing CA and their trust domain; needs no key. Raises AuthorityError."""
    root = _certificate(directory / "root" / "cert.pem")
    issuing = _certificate(directory / "issuing" / "cert.pem")
    try:
        root.verify_directly_issued_by(root)
        issuing.verify_directly_issued_by(root)
        names = root.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        raise AuthorityError(f"{directory}: root and issuing certificate do not belong together") from None
    return root, issuing, checked_trust_domain(uri.removeprefix("spiffe://"))


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except FileNotFoundError:
        raise AuthorityError(
            f"{path} is missing; make a CA with: nightporter certs init --dir {path.parent.parent} --trust-domain NAME"
        ) from None
    except ValueError:
        raise AuthorityError(f"{path} is not a certificate in PEM form") from None
