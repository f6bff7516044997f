"""What Mosquitto and the NATS server must be told so that no alarm is lost in the broker; files of mode 0600."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pwd
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from hwlab.errors import LabError

_SAVING = {
    True: ("autosave_on_changes true", "autosave_interval 1"),
    False: ("autosave_on_changes false", "autosave_interval 5"),
}
_ROUNDS = 101  # Mosquitto's own figure; these passwords are random


def check_users(users: Mapping[str, str]) -> None:
    """Names and passwords that both brokers' files can hold."""
    if not users:
        raise LabError("the broker needs at least one user; pass users={name: password}")
    for name, password in users.items():
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
            raise LabError(f"user name {name!r}: use letters, digits, dot, dash and underscore only")
        if not re.fullmatch(r"[\x21-\x7e]{8,128}", password) or password.startswith("$2"):
            raise LabError(f"the password of user {name!r}: use 8 to 128 printable ASCII characters, without spaces")


def write_private(path: Path, text: str) -> None:
    """Replace a file, never readable by others."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def mosquitto(*, directory: Path, host: str, port: int, users: Mapping[str, str], save_each: bool = True) -> Path:
    """Configuration and password file for Mosquitto 2; the path of the configuration."""
    passwords, store = directory / "passwords", directory / "store"
    store.mkdir(mode=0o700, exist_ok=True)
    write_private(passwords, "".join(f"{name}:{_mosquitto_hash(word)}\n" for name, word in users.items()))
    config = directory / "mosquitto.conf"
    lines = (
        "per_listener_settings false",
        f"listener {port} {host}",
        "allow_anonymous false",
        f"password_file {passwords}",
        f"user {pwd.getpwuid(os.getuid()).pw_name}",  # as root it would change to a user who cannot read this folder
        "set_tcp_nodelay true",  # without it two small messages cost 40 ms
        "max_inflight_messages 1000",  # the defaults (20, 1000) lose acknowledged messages of a slow subscriber
        "max_queued_messages 100000",
        "persistence true",
        f"persistence_location {store}/",
        *_SAVING[save_each],
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
    )
    write_private(config, "\n".join(lines) + "\n")
    return config


def _mosquitto_hash(password: str) -> str:
    salt = secrets.token_bytes(12)
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS)
    return f"$7${_ROUNDS}${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def nats(*, directory: Path, host: str, port: int, users: Mapping[str, str]) -> Path:
    """Configuration for the NATS server in MQTT mode; the path of the file."""
    store = directory / "store"
    store.mkdir(mode=0o700, exist_ok=True)
    rights = 'permissions: { publish: ">", subscribe: ">" }'
    entries = "\n".join(
        f"      {{ user: {json.dumps(name)}, password: {json.dumps(word)}, {rights} }}" for name, word in users.items()
    )
    # The default fsync is every two minutes and the default window 100 messages; ack_wait is how late what was not
    # acknowledged comes again.
    text = f"""server_name: hwlab
listen: "{host}:-1"
jetstream {{ store_dir: {json.dumps(str(store))}, max_file: 1GB, max_mem: 64MB, sync_interval: always }}
accounts {{
  SITE {{
    jetstream: enabled
    users: [
{entries}
    ]
  }}
}}
mqtt {{ listen: "{host}:{port}", ack_wait: "2s", max_ack_pending: 1000 }}
"""
    config = directory / "nats.conf"
    write_private(config, text)
    return config
