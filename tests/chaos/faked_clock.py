"""The real agent with a clock on the wall that a test moves while it runs: libfaketime, its other clocks left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_WHERE = "/usr/lib/*/faketime/libfaketimeMT.so.1"


def library() -> str:
    """The preloaded library of Debian's package faketime."""
    found = sorted(Path("/").glob(_WHERE.lstrip("/")))
    assert found, f"{_WHERE} is not there, although faketime is"
    return str(found[0])


class FakedClock:
    """`set("+1d")` moves the wall clock of the program that `command` starts; offsets are against the true time."""

    def __init__(self, *, folder: Path, offset: str = "+0") -> None:
        self._file = folder / "faketime"
        self.set(offset)

    def set(self, offset: str) -> None:
        """An offset as faketime writes it: `-10y`, `+1d`, `+3600`; or a moment, `@1970-01-01 00:00:40`."""
        fresh = self._file.with_suffix(".new")
        fresh.write_text(offset + "\n")
        fresh.replace(self._file)

    def command(self, *words: str) -> list[str]:
        """What starts the agent under this clock. The boot-time and the monotonic clock are the machine's own."""
        settings = {
            "LD_PRELOAD": library(),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_NO_CACHE": "1",
            "NO_FAKE_STAT": "1",
        }
        program = list(words) or [sys.executable, "-m", "nightporter", "agent", "run"]
        return ["/usr/bin/env", *(f"{name}={value}" for name, value in settings.items()), *program]


def works(clock: FakedClock) -> bool:
    """Whether the library fakes this Python's wall clock and nothing else."""
    look = "import time; print(time.time() < 1e9, time.clock_gettime(7) > 0, time.clock_gettime(7) < 1e9)"
    clock.set("-30y")
    seen = subprocess.run(clock.command(sys.executable, "-c", look), capture_output=True, text=True, check=False)
    clock.set("+0")
    return seen.stdout.split() == ["True", "True", "True"]
