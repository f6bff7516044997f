"""System calls of a running program that fail, one at a time, by strace: only on given files, only at the K-th time."""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwlab.child import Child

# What a store does to its files. Reads are left out: a disk that cannot be read is a damaged store, tested elsewhere.
CALLS = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "rename", "openat", "unlink")
ERRORS = ("ENOSPC", "EIO")
_CALL = re.compile(r"^\d+ +([a-z0-9]+)\(")


@dataclass(frozen=True, slots=True)
class Fault:
    """The `number`-th `call` on the watched files fails with `error`."""

    call: str
    number: int
    error: str

    def __str__(self) -> str:
        return f"{self.call} number {self.number} fails with {self.error}"

    @property
    def words(self) -> list[str]:
        return ["-e", f"inject={self.call}:error={self.error}:when={self.number}"]


def every(counted: Counter[str], step: int, *, first: int = 1) -> list[Fault]:
    """Each `step`-th of the calls that a run made, with each error."""
    places = [(call, number) for call in CALLS for number in range(1, counted[call] + 1)]
    return [Fault(call, number, error) for call, number in places[first - 1 :: step] for error in ERRORS]


def words(strace: str, trace: Path, files: Sequence[Path], fault: Fault | None) -> list[str]:
    """The command line of strace: what it watches, and what is to fail. A program after it keeps its process id."""
    paths = [word for path in files for word in ("-P", str(path))]
    calls = ["-e", f"trace={','.join(CALLS)}"]
    return [strace, "-D", "-f", "-qq", "-o", str(trace), *paths, *calls, *(fault.words if fault else [])]


def counted(trace: Path) -> Counter[str]:
    """How often each call was made, as the trace says."""
    made: Counter[str] = Counter()
    for line in trace.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        if call is not None:
            made[call[1]] += 1
    return made


def injected(trace: Path) -> int:
    """How many calls were made to fail."""
    return trace.read_text(errors="replace").count("(INJECTED)")


def files_of(data: Path) -> list[Path]:
    """Everything the agent's store consists of."""
    names = ("log.db", "log.db-wal", "log.db-shm", "log.db-journal", "log.epoch", "log.epoch.new", "agent.lock")
    return [data, *(data / name for name in names)]


@contextlib.asynccontextmanager
async def failing(
    strace: str, pid: int, files: Sequence[Path], fault: Fault | None, trace: Path
) -> AsyncIterator[None]:
    """Attached to a running process while the block lasts."""
    trace.unlink(missing_ok=True)
    log_file = trace.with_suffix(".log")
    log_file.unlink(missing_ok=True)
    argv = [word for word in words(strace, trace, files, fault) if word not in ("-qq", "-D")]
    tracer = Child(name="strace", argv=[*argv, "-p", str(pid)], log_file=log_file)
    await tracer.start()
    end = asyncio.get_running_loop().time() + 10
    while "attached" not in tracer.tail():
        assert asyncio.get_running_loop().time() < end, tracer.tail()
        await asyncio.sleep(0.01)
    try:
        yield
    finally:
        await tracer.stop()


def may_trace(strace: str) -> bool:
    """Whether this user may trace another process here."""
    with subprocess.Popen(["sleep", "20"]) as sleeper:
        try:
            result = subprocess.run(
                ["timeout", "0.7", strace, "-p", str(sleeper.pid)], check=False, capture_output=True, text=True
            )
        finally:
            sleeper.kill()
    return "attached" in result.stderr
