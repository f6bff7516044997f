"""An outlet over mutual TLS 1.3: sockets tuned for alarms, renewed certificates, and refusals as sentences."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.channel.relay import RelayChannel
from agent.outlets.bulk import BulkConnection
from agent.outlets.client import connect
from agent.outlets.http import HttpConnection
from agent.outlets.peer import Peer
from certs import keystore, profiles
from certs.authority import Authority
from certs.founding import found
from certs.identity import Identity
from certs.parts import key_pem, new_key
from certs.tls import server_context
from rules import wire
from rules.events import OutletLost, OutletRestored
from tests.integration.fake_relay import FakeRelay
from tests.integration.outlet_rig import GATEWAY, Rig, rig, running, until

LOBBY = Identity(trust_domain="np.example", tenant="acme", site="hq", gateway=GATEWAY)


class Certificates:
    """A CA, and identities installed from it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.authority = found(directory / "ca", trust_domain="np.example", passphrase=None)

    def install(
        self, name: str, profile: profiles.Profile, *, by: Authority | None = None, now: datetime | None = None
    ) -> Path:
        key = new_key()
        issued = (by or self.authority).issue(profile, key.public_key(), now=now)
        keystore.install(
            self.directory / name, key=key_pem(key), cert=issued.cert, chain=issued.chain, trust=issued.trust
        )
        return self.directory / name

    def server(self) -> ssl.SSLContext:
        return server_context(self.directory / "relay")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    made = Certificates(tmp_path)
    made.install("relay", profiles.relay(("127.0.0.1",)))
    made.install("gateway", profiles.gateway(LOBBY))
    return made


@pytest.fixture
async def building(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path / "agent") as made:
        yield made


@pytest.fixture
def relay() -> FakeRelay:
    return FakeRelay(gateway=GATEWAY)


async def test_records_and_media_arrive_over_mutual_tls(
    building: Rig, relay: FakeRelay, certificates: Certificates
) -> None:
    async with relay.listening(0, tls=certificates.server()) as port:
        url = f"https://127.0.0.1:{port}"
        outlet = building.outlet_with(name="cloud", url=url, identity=certificates.directory / "gateway")
        async with running(outlet):
            await building.incident()
            await building.still(b"picture")
            await building.media_done()
            await until(lambda: outlet.state.behind == 0 and outlet.state.reachable)
    assert relay.taken("P0") == await building.held("P0")


async def test_alarms_leave_at_once_and_blobs_queue_briefly(relay: FakeRelay, certificates: Certificates) -> None:
    async with relay.listening(0, tls=certificates.server()) as port:
        url, identity = f"https://127.0.0.1:{port}", certificates.directory / "gateway"
        peer = Peer.of(name="cloud", url=url, identity=identity, socket=None)
        for kind in (HttpConnection, BulkConnection):
            http = kind(peer=peer, context=await peer.context())
            await http.request("GET", "/v1/lanes", headers={}, content=b"")
            assert http._open is not None
            opened: Any = http._open
            stream = opened.writer.get_extra_info("socket") if kind is HttpConnection else opened.stream
            assert stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
            assert stream.getsockopt(socket.IPPROTO_TCP, 18) == 15_000
            assert (stream.getsockopt(socket.IPPROTO_TCP, 25) == 131_072) is (kind is BulkConnection)
            http.abort()
        await asyncio.sleep(0)


async def test_an_expired_certificate_is_said_in_words_and_a_renewed_one_is_used(
    building: Rig, relay: FakeRelay, certificates: Certificates
) -> None:
    short = profiles.gateway(LOBBY, lifetime=timedelta(minutes=1))
    certificates.install("gateway", short, now=datetime.now(UTC) - timedelta(minutes=3))
    async with relay.listening(0, tls=certificates.server()) as port:
        url = f"https://127.0.0.1:{port}"
        outlet = building.outlet_with(name="cloud", url=url, identity=certificates.directory / "gateway")
        async with running(outlet):
            await building.incident()
            await until(lambda: building.told(OutletLost))
            # Where nothing keeps the clock, as on a test machine, the relay judges, and we say what we think ourselves.
            assert "expired at" in building.told(OutletLost)[0].reason
            certificates.install("gateway", profiles.gateway(LOBBY))
            await until(lambda: building.told(OutletRestored) and relay.taken("P0"))


async def test_a_relay_that_does_not_accept_our_ca_is_said_in_words(
    building: Rig, relay: FakeRelay, certificates: Certificates, tmp_path: Path
) -> None:
    other = found(tmp_path / "other", trust_domain="np.example", passphrase=None)
    stranger = certificates.install("stranger", profiles.gateway(LOBBY), by=other)
    material = keystore.current(stranger)
    both = certificates.directory / "both"
    # It trusts the relay's CA as well as its own, so only the relay has a reason to refuse.
    trust = material.trust.read_bytes() + keystore.current(certificates.directory / "relay").trust.read_bytes()
    keystore.install(
        both,
        key=material.key.read_bytes(),
        cert=material.cert.read_bytes(),
        chain=material.chain.read_bytes(),
        trust=trust,
    )
    async with relay.listening(0, tls=certificates.server()) as port:
        outlet = building.outlet_with(name="cloud", url=f"https://127.0.0.1:{port}", identity=both)
        async with running(outlet):
            await until(lambda: building.told(OutletLost))
    reason = building.told(OutletLost)[0].reason
    assert "does not know the CA of our certificate" in reason or "refused our certificate" in reason


async def test_a_server_with_another_name_or_ca_is_not_spoken_to(
    building: Rig, relay: FakeRelay, certificates: Certificates
) -> None:
    certificates.install("relay", profiles.relay(("relay.example",)))
    async with relay.listening(0, tls=certificates.server()) as port:
        url = f"https://127.0.0.1:{port}"
        outlet = building.outlet_with(name="cloud", url=url, identity=certificates.directory / "gateway")
        async with running(outlet):
            await building.incident()
            await until(lambda: building.told(OutletLost))
    assert "is for another" in building.told(OutletLost)[0].reason
    assert relay.requests.total() == 0


async def test_nobody_at_the_address(building: Rig, certificates: Certificates) -> None:
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{free.getsockname()[1]}"
    outlet = building.outlet_with(name="cloud", url=url, identity=certificates.directory / "gateway")
    async with running(outlet):
        await until(lambda: building.told(OutletLost))
    assert building.told(OutletLost)[0].reason.endswith("cannot be reached: Connection refused")


async def test_no_identity_yet(building: Rig, tmp_path: Path) -> None:
    outlet = building.outlet_with(name="cloud", url="https://127.0.0.1:9", identity=tmp_path / "nothing")
    async with running(outlet):
        await until(lambda: building.told(OutletLost))
    assert "holds no identity" in building.told(OutletLost)[0].reason


async def test_the_connection_says_who_closed_it(relay: FakeRelay, certificates: Certificates) -> None:
    from agent.errors import OutletError

    async with relay.listening(0, tls=certificates.server()) as port:
        url, identity = f"https://127.0.0.1:{port}", certificates.directory / "gateway"
        peer = Peer.of(name="cloud", url=url, identity=identity, socket=None)
        relay.always["GET /v1/lanes"] = "drop_before"
        async with connect(peer) as client:
            with pytest.raises(OutletError, match="refused our certificate or closed the connection"):
                await client.watermarks("e")


async def test_the_channel_speaks_over_mutual_tls(building: Rig, relay: FakeRelay, certificates: Certificates) -> None:
    async with relay.listening(0, tls=certificates.server()) as port:
        channel = RelayChannel(
            name="cloud",
            url=f"https://127.0.0.1:{port}",
            identity=certificates.directory / "gateway",
            gateway=GATEWAY,
            epoch=lambda: building.store.epoch,
            software="test",
            database=building.store.database,
            cursors=building.store.cursors,
            intake=building.intake,
            clock=building.clock,
            states=dict,
            questions={},
        )
        async with running(channel):
            hello = await relay.expect(wire.AgentHello)
            assert (hello.gateway, hello.epoch) == (GATEWAY, building.store.epoch)
