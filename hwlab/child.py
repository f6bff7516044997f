"""One child process: on a leash (it dies with us), logging to a file, stopped by its own process id."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog

from hwlab.errors import LabError

log = structlog.get_logger()

_LEASH = Path(__file__).with_name("leash.py")
_ROOT = str(Path(__file__).resolve().parent.parent)


class Child:
    """`start` runs it, `stop` asks and then insists, `kill` is kill -9. With `pipes`, stdin and stdout are ours. `nice`
    (0 to 19) is its standing against its neighbours where processors are short."""

    def __init__(self, *, name: str, argv: Sequence[str], log_file: Path, pipes: bool = False, nice: int = 0) -> None:
        self.name = name
        self.log_file = log_file
        self._argv = list(argv)
        self._pipes = pipes
        self._nice = nice
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def returncode(self) -> int | None:
        return self._process.returncode if self._process is not None else None

    @property
    def stdin(self) -> asyncio.StreamWriter:
        if self._process is None or self._process.stdin is None:
            raise LabError(f"{self.name} is not running")
        return self._process.stdin

    @property
    def stdout(self) -> asyncio.StreamReader:
        if self._process is None or self._process.stdout is None:
            raise LabError(f"{self.name} is not running")
        return self._process.stdout

    async def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start it; a second start while it runs is an error."""
        if self.pid is not None:
            raise LabError(f"{self.name} is already running as process {self.pid}")
        pipe = asyncio.subprocess.PIPE if self._pipes else None
        file = os.open(self.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        path = os.pathsep.join(part for part in (_ROOT, os.environ.get("PYTHONPATH", "")) if part)
        try:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *self._argv,
                stdin=pipe or asyncio.subprocess.DEVNULL,
                stdout=pipe or file,
                stderr=file,
                env={**os.environ, "PYTHONPATH": path, **(env or {})},
                start_new_session=True,  # Ctrl-C in a terminal is ours to pass on, in order
            )  # fmt: skip
        finally:
            os.close(file)
        if self._nice:
            _stand_back(self._process.pid, self._nice)
        log.debug("child.started", name=self.name, pid=self._process.pid)

    async def wait(self) -> int:
        """Its exit status; 0 if it was never started."""
        return await self._process.wait() if self._process is not None else 0

    async def stop(self, grace: float = 5.0) -> None:
        """SIGTERM, and SIGKILL after `grace` seconds."""
        if self._process is None or self._process.returncode is not None:
            return
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            log.warning("child.killed", name=self.name, pid=self._process.pid, after_seconds=grace)
            await self.kill()

    async def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._signal(signal.SIGKILL)
        await self.wait()

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing, as a machine that hangs does."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            try:
                self._process.send_signal(number)
            except ProcessLookupError:
                log.debug("child.already_gone", name=self.name)

    def tail(self, lines: int = 8) -> str:
        """The end of its log, for an error message."""
        try:
            text = self.log_file.read_text(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def _stand_back(pid: int, nice: int) -> None:
    """Lower a process's priority. Where the kernel groups by session (sched(7), autogroup), its nice value counts only
    inside its own session, and between sessions that of the group does."""
    try:
        os.setpriority(os.PRIO_PROCESS, pid, nice)
        Path(f"/proc/{pid}/autogroup").write_text(str(nice))
    except OSError as error:  # it has ended, or this kernel has no such groups
        log.debug("child.priority_kept", pid=pid, reason=error.strerror)
