"""What a message costs from the broker to our hands: `python -m tests.bench.mqtt_receive [--messages N] [--json FILE]`.

The same messages, QoS 1, acknowledged one by one, received by a connection with and without reading ahead, in turns.
CPU of this process, all threads; a figure is void unless each message came once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from agent.devices.mqtt.connection import Connection
from hwlab.broker import Broker
from tests.integration.agent_process import USERS

BLAST = Path(__file__).parents[1] / "chaos" / "mqtt_blast.py"
TOPIC = "building/bench"


class Plain(Connection):
    """As paho does it: a system call for each piece of a packet and for each acknowledgement."""

    def _read_ahead(self) -> Any:
        raw = self._open_socket()
        assert isinstance(raw, socket.socket)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return raw

    def _flush(self, sock: Any) -> None:
        """Nothing is held."""


async def one(kind: type[Connection], broker: Broker, messages: int) -> float:
    """CPU µs a message."""
    connection = kind(
        host=broker.host, port=broker.port, client_id="bench", user="agent", password=USERS["agent"], tls=None,
        status_topic="bench/status",
    )  # fmt: skip
    environment = os.environ | {"NP_PASSWORD": USERS["sensor"]}
    argv = [sys.executable, str(BLAST), str(broker.port), TOPIC, str(messages // 2), "2", "1"]
    seen: set[bytes] = set()
    async with connection:
        await connection.subscribe(TOPIC, qos=1)
        sender = await asyncio.create_subprocess_exec(*argv, env=environment, stdout=asyncio.subprocess.PIPE)
        ending = asyncio.create_task(sender.communicate(), name="sender")
        began = time.process_time()
        async with asyncio.timeout(120):
            async for message in connection.received():
                seen.add(message.payload)
                connection.acknowledge(message)
                if ending.done() and len(seen) >= int(ending.result()[0].split()[0]):
                    break
                if len(seen) >= messages * 0.99 - 100 and not ending.done():
                    await asyncio.wait((ending,))
        used = time.process_time() - began
        await connection.unsubscribe(TOPIC)
    return used / len(seen) * 1e6


async def bench(messages: int, pairs: int) -> dict[str, Any]:
    """Both in turns."""
    figures: dict[str, list[float]] = {"plain": [], "read ahead": []}
    with tempfile.TemporaryDirectory() as folder:
        async with Broker(directory=Path(folder) / "broker", users=USERS, kind="mosquitto") as broker:
            config = broker.directory / "mosquitto.conf"
            lines = [line for line in config.read_text().splitlines() if not line.startswith("autosave")]
            config.write_text("\n".join([*lines, "autosave_interval 60", ""]))
            await broker.restart()
            for _ in range(pairs):
                figures["plain"].append(await one(Plain, broker, messages))
                figures["read ahead"].append(await one(Connection, broker, messages))
    medians = {name: round(statistics.median(values), 1) for name, values in figures.items()}
    return {"us_a_message": medians, "ratio": round(medians["read ahead"] / medians["plain"], 2), "runs": figures}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = asyncio.run(bench(arguments.messages, arguments.pairs))
    for name, value in result["us_a_message"].items():
        print(f"{name:<12} {value:6.1f} µs CPU a message")
    print(f"ratio        {result['ratio']}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
