"""The two that are measured, as processes of their own: the real agent, and the plain pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tests.integration.agent_process import USERS, Agent

TICKS = os.sysconf("SC_CLK_TCK")


class Contestant(Protocol):
    """Something that takes messages from a broker and keeps each."""

    name: str

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def rows(self) -> int: ...
    def cpu(self) -> float: ...


def slow_disk(milliseconds: int) -> list[str]:
    """A command prefix that lets every fsync take so much longer. strace's own work is not counted: only the traced
    process is, and of it only these calls stop (seccomp)."""
    if not milliseconds:
        return []
    strace = shutil.which("strace")
    if strace is None:
        raise SystemExit("a slow disk is made with strace (Debian package strace)")
    calls = "fsync,fdatasync"
    return [strace, "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={calls}",
            "-e", f"inject={calls}:delay_exit={milliseconds * 1000}"]  # fmt: skip


def cpu_of(pid: int) -> float:
    """Seconds of CPU of a process: user and system, all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def traced(pid: int) -> int:
    """The process itself where `pid` is a tracer's."""
    if Path(f"/proc/{pid}/comm").read_text().strip() != "strace":
        return pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def count(database: Path, query: str) -> int:
    """One number out of a store, read beside its writer; 0 while there is none."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def document(*, devices: int, rules: int) -> str:
    """A site of so many contacts, and so many rules of five conditions for devices that stay silent."""
    lines = ["site: {id: house, name: The House}", "devices:"]
    lines += [_contact(f"bench-{n}") for n in range(devices)]
    lines += [_contact(f"other-{n}") for n in range(100)]
    lines += [
        _contact("door"),
        '  - {id: siren, type: siren, mqtt: {topic: building/siren, field: state, "on": "ON", "off": "OFF",',
        '      command: {topic: building/siren/set, "on": "ON", "off": "OFF"}}}',
        "schedules:",
        '  nights: {weekly: [{days: [mon-fri], from: "22:00", to: "06:00"}]}',
        "rules:",
        "  - id: alarm",
        "    name: Door opened",
        "    when: {event: contact.opened, device: door}",
        "    storm: {more_than: 1000, within: 1s}",
        '    then: [{command: {device: siren, set: "on", for: 1s}}]',
    ]
    for n in range(rules):
        device = f"other-{n % 100}"
        lines += [
            f"  - id: rule-{n}",
            f"    name: Rule {n}",
            f"    when: {{event: contact.opened, device: {device}}}",
            "    if:",
            "      - {schedule: nights}",
            f"      - {{not: {{recent: {{event: contact.closed, device: {device}, within: 30s}}}}}}",
            f"    then: [{{open_incident: {{severity: low, title: Rule {n}}}}}]",
        ]
    return "\n".join(lines) + "\n"


def _contact(name: str) -> str:
    return (
        f"  - {{id: {name}, type: contact, "
        f"mqtt: {{topic: building/{name}, field: contact, open: false, closed: true}}}}"
    )


@dataclass
class Ours:
    """The agent as it is installed: durable before it acknowledges."""

    folder: Path
    port: int
    disk: int
    devices: int
    rules: int
    name: str = "nightporter"

    def __post_init__(self) -> None:
        self.agent = Agent(
            folder=self.folder, port=self.port, site=document(devices=self.devices, rules=self.rules),
            command=slow_disk(self.disk),
        )  # fmt: skip

    async def start(self) -> None:
        await self.agent.start()
        await self.agent.until(lambda: "broker.connected" in self.agent.log_file.read_text(), seconds=30)
        await asyncio.sleep(0.5)  # what the connection itself brought is written

    async def stop(self) -> None:
        assert self.agent.pid is not None
        os.kill(traced(self.agent.pid), signal.SIGTERM)  # a tracer stands between, and would leave it running
        async with asyncio.timeout(30):
            await self.agent.child().wait()

    def rows(self) -> int:
        return count(self.agent.database, "SELECT count(*) FROM log WHERE kind LIKE 'contact.%'")

    def cpu(self) -> float:
        assert self.agent.pid is not None
        return cpu_of(traced(self.agent.pid))


@dataclass
class Plain:
    """The peer."""

    folder: Path
    port: int
    disk: int
    rules: int
    name: str = "plain pipeline"

    async def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._database = self.folder / "plain.db"
        words = [
            *slow_disk(self.disk), sys.executable, "-m", "tests.bench.ingest.baseline", "--port", str(self.port),
            "--user", "agent", "--database", str(self._database), "--rules", str(self.rules),
        ]  # fmt: skip
        self._process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        self._process.stdin.write(f"{USERS['agent']}\n".encode())
        self._process.stdin.close()
        ready = Path(f"{self._database}.ready")
        async with asyncio.timeout(20):
            while not ready.exists():
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)

    async def stop(self) -> None:
        os.kill(traced(self._process.pid), signal.SIGTERM)
        await self._process.wait()

    def rows(self) -> int:
        return count(self._database, "SELECT count(*) FROM log")

    def cpu(self) -> float:
        return cpu_of(traced(self._process.pid))
