"""Founding a CA: an offline root and one issuing CA under it.

    root (P-384, 15 years, may have one CA below)  ->  issuing CA (P-256, 2 years, leaves only)  ->  gateways, relays

The root's key is needed to make an issuing CA and never again, so it can be encrypted and carried away.
"""

from __future__ import annotations

import os
import secrets
import shutil
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from certs import private
from certs.authority import Authority
from certs.errors import AuthorityError, PassphraseError
from certs.identity import checked_trust_domain
from certs.parts import authority_key_identifier, builder, key_pem, key_usage, subject, trust_domain_name
from certs.profiles import BACKDATED, ISSUING_LIFETIME, ROOT_LIFETIME

MINIMUM_PASSPHRASE = 12


def found(directory: Path, *, trust_domain: str, passphrase: bytes | None, now: datetime | None = None) -> Authority:
    """Makes a new CA in `directory`, whole or not at all. `passphrase` None leaves the root's key unencrypted.

    Raises AuthorityError when something is there already, IdentityError, PassphraseError, OSError.
    """
    checked_trust_domain(trust_domain)
    if passphrase is not None and len(passphrase) < MINIMUM_PASSPHRASE:
        raise PassphraseError(f"the passphrase is too short: use at least {MINIMUM_PASSPHRASE} characters")
    directory = directory.absolute()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise AuthorityError(f"{directory} is not empty; a CA is never written over, choose a new directory")
    private.make_directories(directory.parent)
    moment = (now or datetime.now(UTC)).replace(microsecond=0)

    root_key, issuing_key = ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP256R1())
    root_name = f"Nightporter root {moment.year}"
    root = (
        builder(common=root_name, issuer=subject(root_name), public_key=root_key.public_key())
        .not_valid_before(moment - BACKDATED)
        .not_valid_after(moment + ROOT_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(trust_domain_name(trust_domain), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA384())
    )
    issuing = (
        builder(
            common=f"Nightporter issuing CA {moment.year}", issuer=root.subject, public_key=issuing_key.public_key()
        )
        .not_valid_before(moment - BACKDATED)
        .not_valid_after(moment + ISSUING_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(ca=True), critical=True)
        .add_extension(trust_domain_name(trust_domain), critical=False)
        # A stolen issuing key is good for this trust domain only: TLS itself refuses any other.
        .add_extension(
            x509.NameConstraints([x509.UniformResourceIdentifier(trust_domain)], excluded_subtrees=None), critical=True
        )
        .add_extension(authority_key_identifier(root), critical=False)
        .sign(root_key, hashes.SHA384())
    )

    fresh = directory.with_name(f".{directory.name}.new-{secrets.token_hex(4)}")
    private.make_directory(fresh)
    try:
        for name, certificate, key, word in (
            ("root", root, root_key, passphrase),
            ("issuing", issuing, issuing_key, None),
        ):
            private.make_directory(fresh / name)
            private.write_new(fresh / name / "key.pem", key_pem(key, passphrase=word))
            private.write_new(fresh / name / "cert.pem", certificate.public_bytes(serialization.Encoding.PEM))
            private.sync_directory(fresh / name)
        private.sync_directory(fresh)
        os.rename(fresh, directory)  # replaces an empty directory; fails on one that was filled meanwhile
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    private.sync_directory(directory.parent)
    return Authority(directory=directory, trust_domain=trust_domain, root=root, issuing=issuing, key=issuing_key)
