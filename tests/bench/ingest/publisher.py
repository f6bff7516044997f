"""Many contacts that open and close as fast as the broker takes it, or at a rate: QoS 1, numbered, each once.

A bare MQTT 3.1.1 client on one socket, so that what publishes costs next to nothing beside what is measured. Prints how
many the broker has acknowledged, as JSON.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import time

WINDOW = 500  # messages on their way


def _string(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(2, "big") + data


def _packet(kind: int, body: bytes) -> bytes:
    length, size = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + size + body


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise SystemExit("the broker closed the connection")
        data += piece
    return data


def _connect(port: int, user: str, password: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    head = _string("MQTT") + bytes([4, 0xC2, 0, 60])
    connection.sendall(_packet(0x10, head + _string("bench-publisher") + _string(user) + _string(password)))
    answer = _exactly(connection, 4)
    if answer[3] != 0:
        raise SystemExit(f"the broker refuses the publisher ({answer[3]})")
    return connection


def publish(port: int, user: str, password: str, *, devices: int, events: int, rate: float) -> int:
    """Publish `events` in turn over `devices` topics (`rate` a second, 0: as fast as they are taken); how many were
    acknowledged."""
    connection = _connect(port, user, password)
    began, sent, acked, left = time.monotonic(), 0, 0, b""
    while acked < events:
        room = min(WINDOW - (sent - acked), events - sent)
        if rate:
            room = min(room, int((time.monotonic() - began) * rate) - sent)
        batch = []
        for number in range(sent, sent + room):
            device, turn = number % devices, number // devices
            closed = "true" if turn % 2 else "false"
            payload = f'{{"contact":{closed},"n":{number + 1},"battery":97}}'.encode()
            body = _string(f"building/bench-{device}") + (number % 65_535 + 1).to_bytes(2, "big") + payload
            batch.append(_packet(0x32, body))
        if batch:
            connection.sendall(b"".join(batch))
            sent += len(batch)
        elif rate and sent == acked:
            time.sleep(0.001)
            continue
        connection.settimeout(0.001 if rate else None)
        try:
            left += connection.recv(65_536)
        except TimeoutError:
            continue
        acked += len(left) // 4  # all that comes is PUBACK, four bytes each
        left = left[len(left) // 4 * 4 :]
    connection.close()
    return acked


def main() -> None:
    parser = argparse.ArgumentParser()
    for name, kind in (("port", int), ("user", str), ("devices", int), ("events", int), ("rate", float)):
        parser.add_argument(f"--{name}", type=kind, required=True)
    arguments = parser.parse_args()
    acked = publish(
        arguments.port,
        arguments.user,
        sys.stdin.readline().strip(),
        devices=arguments.devices,
        events=arguments.events,
        rate=arguments.rate,
    )
    print(json.dumps({"acked": acked}))


if __name__ == "__main__":
    main()
