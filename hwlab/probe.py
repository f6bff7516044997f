"""A real MQTT 3.1.1 CONNECT, from the specification: is the broker there, and does it take these credentials?"""

from __future__ import annotations

import asyncio
import secrets
import struct

ACCEPTED = 0


def connect_packet(*, client_id: str, user: str, password: str) -> bytes:
    """CONNECT with a clean session and a keep-alive of 10 s (MQTT 3.1.1, 3.1)."""
    flags = 0x80 | 0x40 | 0x02
    body = _text("MQTT") + bytes((4, flags)) + struct.pack(">H", 10) + _text(client_id) + _text(user) + _text(password)
    length, header = len(body), bytearray((0x10,))
    while True:
        length, digit = divmod(length, 128)
        header.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(header) + body


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack(">H", len(data)) + data


async def connect_code(*, host: str, port: int, user: str, password: str, patience: float = 2.0) -> int | None:
    """The CONNACK's return code (0 accepted, 4 or 5 refused), or None when nobody answers as a broker does."""
    try:
        async with asyncio.timeout(patience):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(connect_packet(client_id=f"probe-{secrets.token_hex(4)}", user=user, password=password))
                answer = await reader.readexactly(4)
                writer.write(b"\xe0\x00")  # DISCONNECT
                await writer.drain()
            finally:
                writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return None
    return answer[3] if answer[:2] == b"\x20\x02" else None
