"""The MQTT connection over TLS: messages of every size arrive whole, in order, once, and small writes leave at once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import pytest

from agent.devices.mqtt.connection import Connection
from certs import keystore, profiles
from certs.founding import found
from certs.parts import key_pem, new_key
from hwlab.broker import Broker
from hwlab.ports import free_port
from tests.integration.agent_process import USERS

SIZES = [0, 1, 100, 8_100, 8_192, 8_193, 16_384, 20_000, 65_000]


@pytest.mark.parametrize("tls", [False, True])
async def test_messages_of_every_size(tmp_path: Path, tls: bool, peer: Callable[[str], str]) -> None:
    peer("mosquitto")
    authority = found(tmp_path / "ca", trust_domain="np.example", passphrase=None)
    key = new_key()
    issued = authority.issue(profiles.relay(("127.0.0.1",)), key.public_key())
    place = keystore.install(
        tmp_path / "broker-identity", key=key_pem(key), cert=issued.cert, chain=issued.chain, trust=issued.trust
    )
    async with Broker(directory=tmp_path / "broker", users=USERS, kind="mosquitto") as broker:
        secure = free_port()
        config = broker.directory / "mosquitto.conf"
        listener = (
            f"listener {secure} 127.0.0.1", f"certfile {place.chain}", f"keyfile {place.key}", "tls_version tlsv1.3",
        )  # fmt: skip
        config.write_text(config.read_text() + "\n".join([*listener, ""]))
        await broker.restart()
        connection = Connection(
            host="127.0.0.1",
            port=secure if tls else broker.port,
            client_id="tls-test",
            user="agent",
            password=USERS["agent"],
            tls=ssl.create_default_context(cafile=str(place.trust)) if tls else None,
            status_topic="test/status",
        )
        sent = [number.to_bytes(2) + b"x" * size for number, size in enumerate(SIZES * 12)]
        async with (
            connection,
            aiomqtt.Client("127.0.0.1", broker.port, username="sensor", password=USERS["sensor"]) as sensor,
        ):
            assert connection.no_delay
            await connection.subscribe("t/x", qos=1)

            async def send() -> None:
                for payload in sent:
                    await sensor.publish("t/x", payload, qos=1)

            sending = asyncio.create_task(send(), name="sensor")
            seen: list[bytes] = []
            async with asyncio.timeout(30):
                async for message in connection.received():
                    seen.append(message.payload)
                    connection.acknowledge(message)
                    if len(seen) == len(sent):
                        break
            await sending
            assert seen == sent
            await connection.publish("t/y", b"z" * 200_000, qos=1)  # more than is held to be sent at once
