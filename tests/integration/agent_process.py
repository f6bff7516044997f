"""The real agent as a process, in a folder of its own: started, killed, stopped, and its log read from outside."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from hwlab.child import Child

GATEWAY = "gw-1"
# Of this run alone: the sensors of another run, whose broker is gone and whose port is ours now, must not get in.
USERS = {"agent": f"agent-{secrets.token_hex(8)}", "sensor": f"sensor-{secrets.token_hex(8)}"}
SITE = """
site: {id: house, name: The House}
devices:
  - {id: door, name: Server room door, type: contact,
     mqtt: {topic: building/door, field: contact, open: false, closed: true}}
  - {id: hatch, type: contact, mqtt: {topic: building/hatch, field: contact, open: false, closed: true}}
  - {id: heat, type: temperature, mqtt: {topic: building/heat, field: temperature}}
  - {id: siren, type: siren, mqtt: {topic: building/siren, field: state, "on": "ON", "off": "OFF",
      command: {topic: building/siren/set, "on": '{"state":"ON"}', "off": '{"state":"OFF"}'}}}
rules:
  - id: alarm
    name: Door opened
    when: {event: contact.opened, device: door}
    storm: {more_than: 1000, within: 1s}  # a night of these tests is a storm, and each opening shall be told
    then:
      - open_incident: {severity: high, title: "{{ device.name }} opened", group: 0s}
      - command: {device: siren, set: "on", for: 1h}
"""


class Agent:
    """`start` returns at READY. `command` stands before the program, as a tracer does."""

    def __init__(
        self,
        *,
        folder: Path,
        port: int,
        password: str = USERS["agent"],
        site: str = SITE,
        command: list[str] | None = None,
    ) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "agent.yaml").write_text(
            f"gateway: {{tenant: demo, site: house, id: {GATEWAY}}}\n"
            "paths: {data: data, media: media, secrets: secrets, run: run}\n"
            f"broker: {{host: 127.0.0.1, port: {port}, user: agent, password: {{secret: mqtt}}}}\n"
        )
        secrets = folder / "secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        (secrets / "mqtt").touch(mode=0o600)
        (secrets / "mqtt").write_text(password)
        data = folder / "data"
        data.mkdir(exist_ok=True)
        if not (data / "log.db").exists():
            (data / "site.next").write_text(json.dumps({"text": site, "who": "test", "why": "test"}))
        self._argv = [*(command or []), sys.executable, "-m", "nightporter", "agent", "run"]
        self._child: Child | None = None

    @property
    def log_file(self) -> Path:
        return self.folder / "agent.log"

    @property
    def database(self) -> Path:
        return self.folder / "data" / "log.db"

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    def child(self) -> Child:
        assert self._child is not None, "the agent was not started"
        return self._child

    async def start(self, *, failpoint: str = "", program: list[str] | None = None, seconds: float = 20.0) -> float:
        """Start it; seconds from exec to READY. `program` instead of the agent's own command line."""
        argv = [*(program or self._argv), "--config", str(self.folder / "agent.yaml")]
        self._child = Child(name="agent", argv=argv, log_file=self.log_file)
        with notifications() as (address, channel):
            began = asyncio.get_running_loop().time()
            env = {"NOTIFY_SOCKET": address, "NIGHTPORTER_FAILPOINT": failpoint, "PYTHONFAULTHANDLER": "1"}
            await self._child.start(env=env)
            ended = asyncio.create_task(self._child.wait(), name="agent ended")
            ready = asyncio.create_task(_ready(channel), name="agent ready")
            try:
                async with asyncio.timeout(seconds):
                    await asyncio.wait((ended, ready), return_when=asyncio.FIRST_COMPLETED)
            except TimeoutError:
                raise AssertionError(f"the agent was not ready after {seconds} s:\n{self.tail()}") from None
            finally:
                ready.cancel()
                ended.cancel()
            took = asyncio.get_running_loop().time() - began
        if self._child.returncode is not None and not failpoint:
            raise AssertionError(f"the agent ended with {self._child.returncode}:\n{self.tail()}")
        return took

    async def died(self, *, seconds: float = 20.0) -> None:
        """Wait until it has killed itself at a fail-point."""
        try:
            async with asyncio.timeout(seconds):
                status = await self.child().wait()
        except TimeoutError:
            raise AssertionError(f"the fail-point was not reached:\n{self.tail()}") from None
        assert status == -signal.SIGKILL, f"it ended with {status}:\n{self.tail()}"

    async def kill(self) -> None:
        await self.child().kill()

    async def stop(self) -> int:
        """An orderly stop; its exit status."""
        await self.child().stop(grace=15)
        return self.child().returncode or 0

    def tail(self) -> str:
        return self.child().tail(30)

    # --- its log, read from outside --------------------------------------------------------------------------------

    def query(self, sql: str, *parameters: Any) -> list[Any]:
        """Rows of its store; a single column comes as a plain list."""
        if not self.database.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True, timeout=5)) as connection:
            rows = connection.execute(sql, parameters).fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def records(self, kind: str) -> list[dict[str, Any]]:
        """The records of a kind (LIKE), in order."""
        return [json.loads(data) for data in self.query("SELECT bytes FROM log WHERE kind LIKE ? ORDER BY pos", kind)]

    def heard(self, device: str) -> list[int]:
        """The counters of a device's messages, in the order of the log."""
        bodies = [record["body"] for record in self.records("contact.%")]
        return [body["n"] for body in bodies if body["device"] == device and "n" in body]

    async def until(self, condition: Callable[[], object], *, seconds: float = 15.0, what: str = "it") -> None:
        """Look at the log from time to time; AssertionError with the agent's last lines when it does not become so."""
        end = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < end, f"{what} did not happen:\n{self.tail()}"
            await asyncio.sleep(0.02)


@contextlib.contextmanager
def notifications() -> Iterator[tuple[str, socket.socket]]:
    """A socket as systemd's NOTIFY_SOCKET; in a short path, because such an address holds 107 bytes."""
    folder = tempfile.mkdtemp(prefix="np-")
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.bind(os.path.join(folder, "n"))
            channel.setblocking(False)
            yield os.path.join(folder, "n"), channel
    finally:
        shutil.rmtree(folder)


async def _ready(channel: socket.socket) -> None:
    while b"READY=1" not in await asyncio.get_running_loop().sock_recv(channel, 4096):
        pass


@contextlib.asynccontextmanager
async def running(agent: Agent, **options: Any) -> AsyncIterator[Agent]:
    """Started inside the block, killed at its end if it still runs."""
    await agent.start(**options)
    try:
        yield agent
    finally:
        await agent.kill()
