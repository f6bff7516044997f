"""Who a certificate names: one SPIFFE URI, nothing else."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from certs.errors import CertsError, IdentityError
from certs.identity import Identity, from_der, from_uri

LOBBY = "spiffe://np.example/t/acme/s/hq/g/lobby"
WORDS = st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?", fullmatch=True)


def der(*names: x509.GeneralName, common: str = "x") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_gateway_is_read_from_its_uri() -> None:
    found = from_der(der(x509.UniformResourceIdentifier(LOBBY)), trust_domain="np.example")
    assert found == Identity(trust_domain="np.example", tenant="acme", site="hq", gateway="lobby")
    assert found.uri == LOBBY


@given(trust_domain=WORDS, tenant=WORDS, site=WORDS, gateway=WORDS)
def test_every_identity_survives_its_uri(trust_domain: str, tenant: str, site: str, gateway: str) -> None:
    identity = Identity(trust_domain=trust_domain, tenant=tenant, site=site, gateway=gateway)
    assert from_uri(identity.uri) == identity


@given(st.text(max_size=80))
def test_no_text_is_an_identity_by_accident(text: str) -> None:
    with contextlib.suppress(IdentityError):
        assert from_uri(text).uri == text


@given(st.binary(max_size=300))
def test_garbage_is_refused_with_our_own_error(data: bytes) -> None:
    with pytest.raises(IdentityError):
        from_der(data)


@pytest.mark.parametrize(
    ("certificate", "sentence"),
    [
        (b"", "showed no certificate"),
        (der(), "no subject alternative name"),
        (der(common=LOBBY), "no subject alternative name"),
        (der(x509.DNSName("lobby.np.example")), "carries no URI"),
        (
            der(x509.UniformResourceIdentifier(LOBBY), x509.UniformResourceIdentifier(LOBBY + "2")),
            "carries 2 URIs",
        ),
        (der(x509.UniformResourceIdentifier("https://np.example/t/acme/s/hq/g/lobby")), "names no gateway"),
        (der(x509.UniformResourceIdentifier("spiffe://np.example")), "names no gateway"),
        (der(x509.UniformResourceIdentifier("spiffe://np.example/t/acme/s/hq/g/Lobby")), "cannot stand in an identity"),
        (der(x509.UniformResourceIdentifier("spiffe://np.example/t/../s/hq/g/lobby")), "cannot stand in an identity"),
        (der(x509.UniformResourceIdentifier(LOBBY + "/x")), "names no gateway"),
        (der(x509.UniformResourceIdentifier("spiffe://elsewhere.example/t/a/s/b/g/c")), "only accepts 'np.example'"),
    ],
)
def test_everything_else_is_refused_with_the_reason(certificate: bytes, sentence: str) -> None:
    with pytest.raises(IdentityError, match=sentence):
        from_der(certificate, trust_domain="np.example")


@pytest.mark.parametrize("word", ["", "a" * 64, "-a", "a-", "a..b", "a/b", "ä", "a\n", "A"])
def test_a_word_that_could_confuse_is_refused(word: str) -> None:
    with pytest.raises(IdentityError, match="tenant"):
        Identity(trust_domain="np.example", tenant=word, site="hq", gateway="lobby")


def test_every_error_of_the_package_says_whether_a_retry_helps() -> None:
    assert all(isinstance(kind.permanent, bool) for kind in CertsError.__subclasses__())
