"""Mutual TLS 1.3 on loopback: one good gateway gets through, every bad one is refused with its reason at the relay."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from certs import keystore, profiles
from certs.authority import Authority, Issued
from certs.errors import CertificateExpired, CertificateNotYetValid, CertsError, KeystoreError, WrongChain, WrongPurpose
from certs.founding import found
from certs.identity import Identity, from_der
from certs.parts import builder, key_pem, key_usage, new_key
from certs.refusal import Refusal, find
from certs.tls import client_context, server_context

LOBBY = Identity(trust_domain="np.example", tenant="acme", site="hq", gateway="lobby")
NOW = datetime.now(UTC)  # when the run was collected: what is made below is made as of then


@dataclass(slots=True)
class Lab:
    """A CA with a relay's identity installed, and ways to make gateways good and bad."""

    directory: Path
    authority: Authority
    refused: list[Refusal] = field(default_factory=list)
    seen: list[Identity] = field(default_factory=list)
    reused: list[bool] = field(default_factory=list)

    def install(
        self, name: str, profile: profiles.Profile, *, authority: Authority | None = None, now: datetime = NOW
    ) -> Path:
        key = new_key()
        issued = (authority or self.authority).issue(profile, key.public_key(), now=now)
        return self.put(name, key_pem(key), issued)

    def put(self, name: str, key: bytes, issued: Issued) -> Path:
        keystore.install(self.directory / name, key=key, cert=issued.cert, chain=issued.chain, trust=issued.trust)
        return self.directory / name

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tls = writer.get_extra_info("ssl_object")
        self.reused.append(tls.session_reused)
        self.seen.append(from_der(tls.getpeercert(binary_form=True), trust_domain="np.example"))
        line = await reader.readline()
        writer.write(b"hello " + line)
        await writer.drain()
        writer.close()

    async def dial(
        self, client: ssl.SSLContext, *, host: str = "127.0.0.1", server: ssl.SSLContext | None = None
    ) -> bytes:
        context = server or server_context(self.directory / "relay", on_refusal=self.refused.append)
        listener = await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=context)
        async with listener:
            port = listener.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=host)
            try:
                writer.write(b"lobby\n")
                return await reader.read()
            finally:
                writer.close()
                with contextlib.suppress(ssl.SSLError, ConnectionError):
                    await writer.wait_closed()

    async def refused_dial(self, client: ssl.SSLContext) -> bool:
        """True when the relay hung up: an alert, a reset or the end of the stream, depending on who was faster."""
        try:
            return await self.dial(client) == b""
        except (ssl.SSLError, ConnectionError):
            return True


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    lab = Lab(tmp_path, found(tmp_path / "ca", trust_domain="np.example", passphrase=None, now=NOW))
    lab.install("relay", profiles.relay(("relay.example", "127.0.0.1")))
    return lab


def careless(lab: Lab, directory: Path | None) -> ssl.SSLContext:
    """A client that does not judge its own certificate first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(lab.directory / "relay" / "trust.pem")
    if directory is not None:
        material = keystore.current(directory)
        context.load_cert_chain(material.chain, material.key)
    return context


async def test_a_good_gateway_is_known_by_its_uri(lab: Lab) -> None:
    directory = lab.install("gateway", profiles.gateway(LOBBY))
    assert await lab.dial(client_context(directory)) == b"hello lobby\n"
    assert await lab.dial(client_context(directory), host="relay.example") == b"hello lobby\n"
    assert lab.seen == [LOBBY, LOBBY]
    assert lab.refused == []


def _strange(lab: Lab, uri: str, *, purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH) -> Path:
    """A leaf that the issuing key signed although our own code would not have."""
    key, signer = new_key(), lab.authority._key
    authority = lab.authority.issuing.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    leaf = (
        builder(common="lobby", issuer=lab.authority.issuing.subject, public_key=key.public_key())
        .not_valid_before(NOW - timedelta(minutes=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return lab.put("strange", key_pem(key), _issued(lab, leaf))


def _issued(lab: Lab, leaf: x509.Certificate) -> Issued:
    pem = leaf.public_bytes(serialization.Encoding.PEM)
    issuing = lab.authority.issuing.public_bytes(serialization.Encoding.PEM)
    root = lab.authority.root.public_bytes(serialization.Encoding.PEM)
    return Issued(certificate=leaf, cert=pem, chain=pem + issuing, trust=root)


def _tampered(lab: Lab) -> Path:
    key = new_key()
    leaf = lab.authority.issue(profiles.gateway(LOBBY), key.public_key()).certificate
    changed = leaf.public_bytes(serialization.Encoding.DER).replace(b"/g/lobby", b"/g/vault")
    return lab.put("tampered", key_pem(key), _issued(lab, x509.load_der_x509_certificate(changed)))


def _under_a_leaf(lab: Lab) -> Path:
    """A gateway that signs a colleague with its own key."""
    mine, theirs = new_key(), new_key()
    gateway = lab.authority.issue(profiles.gateway(LOBBY), mine.public_key())
    vault = Identity(trust_domain="np.example", tenant="acme", site="hq", gateway="vault")
    rogue = Authority(
        directory=lab.authority.directory,
        trust_domain="np.example",
        root=lab.authority.root,
        issuing=gateway.certificate,
        key=mine,
    )
    leaf = rogue.issue(profiles.gateway(vault), theirs.public_key())
    whole = Issued(certificate=leaf.certificate, cert=leaf.cert, chain=leaf.cert + gateway.chain, trust=leaf.trust)
    return lab.put("rogue", key_pem(theirs), whole)


def _of_another_ca(lab: Lab) -> Path:
    other = found(lab.directory / "other-ca", trust_domain="np.example", passphrase=None, now=NOW)
    return lab.install("other", profiles.gateway(LOBBY), authority=other)


BAD: dict[str, tuple[Callable[[Lab], Path | None], str]] = {
    "no certificate": (lambda lab: None, "no_certificate"),
    "expired": (lambda lab: _at(lab, NOW - timedelta(days=8)), "expired"),
    "not yet valid": (lambda lab: _at(lab, NOW + timedelta(days=1)), "not_yet_valid"),
    "another CA": (_of_another_ca, "unknown_authority"),
    "server certificate as client": (lambda lab: lab.directory / "relay", "wrong_purpose"),
    "wrong purpose": (
        lambda lab: _strange(lab, LOBBY.uri, purpose=ExtendedKeyUsageOID.CODE_SIGNING),
        "wrong_purpose",
    ),
    "tampered name": (_tampered, "bad_signature"),
    "signed by a gateway": (_under_a_leaf, "not_an_authority"),
    "foreign trust domain": (
        lambda lab: _strange(lab, "spiffe://elsewhere.example/t/acme/s/hq/g/lobby"),
        "foreign_trust_domain",
    ),
}


def _at(lab: Lab, moment: datetime) -> Path:
    """A gateway's certificate made at another time, by a CA that existed then too."""
    early = found(lab.directory / "early-ca", trust_domain="np.example", passphrase=None, now=NOW - timedelta(days=30))
    lab.install("relay", profiles.relay(("127.0.0.1",)), authority=early)
    return lab.install("gateway", profiles.gateway(LOBBY), authority=early, now=moment)


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_client_is_refused_with_its_reason_at_the_relay(lab: Lab, case: str) -> None:
    make, reason = BAD[case]
    client = careless(lab, make(lab))
    assert await lab.refused_dial(client)
    assert [refusal.reason for refusal in lab.refused] == [reason], lab.refused
    assert lab.refused[0].sentence
    assert lab.seen == []


@contextlib.contextmanager
def blocking_server(context: ssl.SSLContext) -> Iterator[int]:
    """Serves one connection in a thread. Unlike asyncio's server it sends its alert before it hangs up."""

    def serve() -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            plain, _ = listener.accept()
            with plain, context.wrap_socket(plain, server_side=True) as tls:
                tls.sendall(b"hello")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="one-connection")
        thread.start()
        yield listener.getsockname()[1]
        thread.join(timeout=10)
        assert not thread.is_alive()


async def test_the_client_can_name_the_refusal_behind_its_librarys_error(lab: Lab) -> None:
    with blocking_server(server_context(lab.directory / "relay")) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=careless(lab, None))
        with pytest.raises(ssl.SSLError) as caught:
            await reader.read()
        writer.close()
    wrapped = RuntimeError("connection broken")
    wrapped.__cause__ = caught.value
    refusal = find(wrapped)
    assert refusal is not None
    assert refusal.reason == "no_certificate"
    assert find(RuntimeError("something else")) is None


async def test_tls_1_2_is_refused(lab: Lab) -> None:
    client = careless(lab, lab.install("gateway", profiles.gateway(LOBBY)))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    assert await lab.refused_dial(client)
    assert [refusal.reason for refusal in lab.refused] == ["old_tls"]


async def test_a_client_does_not_speak_tls_1_2_either(lab: Lab) -> None:
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    material = keystore.current(lab.directory / "relay")
    old.load_cert_chain(material.chain, material.key)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    client = client_context(lab.install("gateway", profiles.gateway(LOBBY)))
    with blocking_server(old) as port, pytest.raises(ssl.SSLError) as caught:
        await asyncio.open_connection("127.0.0.1", port, ssl=client)
    refusal = find(caught.value)
    assert refusal is not None
    assert refusal.reason == "old_tls"


@pytest.mark.parametrize(
    ("host", "names", "reason"),
    [("127.0.0.1", ("relay.example",), "wrong_name"), ("relay.example", ("127.0.0.1",), "wrong_name")],
)
async def test_a_client_refuses_a_relay_of_another_name(
    lab: Lab, host: str, names: tuple[str, ...], reason: str
) -> None:
    lab.install("relay", profiles.relay(names))
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        await lab.dial(client_context(lab.install("gateway", profiles.gateway(LOBBY))), host=host)
    refusal = find(caught.value)
    assert refusal is not None
    assert refusal.reason == reason


async def test_a_client_refuses_a_relay_that_is_a_gateway(lab: Lab) -> None:
    directory = lab.install("gateway", profiles.gateway(LOBBY))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    material = keystore.current(directory)
    server.load_cert_chain(material.chain, material.key)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        await lab.dial(client_context(directory), server=server)
    refusal = find(caught.value)
    assert refusal is not None
    assert refusal.reason == "wrong_purpose"


async def test_a_session_cannot_be_resumed(lab: Lab) -> None:
    """A blocking client that keeps its session and offers it again, as an attacker with an old ticket would."""
    context = client_context(lab.install("gateway", profiles.gateway(LOBBY)))
    listener = await asyncio.start_server(
        lab.serve, "127.0.0.1", 0, ssl=server_context(lab.directory / "relay", on_refusal=lab.refused.append)
    )

    def visit(port: int, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as tls,
        ):
            tls.sendall(b"lobby\n")
            assert tls.recv(100) == b"hello lobby\n"
            assert not tls.session_reused
            return tls.session

    async with listener:
        port = listener.sockets[0].getsockname()[1]
        session = await asyncio.to_thread(visit, port, None)
        assert session is None or not session.has_ticket
        await asyncio.to_thread(visit, port, session)
    assert lab.reused == [False, False]


async def test_a_stranger_that_speaks_plain_http_is_named(lab: Lab) -> None:
    context = server_context(lab.directory / "relay", on_refusal=lab.refused.append)
    listener = await asyncio.start_server(lab.serve, "127.0.0.1", 0, ssl=context)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: relay\r\n\r\n")
        with contextlib.suppress(ConnectionError):  # an alert or a reset: both are a refusal
            await reader.read()
        writer.close()
    assert [refusal.reason for refusal in lab.refused] == ["not_tls"]


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (
            lambda lab: _at(lab, NOW - timedelta(days=8)),
            CertificateExpired,
            "our certificate .* expired at .* renew it",
        ),
        (lambda lab: _at(lab, NOW + timedelta(days=1)), CertificateNotYetValid, "clock is probably wrong"),
        (lambda lab: lab.directory / "relay", WrongPurpose, "not issued for a gateway"),
        (lambda lab: lab.directory / "nowhere", KeystoreError, "holds no identity"),
    ],
)
def test_a_client_judges_its_own_certificate_first(
    lab: Lab, make: Callable[[Lab], Path], error: type[CertsError], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        client_context(make(lab))


def test_files_that_do_not_belong_together_are_found_at_home(lab: Lab) -> None:
    directory = lab.install("gateway", profiles.gateway(LOBBY))
    material = keystore.current(directory)
    original = {path: path.read_bytes() for path in (material.key, material.cert, material.chain, material.trust)}
    other = found(lab.directory / "other-ca", trust_domain="np.example", passphrase=None, now=NOW)
    changes: list[tuple[Path, bytes, type[CertsError], str]] = [
        (material.key, key_pem(new_key()), WrongChain, "does not belong to"),
        (material.trust, other.root.public_bytes(serialization.Encoding.PEM), WrongChain, "different CAs"),
        (material.chain, original[material.cert], WrongChain, "does not lead to the root"),
        (material.chain, original[material.trust], WrongChain, "does not begin with"),
        (material.key, b"garbage", KeystoreError, "not an unencrypted private key"),
        (material.trust, b"garbage", KeystoreError, "not a certificate"),
    ]
    for path, content, error, sentence in changes:
        path.write_bytes(content)
        with pytest.raises(error, match=sentence):
            client_context(directory)
        path.write_bytes(original[path])
    client_context(directory)


def test_a_server_needs_a_servers_certificate(lab: Lab) -> None:
    with pytest.raises(WrongPurpose, match="certs issue relay"):
        server_context(lab.install("gateway", profiles.gateway(LOBBY)))


def test_openssl_itself_finds_the_chain_strictly_good(lab: Lab, peer: Callable[[str], str]) -> None:
    openssl = peer("openssl")
    material = keystore.current(lab.install("gateway", profiles.gateway(LOBBY)))
    command = [openssl, "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", str(material.trust)]
    done = subprocess.run(
        [*command, "-untrusted", str(material.chain), str(material.cert)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith(": OK")
