"""One town for many faults: building, gateway and both relays as real processes, and what is seen of them from outside.

Where this user may mount, the gateway's data and media lie on small file systems of their own, which a test can fill.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hwlab.building import Building
from hwlab.child import Child
from hwlab.demo.desk import Desk
from hwlab.demo.estate import GATEWAY, Estate, command, prepare
from hwlab.demo.processes import Processes
from hwlab.demo.show import wait_for_footage
from hwlab.demo.visitor import Visitor, printed_code
from hwlab.instant import boot_now

ROOT = Path(__file__).resolve().parents[2]
TICKS = os.sysconf("SC_CLK_TCK")
VANDAL = "vandal"
PRE, POST, SIREN = 3, 6, 2  # seconds
DISK = "256m"  # room for the ballast too; what is below 64 MiB free counts as full


def nightporter(*words: str, cwd: Path, seconds: float = 20.0) -> subprocess.CompletedProcess[str]:
    """A command of the product, run to its end."""
    return subprocess.run(
        [sys.executable, "-m", "nightporter", *words],
        capture_output=True,
        text=True,
        timeout=seconds,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def rows(path: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """What a database says, read from outside."""
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
        return connection.execute(sql, parameters).fetchall()


def cpu(pid: int) -> float:
    """Seconds of processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


@dataclass(kw_only=True)
class Town:
    """Everything that runs, and a person signed in at each relay."""

    building: Building
    estate: Estate
    processes: Processes
    cloud: Visitor
    box: Visitor
    disks: bool
    vandal: str = field(repr=False)
    told: list[dict[str, Any]] = field(default_factory=list)
    garbage: dict[str, int] = field(default_factory=dict)  # topic -> unreadable messages published there
    garbage_until: float = 0.0  # monotonic clock

    @property
    def gateway(self) -> Path:
        return self.estate.directory / "gateway"

    @property
    def log(self) -> Path:
        return self.gateway / "data" / "log.db"

    @property
    def relays(self) -> dict[str, Path]:
        """The database of each relay."""
        return {"cloud": self.estate.cloud / "data" / "relay.db", "box": self.estate.box / "data" / "relay.db"}

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Bodies of the records of a kind (LIKE) in the gateway's log, in order."""
        found = rows(self.log, "SELECT bytes FROM log WHERE kind LIKE ? ORDER BY pos", kind)
        return [json.loads(data)["body"] for (data,) in found]

    def heard(self) -> list[int]:
        """Counters of the door's messages, in the order of the log."""
        return [body["n"] for body in self.records("contact.%")]

    def trouble(self, relay: str, key: str) -> str | None:
        """The reason of a trouble that a relay shows; None when it shows none."""
        found = rows(self.relays[relay], "SELECT reason FROM trouble WHERE gateway = ? AND key = ?", GATEWAY, key)
        return str(found[0][0]) if found else None

    async def troubled(self, key: str, words: str = "", *, relays: tuple[str, ...] = ("cloud", "box")) -> None:
        """Wait until these relays show the trouble, with these words in its reason."""
        for relay in relays:
            shown = partial(self._shows, relay, key, words)
            await until(shown, what=f"the trouble {key} ({words}) at {relay}", seconds=50)

    async def untroubled(self, key: str, *, relays: tuple[str, ...] = ("cloud", "box")) -> None:
        """Wait until these relays show the trouble no more."""
        for relay in relays:
            gone = partial(self._shows_no, relay, key)
            await until(gone, what=f"no trouble {key} at {relay}", seconds=60)

    def _shows(self, relay: str, key: str, words: str) -> bool:
        reason = self.trouble(relay, key)
        return reason is not None and words in reason

    def _shows_no(self, relay: str, key: str) -> bool:
        return self.trouble(relay, key) is None

    async def arrived(self, *incidents: str) -> None:
        """Wait until both relays have these incidents."""
        for relay in self.relays:
            there = partial(self._has, relay, set(incidents))
            await until(there, what=f"the incidents at {relay}", seconds=60)

    def _has(self, relay: str, incidents: set[str]) -> bool:
        return incidents <= set(self.incidents(relay))

    async def pages_say(self, sentence: str) -> None:
        """Both consoles' first pages, as a person reads them."""
        for visitor in (self.cloud, self.box):
            assert sentence in await self.page(visitor)

    def incidents(self, relay: str) -> list[str]:
        return [str(row[0]) for row in rows(self.relays[relay], "SELECT id FROM incident WHERE opened IS NOT NULL")]

    def clips(self, relay: str, incident: str) -> list[tuple[str, str | None]]:
        """State and reason of an incident's clips."""
        return rows(self.relays[relay], "SELECT state, reason FROM clip WHERE incident = ?", incident)

    async def page(self, visitor: Visitor) -> str:
        """The first page, as its reader has it: without tags."""
        text = (await visitor.fetch("/")).decode()
        return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))

    async def alarm(self) -> str:
        """Close and open the door: the siren must sound. The incident, once the box's relay has it."""
        door, siren = self.building.sensor("server-room-door"), self.building.siren("siren-1")
        before = set(self.incidents("box"))
        await door.close()
        await until(lambda: not siren.sounding, what="the silent siren", seconds=SIREN + 8)
        orders = len(siren.commands)
        opened = boot_now()
        await door.open()
        commanded = await siren.commanded(orders + 1)
        assert '"ON"' in commanded[orders][1]
        assert commanded[orders][0] - opened < 1_000_000, "the siren waits for nothing"
        await until(lambda: set(self.incidents("box")) - before, what="the incident at the box")
        (incident,) = set(self.incidents("box")) - before
        return incident

    async def sealed(self, incident: str, *, relay: str = "cloud", seconds: float = 30.0) -> str | None:
        """Why the incident's clip was sealed, once it was."""
        await until(
            lambda: [state for state, _ in self.clips(relay, incident)] == ["sealed"],
            what=f"the sealed clip at {relay}", seconds=seconds,
        )  # fmt: skip
        return self.clips(relay, incident)[0][1]

    @contextlib.asynccontextmanager
    async def calm(self, *, seconds: float, lines: int, share: float = 0.25) -> AsyncIterator[None]:
        """What happens inside, and `seconds` more, costs no process of ours more than this share of a core, nor more
        than this many log lines."""
        named = {
            process.name: process
            for process in (self.processes.agent, self.processes.media, self.processes.cloud, self.processes.box)
        }
        before = {name: len(_lines(process.log_file)) for name, process in named.items()}
        pids = {name: process.pid for name, process in named.items() if process.pid is not None}
        used = {name: cpu(pid) for name, pid in pids.items()}
        began = time.monotonic()
        yield
        await asyncio.sleep(seconds)
        took = time.monotonic() - began
        for name, process in named.items():
            said = _lines(process.log_file)[before[name] :]
            assert len(said) <= lines, f"{name} says too much:\n" + "\n".join(said[-40:])
            if name in pids and process.pid == pids[name]:  # else it was started or stopped meanwhile
                spent = cpu(pids[name]) - used[name]
                assert spent <= share * took + 0.3, f"{name} used {spent:.2f} s of processor time in {took:.1f} s"


def _lines(path: Path) -> list[str]:
    return path.read_text(errors="replace").splitlines()


async def until(condition: Callable[[], object], *, what: str, seconds: float = 20.0) -> None:
    """Look from time to time; AssertionError when it does not become true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come within {seconds:.0f} s"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def town(directory: Path) -> AsyncIterator[Town]:
    """Everything started, signed in at both relays, nothing played yet; gone at the end."""
    told: list[dict[str, Any]] = []
    vandal = "vandal-" + os.urandom(8).hex()
    with _disks(directory / "gateway") as mounted:
        async with Building(directory=directory / "building", users={VANDAL: vandal}) as building:
            estate = await prepare(directory, building, port=0)
            await _shorten(estate)
            desk = Desk(port=estate.webhook_port, secret=estate.webhook_secret, told=lambda _, what: told.append(what))
            serving = asyncio.create_task(desk.run(), name="desk")
            try:
                async with (
                    Processes(estate=estate, say=lambda _: None) as processes,
                    contextlib.AsyncExitStack() as stack,
                ):
                    await wait_for_footage(building)
                    cloud = await _visit(estate.cloud_port, processes.cloud.log_file, stack)
                    box = await _visit(estate.box_port, processes.box.log_file, stack)
                    yield Town(
                        building=building, estate=estate, processes=processes, cloud=cloud, box=box, disks=mounted,
                        vandal=vandal, told=told,
                    )  # fmt: skip
            finally:
                serving.cancel()
                await asyncio.wait([serving])


async def _shorten(estate: Estate) -> None:
    """The demo's site document with a short clip and a short siren."""
    path = estate.directory / "gateway" / "site.yaml"
    text = re.sub(r"pre: \d+s, post: \d+s", f"pre: {PRE}s, post: {POST}s", path.read_text())
    path.write_text(re.sub(r'set: "on", for: \d+s', f'set: "on", for: {SIREN}s', text))
    await command("site", "import", str(path), "--why", "shorter", "--config", str(estate.agent_config))


async def _visit(port: int, log_file: Path, stack: contextlib.AsyncExitStack) -> Visitor:
    code = printed_code(log_file)
    assert code is not None, f"no code in {log_file}"
    visitor = Visitor(base=f"http://127.0.0.1:{port}")
    stack.push_async_callback(visitor.close)
    await visitor.sign_in(code)
    return visitor


@contextlib.contextmanager
def _disks(gateway: Path) -> Iterator[bool]:
    """Small file systems for data and media where this user may mount; whether they are there."""
    mounted: list[Path] = []
    try:
        for name in ("data", "media"):
            path = gateway / name
            path.mkdir(parents=True)
            if os.geteuid() == 0 and _run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(path)):
                mounted.append(path)
        yield len(mounted) == 2
    finally:
        for path in mounted:
            _run("umount", str(path))


@contextlib.contextmanager
def filled(directory: Path) -> Iterator[None]:
    """Not a byte is left on this file system, and none that is given back stays free: an agent that opens its store
    anew empties the write-ahead log, and would have the room of its old pages."""
    greedy = directory / "greedy"
    over = threading.Event()

    def fill() -> None:
        with greedy.open("wb", buffering=0) as file:
            while not over.wait(0.002):
                for piece in (65_536, 512):
                    with contextlib.suppress(OSError):
                        while not over.is_set():
                            file.write(b"\0" * piece)

    filling = threading.Thread(target=fill, name="greedy")
    filling.start()
    try:
        while os.statvfs(directory).f_bavail:
            time.sleep(0.01)
        yield
    finally:
        over.set()
        filling.join()
        greedy.unlink()


@contextlib.asynccontextmanager
async def fsync_fails(strace: str, pid: int | None, folder: Path) -> AsyncIterator[None]:
    """Every fsync of a process is answered with EIO, by a tracer that is attached to it."""
    report = folder / "strace.txt"
    tracer = Child(
        name="strace",
        argv=[
            strace, "-f", "-p", str(pid), "-o", str(report),
            "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO",
        ],
        log_file=folder / "strace.log",
    )  # fmt: skip
    await tracer.start()
    try:
        await until(lambda: "attached" in tracer.tail(), what="the tracer")
        yield
    finally:
        await tracer.stop()
    assert "(INJECTED)" in report.read_text(errors="replace"), "no fsync has failed: the test has tested nothing"


def may_trace(strace: str) -> bool:
    """Whether this user may trace another process here."""
    with subprocess.Popen(["sleep", "20"]) as sleeper:
        try:
            words = ["timeout", "2", strace, "-p", str(sleeper.pid)]
            result = subprocess.run(words, check=False, capture_output=True, text=True)
        finally:
            sleeper.kill()
    return "attached" in result.stderr


def _run(*argv: str) -> bool:
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0
