"""A sensor gone mad: `mqtt_blast.py PORT TOPIC PER_SECOND SECONDS QOS`, password in NP_PASSWORD; prints what it sent.

Written from the MQTT 3.1.1 specification. What it says changes back and forth, with a counter in it.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time


def text(value: str) -> bytes:
    data = value.encode()
    return len(data).to_bytes(2) + data


def packet(kind: int, body: bytes) -> bytes:
    length, left = bytearray(), len(body)
    while True:
        left, digit = divmod(left, 128)
        length.append(digit | (128 if left else 0))
        if not left:
            return bytes([kind]) + bytes(length) + body


def publish(topic: bytes, payload: bytes, *, qos: int, number: int) -> bytes:
    mark = (number % 65_535 + 1).to_bytes(2) if qos else b""
    return packet(0x30 | qos << 1, topic + mark + payload)


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    flags = 0x80 | 0x40 | 0x02  # user, password, clean session
    who = text("mad-sensor") + text("sensor") + text(os.environ["NP_PASSWORD"])
    body = text("MQTT") + bytes([4, flags, 0, 0]) + who
    connection.sendall(packet(0x10, body))
    answer = connection.recv(4)
    if len(answer) < 4 or answer[3]:
        raise SystemExit(f"the broker refused the connection: {answer!r}")
    return connection


def drain(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def main(port: int, topic: str, per_second: int, seconds: float, qos: int) -> None:
    connection, name = connect(port), text(topic)
    threading.Thread(target=drain, args=(connection,), daemon=True).start()
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * per_second)
        if due == sent:
            time.sleep(0.002)
            continue
        parts = []
        for number in range(sent, due):
            word = "true" if number % 2 else "false"
            parts.append(publish(name, f'{{"contact": {word}, "n": {number}}}'.encode(), qos=qos, number=number))
        connection.sendall(b"".join(parts))
        sent = due
    time.sleep(0.2)
    connection.sendall(packet(0xE0, b""))
    print(sent, round(sent / (time.monotonic() - began)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), int(sys.argv[5]))
