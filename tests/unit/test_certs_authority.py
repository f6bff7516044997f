"""The CA: what it signs, what it refuses, and that nothing it signs is unknown to it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import index, profiles
from certs.authority import Authority, open_authority
from certs.errors import AuthorityError, IdentityError, KeystoreBusy, PassphraseError
from certs.founding import found
from certs.identity import Identity, from_der
from certs.parts import new_key

LOBBY = Identity(trust_domain="np.example", tenant="acme", site="hq", gateway="lobby")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return found(tmp_path / "ca", trust_domain="np.example", passphrase=None)


@pytest.fixture
def no_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_root_and_issuing_are_what_the_design_says(authority: Authority) -> None:
    for certificate, curve, years, depth in (
        (authority.root, "secp384r1", 15, 1),
        (authority.issuing, "secp256r1", 2, 0),
    ):
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == curve
        life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert life - profiles.BACKDATED == timedelta(days=365 * years)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert (constraints.value.ca, constraints.value.path_length) == (True, depth)
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.critical
        assert usage.value.key_cert_sign
        assert not usage.value.digital_signature
        certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)


def test_a_gateway_certificate_says_who_and_for_what_and_no_more(authority: Authority) -> None:
    issued = authority.issue(profiles.gateway(LOBBY), new_key().public_key())
    leaf = issued.certificate
    assert from_der(leaf.public_bytes(serialization.Encoding.DER)) == LOBBY
    purposes = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=7, minutes=5)
    assert issued.chain.startswith(issued.cert)
    assert issued.chain.count(b"BEGIN CERTIFICATE") == 2


def test_a_relay_certificate_carries_names_and_addresses(authority: Authority) -> None:
    leaf = authority.issue(profiles.relay(("relay.example", "127.0.0.1", "::1")), new_key().public_key()).certificate
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["relay.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    "name", ["", "*.example", "Relay.example", "relay.example:443", "1.2.3", "300.1.1.1", "a..b", "-a"]
)
def test_a_name_that_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(AuthorityError, match="neither a host name nor an address"):
        profiles.relay((name,))


def test_a_relay_needs_a_name() -> None:
    with pytest.raises(AuthorityError, match="at least one name"):
        profiles.relay(())


def test_a_foreign_trust_domain_is_not_signed(authority: Authority) -> None:
    foreign = Identity(trust_domain="np.example.org", tenant="acme", site="hq", gateway="lobby")
    with pytest.raises(AuthorityError, match=r"signs for spiffe://np\.example/ only"):
        authority.issue(profiles.gateway(foreign), new_key().public_key())
    assert index.read(authority.directory) == []


def test_weak_keys_are_not_signed(authority: Authority) -> None:
    weak = rsa.generate_private_key(65537, 2048).public_key(), ec.generate_private_key(ec.SECP224R1()).public_key()
    for key in weak:
        with pytest.raises(AuthorityError, match="P-256 and P-384"):
            authority.issue(profiles.gateway(LOBBY), key)


def test_no_leaf_outlives_its_issuer_and_none_is_signed_after_it(authority: Authority) -> None:
    end = authority.issuing.not_valid_after_utc
    late = authority.issue(profiles.gateway(LOBBY), new_key().public_key(), now=end - timedelta(days=1))
    assert late.certificate.not_valid_after_utc == end
    with pytest.raises(AuthorityError, match="check the clock"):
        authority.issue(profiles.gateway(LOBBY), new_key().public_key(), now=end)
    with pytest.raises(AuthorityError, match="check the clock"):
        authority.issue(profiles.gateway(LOBBY), new_key().public_key(), now=datetime(2020, 1, 1, tzinfo=UTC))


def test_everything_signed_is_in_the_index(authority: Authority) -> None:
    issued = [authority.issue(profiles.gateway(LOBBY), new_key().public_key()).certificate for _ in range(3)]
    entries = index.read(authority.directory)
    assert [entry.sha256 for entry in entries] == [one.fingerprint(hashes.SHA256()).hex() for one in issued]
    assert len({entry.serial for entry in entries}) == 3
    assert entries[0].names == (LOBBY.uri,)


def test_a_line_torn_by_a_power_cut_is_replaced_not_repeated(authority: Authority) -> None:
    authority.issue(profiles.gateway(LOBBY), new_key().public_key())
    path = authority.directory / index.NAME
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])
    assert len(index.read(authority.directory)) == 1
    authority.issue(profiles.gateway(LOBBY), new_key().public_key())
    assert len(index.read(authority.directory)) == 2
    assert path.read_bytes().startswith(whole)


def test_a_damaged_index_is_said_with_its_line(authority: Authority) -> None:
    (authority.directory / index.NAME).write_text('{"serial": 1}\n')
    with pytest.raises(AuthorityError, match=r"issued\.jsonl:1: .*backup"):
        index.read(authority.directory)


def test_the_index_has_one_writer(authority: Authority) -> None:
    import fcntl

    with open(authority.directory / index.NAME, "ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(KeystoreBusy, match="try again"):
            authority.issue(profiles.gateway(LOBBY), new_key().public_key())


def test_an_opened_ca_is_the_one_that_was_founded(authority: Authority) -> None:
    again = open_authority(authority.directory)
    assert (again.trust_domain, again.root, again.issuing) == ("np.example", authority.root, authority.issuing)
    leaf = again.issue(profiles.gateway(LOBBY), new_key().public_key()).certificate
    leaf.verify_directly_issued_by(authority.issuing)


@pytest.mark.usefixtures("no_umask")
def test_keys_are_private_whatever_the_umask(tmp_path: Path) -> None:
    authority = found(tmp_path / "deep" / "ca", trust_domain="np.example", passphrase=None)
    authority.issue(profiles.gateway(LOBBY), new_key().public_key())
    for path in [authority.directory, *authority.directory.rglob("*")]:
        expected = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == expected, path


def test_the_root_key_is_encrypted_with_a_passphrase(tmp_path: Path) -> None:
    found(tmp_path / "ca", trust_domain="np.example", passphrase=b"correct horse")
    pem = (tmp_path / "ca" / "root" / "key.pem").read_bytes()
    with pytest.raises(TypeError):
        serialization.load_pem_private_key(pem, password=None)
    with pytest.raises(ValueError):
        serialization.load_pem_private_key(pem, password=b"wrong horse!")
    serialization.load_pem_private_key(pem, password=b"correct horse")


def test_a_short_passphrase_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(PassphraseError, match="too short"):
        found(tmp_path / "ca", trust_domain="np.example", passphrase=b"short")
    assert list(tmp_path.iterdir()) == []


def test_a_ca_is_never_written_over(authority: Authority) -> None:
    with pytest.raises(AuthorityError, match="never written over"):
        found(authority.directory, trust_domain="np.example", passphrase=None)


def test_a_bad_trust_domain_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="trust domain"):
        found(tmp_path / "ca", trust_domain="Not A Domain", passphrase=None)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fails_leaves_no_half_ca(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(handle: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        found(tmp_path / "ca", trust_domain="np.example", passphrase=None)
    assert not (tmp_path / "ca").exists()


def test_parts_that_do_not_belong_together_are_refused(authority: Authority, tmp_path: Path) -> None:
    other = found(tmp_path / "other", trust_domain="np.example", passphrase=None)
    ours = authority.directory / "issuing"
    (ours / "key.pem").write_bytes((other.directory / "issuing" / "key.pem").read_bytes())
    with pytest.raises(AuthorityError, match="does not belong"):
        open_authority(authority.directory)
    (ours / "cert.pem").write_bytes((other.directory / "issuing" / "cert.pem").read_bytes())
    with pytest.raises(AuthorityError, match="do not belong together"):
        open_authority(authority.directory)
    (ours / "cert.pem").write_text("garbage")
    with pytest.raises(AuthorityError, match="not a certificate in PEM form"):
        open_authority(authority.directory)
    (ours / "cert.pem").unlink()
    with pytest.raises(AuthorityError, match="certs init"):
        open_authority(authority.directory)
