"""sd_notify(3): one datagram to the socket systemd named, or nothing where there is none."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(message: str) -> None:
    """Send for example `READY=1`, `WATCHDOG=1`, `STATUS=...`; silent without systemd."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    # A manager that went away must not take the alarm system with it.
    with socket.socket(socket.AF_UNIX, kind) as channel, suppress(OSError):
        channel.sendto(message.encode(), address)


def watchdog_seconds() -> float | None:
    """How often systemd wants to hear from us: half of WATCHDOG_USEC; None when it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 2e6 if microseconds.isdigit() and int(microseconds) > 0 else None
