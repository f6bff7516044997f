"""Signatures and envelopes of files that are carried by hand: whose are believed, and why others are not."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import envelope, keystore, profiles
from certs.authority import Authority
from certs.errors import CertsError, EnvelopeError, UntrustedSeal
from certs.founding import found
from certs.identity import Identity
from certs.parts import builder, key_pem, new_key
from certs.seal import Seal, seal, sealed_by_gateway, sealed_by_relay

WHO = Identity(trust_domain="np.example", tenant="acme", site="hq", gateway="gw-1")
DATA = b"what was said"


@dataclass
class World:
    """A CA, a gateway and a relay of it."""

    ca: Authority
    roots: bytes
    folder: Path

    @property
    def now(self) -> datetime:
        return datetime.now(UTC)

    def install(self, name: str, profile: profiles.Profile) -> Path:
        key = new_key()
        issued = self.ca.issue(profile, key.public_key())
        keystore.install(self.folder / name, key=key_pem(key), cert=issued.cert, chain=issued.chain, trust=issued.trust)
        return self.folder / name


@pytest.fixture
def world(tmp_path: Path) -> World:
    ca = found(tmp_path / "ca", trust_domain="np.example", passphrase=None)
    made = World(ca, b"", tmp_path)
    made.install("gateway", profiles.gateway(WHO))
    made.install("relay", profiles.relay(("relay.example", "127.0.0.1")))
    made.roots = (tmp_path / "gateway" / "trust.pem").read_bytes()
    return made


def by_gateway(world: World, directory: str = "gateway", data: bytes = DATA) -> Seal:
    return seal(world.folder / directory, data, made_for="bundle", role="client")


def believed(
    world: World, signed: Seal, *, data: bytes = DATA, made_for: str = "bundle", at: timedelta | None = None
) -> Identity:
    moment = world.now + (at or timedelta())
    return sealed_by_gateway(signed, data, made_for=made_for, roots=world.roots, at=moment)


def test_a_gateway_is_known_by_its_seal(world: World) -> None:
    assert believed(world, Seal.parse(by_gateway(world).text().encode())) == WHO


@pytest.mark.parametrize("name", ["relay.example", "127.0.0.1"])
def test_a_relay_is_known_by_its_seal(world: World, name: str) -> None:
    signed = seal(world.folder / "relay", DATA, made_for="receipt", role="server")
    sealed_by_relay(signed, DATA, made_for="receipt", name=name, roots=world.roots, at=world.now)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": b"what was said!"}, "changed after it was signed"),
        ({"made_for": "receipt"}, "changed after it was signed"),
        ({"at": timedelta(days=8)}, "not valid when it was made"),
        ({"at": timedelta(days=-1)}, "not valid when it was made"),
    ],
)
def test_a_seal_that_is_not_believed(world: World, changes: dict[str, object], words: str) -> None:
    with pytest.raises(UntrustedSeal, match=words):
        believed(world, by_gateway(world), **changes)  # type: ignore[arg-type]


def test_another_relay(world: World) -> None:
    signed = seal(world.folder / "relay", DATA, made_for="receipt", role="server")
    with pytest.raises(UntrustedSeal, match=r"by relay\.example, 127\.0\.0\.1, not by other\.example"):
        sealed_by_relay(signed, DATA, made_for="receipt", name="other.example", roots=world.roots, at=world.now)


def test_a_relay_is_no_gateway_and_the_reverse(world: World) -> None:
    with pytest.raises(UntrustedSeal, match="for something else"):
        believed(world, seal(world.folder / "relay", DATA, made_for="bundle", role="server"))
    with pytest.raises(UntrustedSeal, match="for something else"):
        sealed_by_relay(by_gateway(world), DATA, made_for="bundle", name="gw-1", roots=world.roots, at=world.now)
    with pytest.raises(CertsError, match="was not issued for a gateway"):
        seal(world.folder / "relay", DATA, made_for="bundle", role="client")


def test_another_ca(world: World, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    other = World(
        found(tmp_path / "elsewhere" / "ca", trust_domain="np.example", passphrase=None), b"", tmp_path / "elsewhere"
    )
    other.install("gateway", profiles.gateway(WHO))
    with pytest.raises(UntrustedSeal, match="another CA"):
        believed(world, by_gateway(other))


def test_a_gateway_cannot_make_itself_a_ca(world: World) -> None:
    """Its own certificate in the place of the issuing CA, and under it one that it wrote for somebody else."""
    material = keystore.current(world.folder / "gateway")
    own = x509.load_pem_x509_certificates(material.chain.read_bytes())
    key = serialization.load_pem_private_key(material.key.read_bytes(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    mine = new_key()
    other = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(WHO.uri.replace("gw-1", "gw-2"))])
    forged = (
        builder(common="x", issuer=own[0].subject, public_key=mine.public_key())
        .not_valid_before(world.now - timedelta(hours=1))
        .not_valid_after(world.now + timedelta(hours=1))
        .add_extension(other, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (forged, *own))
    signature = mine.sign(b"nightporter/1|bundle|" + DATA, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(UntrustedSeal, match="where a CA's must be"):
        believed(world, Seal(chain=chain, signature=signature))


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b'{"chain": 1, "signature": ""}', b"[" * 70_000, b"[" * 60_000])
def test_what_is_no_seal(text: bytes) -> None:
    with pytest.raises(UntrustedSeal, match="cannot be read"):
        Seal.parse(text)


def test_certificates_that_cannot_be_read(world: World) -> None:
    for chain in (b"", b"rubbish", by_gateway(world).chain * 3):
        with pytest.raises(UntrustedSeal):
            believed(world, Seal(chain=chain, signature=b"x"))


def test_an_envelope_is_for_one_only(tmp_path: Path) -> None:
    content = os.urandom(300_000)
    recipient = envelope.recipient_of(tmp_path / "relay")
    assert envelope.recipient_of(tmp_path / "relay") == recipient
    assert (tmp_path / "relay" / "bundle.key").stat().st_mode & 0o777 == 0o600
    closed = io.BytesIO()
    envelope.close(io.BytesIO(content), closed, recipient=recipient)
    opened = io.BytesIO()
    envelope.open_to(io.BytesIO(closed.getvalue()), opened, directory=tmp_path / "relay")
    assert opened.getvalue() == content
    envelope.recipient_of(tmp_path / "other")
    for data, directory in (
        (closed.getvalue(), "other"),
        (closed.getvalue()[:-1], "relay"),
        (closed.getvalue()[:100_000] + b"x" + closed.getvalue()[100_001:], "relay"),
        (b"", "relay"),
    ):
        with pytest.raises(EnvelopeError, match="is not for the key in"):
            envelope.open_to(io.BytesIO(data), io.BytesIO(), directory=tmp_path / directory)


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    envelope.recipient_of(tmp_path)
    (tmp_path / "bundle.key").chmod(0o644)
    with pytest.raises(EnvelopeError, match="chmod 600"):
        envelope.recipient_of(tmp_path)


def test_no_recipient() -> None:
    with pytest.raises(EnvelopeError, match="is no recipient"):
        envelope.close(io.BytesIO(b"x"), io.BytesIO(), recipient="age1qqqq")
