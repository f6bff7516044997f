"""The product's processes: started one by one, each awaited until it says READY, stopped in reverse."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from hwlab.child import Child
from hwlab.demo.estate import COMMAND, Estate
from hwlab.errors import LabError, NotReady

_READY_SECONDS = 60.0  # a second is usual; on a machine busy with other things those that stand back wait longest
# The standing the shipped units give on a gateway (CPUWeight: core 1000, relay 100, media worker 50) as nice values,
# each step of which is about a quarter (sched(7)). The cloud relay is a machine of its own and stands back for nobody.
_NICE = {"box": 10, "media": 13}


class Process:
    """One command of the product, READY by sd_notify(3) on a socket of ours."""

    def __init__(
        self,
        *,
        name: str,
        words: tuple[str, ...],
        directory: Path,
        program: tuple[str, ...] = COMMAND,
        nice: int | None = None,
    ) -> None:
        self.name = name
        self.ready_seconds = 0.0
        self._notify = directory / f"{name}.notify"
        log_file = directory / f"{name}.log"
        self._child = Child(
            name=name, argv=[*program, *words], log_file=log_file, nice=_NICE.get(name, 0) if nice is None else nice
        )

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._child.pid

    @property
    def status(self) -> int | None:
        """How it ended (a signal's number is negative); None while it runs or before it ran."""
        return self._child.returncode

    @property
    def log_file(self) -> Path:
        """What it printed."""
        return self._child.log_file

    async def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start it, with `env` added to its environment, and wait for READY; `ready_seconds` is how long that took."""
        self._notify.unlink(missing_ok=True)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(_short(self._notify))
            listener.setblocking(False)
            began = time.monotonic()
            await self._child.start({**(env or {}), "NOTIFY_SOCKET": _short(self._notify)})
            ended = asyncio.create_task(self._child.wait(), name=f"{self.name} end")
            try:
                while True:
                    heard = asyncio.create_task(loop.sock_recv(listener, 4096), name=f"{self.name} ready")
                    done, _ = await asyncio.wait(
                        {heard, ended}, timeout=_READY_SECONDS, return_when=asyncio.FIRST_COMPLETED
                    )
                    if heard in done:
                        if b"READY=1" in heard.result():
                            self.ready_seconds = time.monotonic() - began
                            return
                        continue
                    heard.cancel()
                    what = f"ended with {self._child.returncode}" if ended in done else "is not ready"
                    raise NotReady(f"{self.name} {what}; {self.log_file} ends with:\n{self._child.tail()}")
            finally:
                ended.cancel()

    async def stop(self) -> None:
        """SIGTERM, and insist after ten seconds."""
        await self._child.stop(grace=10.0)

    async def kill(self) -> None:
        """SIGKILL."""
        await self._child.kill()

    async def ended(self) -> int:
        """Wait until it ends; how it did."""
        return await self._child.wait()


def _short(path: Path) -> str:
    """A Unix socket's name may have 107 bytes (unix(7))."""
    name = str(path.absolute())
    if len(name.encode()) > 107:
        raise LabError(f"{path.parent} is too deep a folder for a Unix socket; choose a shorter --dir")
    return name


class Processes:
    """The cloud relay, the relay on the box, the agent and its media worker."""

    def __init__(self, *, estate: Estate, say: Callable[[str], None]) -> None:
        directory, config = estate.directory, ("--config", str(estate.agent_config))
        self.cloud = Process(
            name="cloud", words=("relay", "run", "--config", str(estate.cloud / "relay.yaml")), directory=directory
        )
        self.box = Process(
            name="box", words=("relay", "run", "--config", str(estate.box / "relay.yaml")), directory=directory
        )
        self.agent = Process(name="agent", words=("agent", "run", *config), directory=directory)
        self.media = Process(name="media", words=("agent", "media", *config), directory=directory)
        self._say = say
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for process in (self.cloud, self.box, self.agent, self.media):
                stack.push_async_callback(process.stop)
                await process.start()
                self._say(f"{process.name:6} ready in {process.ready_seconds * 1000:4.0f} ms (process {process.pid})")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
