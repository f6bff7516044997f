"""What the brokers are told, and the CONNECT we greet them with."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from hwlab import broker_config
from hwlab.errors import LabError
from hwlab.probe import connect_packet

USERS = {"agent": "long-enough", "building": 'quote"d\\word'}


def test_mosquitto_is_told_what_keeps_alarms(tmp_path: Path) -> None:
    config = broker_config.mosquitto(directory=tmp_path, host="127.0.0.1", port=1883, users=USERS)
    lines = config.read_text().splitlines()
    for line in (
        "listener 1883 127.0.0.1",
        "allow_anonymous false",
        "set_tcp_nodelay true",
        "max_inflight_messages 1000",
        "max_queued_messages 100000",
        "persistence true",
        "autosave_on_changes true",
    ):
        assert line in lines
    passwords = tmp_path / "passwords"
    assert {config.stat().st_mode & 0o777, passwords.stat().st_mode & 0o777} == {0o600}
    name, _, stored = passwords.read_text().splitlines()[0].partition(":")
    _, kind, rounds, salt, key = stored.split("$")
    assert (name, kind) == ("agent", "7")
    wanted = hashlib.pbkdf2_hmac("sha512", b"long-enough", base64.b64decode(salt), int(rounds))
    assert base64.b64decode(key) == wanted
    assert "long-enough" not in passwords.read_text()


def test_nats_is_told_what_keeps_alarms(tmp_path: Path) -> None:
    config = broker_config.nats(directory=tmp_path, host="127.0.0.1", port=1883, users=USERS)
    text = config.read_text()
    assert config.stat().st_mode & 0o777 == 0o600
    for part in ("sync_interval: always", 'ack_wait: "2s"', "max_ack_pending: 1000", 'listen: "127.0.0.1:1883"'):
        assert part in text
    assert r'password: "quote\"d\\word"' in text
    assert "0.0.0.0" not in text


@pytest.mark.parametrize(
    "users",
    [{}, {"a b": "long-enough"}, {"a": "short"}, {"a": "with a space"}, {"a": "$2a$looks-hashed"}, {"a\n": "x" * 9}],
)
def test_users_no_broker_file_could_hold(users: dict[str, str]) -> None:
    with pytest.raises(LabError, match="user"):
        broker_config.check_users(users)


def test_an_error_about_a_password_does_not_show_it() -> None:
    with pytest.raises(LabError) as caught:
        broker_config.check_users({"agent": "my secret"})
    assert "my secret" not in str(caught.value)


def test_connect_packet() -> None:
    packet = connect_packet(client_id="c", user="u", password="p")
    assert packet == b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x0a\x00\x01c\x00\x01u\x00\x01p"
    assert connect_packet(client_id="c" * 200, user="u", password="p")[:3] == b"\x10\xda\x01"
