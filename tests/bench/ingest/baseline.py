"""The plain pipeline that one would write first, kept as an honest peer: aiomqtt, a pydantic model, a list of rules one
after the other, and one aiosqlite transaction an event with `synchronous=FULL`.

It acknowledges before it has written, as aiomqtt does; that is in its favour here.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

import aiomqtt
import aiosqlite
from pydantic import BaseModel


class Message(BaseModel):
    """What a contact says."""

    contact: bool
    n: int
    battery: int


Rule = Callable[[str, Message], bool]


def rules(count: int) -> list[Rule]:
    """Rules of five conditions, each for a device that never speaks here."""

    def one(device: str) -> Rule:
        return lambda topic, message: (
            topic == device
            and not message.contact
            and message.battery > 5
            and message.n > 0
            and time.localtime().tm_hour > 30
        )

    return [one(f"building/other-{number}") for number in range(count)]


async def run(port: int, user: str, password: str, database: Path, *, count: int) -> None:
    """Work until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    listening = rules(count)
    async with aiosqlite.connect(database, isolation_level=None) as store:
        await store.execute("PRAGMA journal_mode=WAL")
        await store.execute("PRAGMA synchronous=FULL")
        await store.execute("CREATE TABLE log (pos INTEGER PRIMARY KEY, topic TEXT, at INTEGER, bytes BLOB)")
        nodelay = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
        async with aiomqtt.Client(
            "127.0.0.1", port, username=user, password=password, identifier="bench-plain", clean_session=False,
            max_queued_incoming_messages=0, socket_options=nodelay,
        ) as client:  # fmt: skip
            await client.subscribe("building/#", qos=1)
            Path(f"{database}.ready").touch()
            work = asyncio.create_task(_work(client, store, listening), name="work")
            await stop.wait()
            work.cancel()


async def _work(client: aiomqtt.Client, store: aiosqlite.Connection, listening: list[Rule]) -> None:
    async for message in client.messages:
        payload = message.payload
        assert isinstance(payload, bytes)
        read = Message.model_validate_json(payload)
        for rule in listening:
            if rule(str(message.topic), read):
                raise AssertionError("no rule of this bench matches")
        await store.execute("BEGIN IMMEDIATE")
        await store.execute(
            "INSERT INTO log (topic, at, bytes) VALUES (?, ?, ?)", (str(message.topic), time.time_ns(), payload)
        )
        await store.execute("COMMIT")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--database", type=Path, required=True)
    parser.add_argument("--rules", type=int, required=True)
    arguments = parser.parse_args()
    password = sys.stdin.readline().strip()
    asyncio.run(run(arguments.port, arguments.user, password, arguments.database, count=arguments.rules))


if __name__ == "__main__":
    main()
