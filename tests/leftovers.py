"""What a run of the tests left behind: programs it started and threads that would keep the interpreter from ending. A
run that leaves something names it, ends it and fails; otherwise it would hang, or spoil the figures of the next one."""

from __future__ import annotations

import os
import signal
import threading
import uuid
from contextlib import suppress
from pathlib import Path

_MARK = "NIGHTPORTER_TEST_RUN"


def mark() -> None:
    """From here on every program that inherits our environment is known by it."""
    os.environ.setdefault(_MARK, uuid.uuid4().hex)


def programs() -> dict[int, str]:
    """Command lines of what still runs, by process id."""
    ours = f"{_MARK}={os.environ[_MARK]}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or is none of ours
            if int(folder.name) != os.getpid() and ours in (folder / "environ").read_bytes().split(b"\0"):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                if line:  # not a dead one that only waits to be reaped
                    found[int(folder.name)] = line
    return found


def threads() -> list[str]:
    """Names of the threads the interpreter would wait for."""
    return [each.name for each in threading.enumerate() if each is not threading.main_thread() and not each.daemon]


def end(pids: dict[int, str]) -> None:
    """Kill these programs."""
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
