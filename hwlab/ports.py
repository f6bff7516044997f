"""Free loopback ports, from below the range the kernel lends to outgoing connections: a broker that is killed and
started again must find its port still free."""

from __future__ import annotations

import secrets
import socket

from hwlab.errors import NotReady

_FIRST, _COUNT, _TRIES = 20_000, 12_000, 200


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    for _ in range(_TRIES):
        port = _FIRST + secrets.randbelow(_COUNT)
        if is_free(port):
            return port
    raise NotReady(f"no free TCP port found on 127.0.0.1 between {_FIRST} and {_FIRST + _COUNT}; close some programs")


def is_free(port: int) -> bool:
    """Whether nobody listens on a port; what lingers of closed connections does not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
