"""The steps of a drill: what is done to the line, and what must be so right after. The checker judges at the end."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from hwlab.drill.line import Line
from hwlab.drill.settings import DOOR, SIREN
from hwlab.errors import LabError

_SIREN_SECONDS = 5.0  # a siren waits for no disk and no network; this is for a slow machine


@dataclass
class Drill:
    """`line` runs and talks. Each step is a coroutine; `problems` are sentences about what was not as it must be."""

    line: Line
    chance: random.Random
    kills: int
    contacts: tuple[dict[str, Any], ...] = ()
    problems: list[str] = field(default_factory=list)

    async def live(self) -> None:
        """Nothing is wrong: the doors move, the site's own among them."""
        await self._move_the_sites_doors()
        await asyncio.sleep(2)
        await self._siren("an ordinary day")

    async def kill(self, name: str) -> None:
        """kill -9 at any instant, and start again."""
        for _ in range(self.kills):
            await asyncio.sleep(self.chance.uniform(0.1, 1.0))
            await self.line.die(name)
            await self.line.processes[name].start()

    async def restart_broker(self) -> None:
        """The broker is stopped and comes back."""
        await self.line.building.broker.stop()
        await asyncio.sleep(self.chance.uniform(0.2, 1.0))
        await self.line.building.broker.restart()
        await asyncio.sleep(1)

    async def cut_off(self) -> None:
        """No relay can be reached; the building goes on by itself."""
        await self.line.cloud.stop()
        await self._siren("no relay")
        await asyncio.sleep(3)
        await self.line.cloud.start()
        self.line.note()

    async def fill_disk(self) -> None:
        """No byte can be added to any file of the agent for a while; it decides and commands the siren all the same."""
        async with _no_growth(self.line.agent.pid):
            await asyncio.sleep(1)
            await self._siren("a full disk")
            await asyncio.sleep(2)
        if self.line.agent.pid is None:
            self.problems.append("the agent ended because its disk was full")
            await self.line.agent.start()

    async def _siren(self, when: str) -> None:
        """A door opens now, and the siren is told so."""
        siren = self.line.building.siren(SIREN)
        before = len(siren.commands)
        began = time.monotonic()
        await self.line.building.sensor(DOOR).open()
        while len(siren.commands) == before:
            if time.monotonic() - began > _SIREN_SECONDS:
                self.problems.append(f"with {when} a door was opened and the siren was not told within 5 s")
                return
            await asyncio.sleep(0.01)

    async def _move_the_sites_doors(self) -> None:
        """Each door of the site's own document opens and closes once; its rules run as they will."""
        broker = self.line.building.broker
        user, password = next(iter(self.line.building.users.items()))
        try:
            async with aiomqtt.Client(broker.host, broker.port, username=user, password=password) as client:
                for contact in self.contacts:
                    for word in ("open", "closed"):
                        value = contact[word]
                        payload = {contact["field"]: value} if contact.get("field") else value
                        await client.publish(contact["topic"], json.dumps(payload), qos=1)
        except aiomqtt.MqttError as error:
            raise LabError(f"the lab's broker does not take messages: {error}") from None


@asynccontextmanager
async def _no_growth(pid: int | None) -> AsyncIterator[None]:
    """A limit on the size of files stands in for a full disk, for an ordinary user too."""
    if pid is None:
        raise LabError("the agent does not run")
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


Step = tuple[str, Callable[[], Awaitable[None]]]


def plan(drill: Drill, *, full_disk: bool) -> list[Step]:
    """The steps in order, each with its name for a person."""
    times = "once" if drill.kills == 1 else f"{drill.kills} times"
    steps: list[Step] = [
        ("an ordinary day", drill.live),
        (f"the agent is killed {times}", lambda: drill.kill("agent")),
        ("the broker is stopped and comes back", drill.restart_broker),
        (f"the relay is killed {times}", lambda: drill.kill("cloud")),
        ("no relay can be reached", drill.cut_off),
    ]
    if full_disk:
        steps.append(("the disk is full", drill.fill_disk))
    return steps
