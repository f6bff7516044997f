"""A tap on the line between the agent and its broker: passes every byte on, and writes down what the agent has
acknowledged. That is what the broker believes to be in safe hands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress

from hwlab.crew import crew
from hwlab.journal import Journal

_CONNECT, _PUBLISH, _PUBACK = 1, 3, 4
_Look = Callable[[int, int, bytes], None]  # kind, flags, body of a packet
_LARGEST = 1 << 20  # bytes of one packet; MQTT allows more, this laboratory sends none


class Tap:
    """Listens on 127.0.0.1:`port`, speaks with the broker on `broker`; runs until cancelled."""

    def __init__(self, *, port: int, broker: int, journal: Journal) -> None:
        self.port = port
        self._broker = broker
        self._journal = journal

    async def run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        async with server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            towards, onwards = await asyncio.open_connection("127.0.0.1", self._broker)
        except OSError:  # the broker is down, and looks so from here too
            writer.close()
            return
        session = _Session(self._journal)
        try:
            async with crew() as group:
                both = [
                    group.create_task(_pass(reader, onwards, session.from_agent), name="tap.up"),
                    group.create_task(_pass(towards, writer, session.to_agent), name="tap.down"),
                ]
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in both:
                    task.cancel()
        finally:
            for each in (writer, onwards):
                each.close()


class _Session:
    """What is on its way to the agent on one connection, by packet id."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._version = 4
        self._waiting: dict[int, tuple[str, int]] = {}

    def from_agent(self, kind: int, _flags: int, body: bytes) -> None:
        if kind == _CONNECT:
            self._version = body[2 + int.from_bytes(body[:2], "big")]
        elif kind == _PUBACK:
            told = self._waiting.pop(int.from_bytes(body[:2], "big"), None)
            if told is not None:
                # Written before the broker has it: what is not in the journal may be acknowledged, never the reverse.
                self._journal.add("agent", "took", of=told[0], number=told[1])

    def to_agent(self, kind: int, flags: int, body: bytes) -> None:
        if kind != _PUBLISH or not flags & 0b0110:
            return
        length = int.from_bytes(body[:2], "big")
        topic, rest = body[2 : 2 + length].decode("utf-8", "replace"), body[2 + length :]
        packet, payload = int.from_bytes(rest[:2], "big"), rest[2:]
        if self._version >= 5:
            size, used = _number(payload)
            payload = payload[used + size :]
        with suppress(ValueError, AttributeError):
            n = json.loads(payload).get("n")
            if isinstance(n, int):
                self._waiting[packet] = (topic.rpartition("/")[2], n)


def _number(data: bytes) -> tuple[int, int]:
    """A variable byte integer: its value and how many bytes it took."""
    value = 0
    for place, byte in enumerate(data[:4]):
        value |= (byte & 0x7F) << (7 * place)
        if not byte & 0x80:
            return value, place + 1
    raise ValueError("that is no length of MQTT")


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, look: _Look) -> None:
    with suppress(asyncio.IncompleteReadError, ConnectionError, ValueError):
        while True:
            head = await reader.readexactly(2)
            while head[-1] & 0x80 and len(head) < 5:
                head += await reader.readexactly(1)
            size, _ = _number(head[1:])
            if size > _LARGEST:
                return
            body = await reader.readexactly(size)
            look(head[0] >> 4, head[0] & 0x0F, body)
            writer.write(head + body)
            await writer.drain()
