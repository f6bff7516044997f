"""A gateway that does not know the time: it still dials, and only what is certainly over is refused."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certs import keystore, profiles
from certs.errors import CertificateExpired
from certs.founding import found
from certs.identity import Identity
from certs.issued import issued
from certs.parts import key_pem, new_key
from certs.refusal import expiry_class, find
from certs.tls import client_context, server_context

LOBBY = Identity(trust_domain="np.example", tenant="acme", site="hq", gateway="lobby")
NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)


def install(folder: Path, *, made: datetime) -> tuple[Path, Path]:
    """The directories of a gateway and of a relay whose certificates were made then."""
    authority = found(folder / "ca", trust_domain="np.example", passphrase=None, now=made - DAY)
    directories = []
    for name, profile in (
        ("gateway", profiles.gateway(LOBBY)),
        ("relay", profiles.relay(("relay.example",))),
    ):
        key = new_key()
        done = authority.issue(profile, key.public_key(), now=made)
        keystore.install(folder / name, key=key_pem(key), cert=done.cert, chain=done.chain, trust=done.trust)
        directories.append(folder / name)
    return directories[0], directories[1]


def shake(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """A handshake in memory; raises what the client would."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_side=False, server_hostname="relay.example"),
        server.wrap_bio(there, back, server_side=True),
    ]
    for _ in range(8):
        for end in tuple(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            ends.remove(end)
        if not ends:
            return
    raise AssertionError("the handshake did not end")


def anytime(directory: Path) -> ssl.SSLContext:
    """A relay that is not asked about times."""
    context = server_context(directory, now=NOW - 399 * DAY)
    context.verify_flags |= ssl.VerifyFlags(0x200000)
    return context


def test_the_gateway_knows_when_its_certificate_was_issued(tmp_path: Path) -> None:
    gateway, _ = install(tmp_path, made=NOW - 400 * DAY)
    since = issued(gateway)
    assert since is not None
    assert NOW - 402 * DAY < datetime.fromtimestamp(since / 1e6, UTC) <= NOW - 400 * DAY
    assert issued(tmp_path / "nothing") is None


def test_expired_by_a_clock_nobody_trusts_it_still_dials(tmp_path: Path) -> None:
    """As in 2036: by this clock both certificates are over, and neither is certainly so."""
    gateway, relay = install(tmp_path, made=NOW - 400 * DAY)
    with pytest.raises(CertificateExpired):
        client_context(gateway)
    shake(client_context(gateway, unsure_since=NOW - 400 * DAY), anytime(relay))


def test_not_valid_yet_by_such_a_clock_it_still_dials(tmp_path: Path) -> None:
    """As in 1970: the certificates are of the future."""
    gateway, relay = install(tmp_path, made=NOW + 20 * DAY)
    server = server_context(relay, now=NOW + 21 * DAY)
    server.verify_flags |= ssl.VerifyFlags(0x200000)
    shake(client_context(gateway, unsure_since=NOW + 20 * DAY), server)


def test_what_is_certainly_over_is_refused(tmp_path: Path) -> None:
    gateway, relay = install(tmp_path, made=NOW - 400 * DAY)
    with pytest.raises(CertificateExpired, match="set this machine's clock if that is wrong"):
        client_context(gateway, unsure_since=NOW)
    context = client_context(gateway, unsure_since=NOW - 400 * DAY)
    late = client_context(gateway, unsure_since=NOW - 400 * DAY)
    late.sslobject_class = expiry_class(NOW.timestamp())
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake(late, anytime(relay))
    refusal = find(caught.value)
    assert refusal is not None
    assert refusal.reason == "expired"
    shake(context, anytime(relay))


def test_all_else_is_looked_at_as_always(tmp_path: Path) -> None:
    gateway, _ = install(tmp_path / "ours", made=NOW)
    _, stranger = install(tmp_path / "theirs", made=NOW)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(client_context(gateway, unsure_since=NOW - DAY), server_context(stranger))
