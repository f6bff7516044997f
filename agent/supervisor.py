"""The supervisor: services in phases, started in order, stopped in reverse, restarted when they fail.

A service is a name and `async run()`. One that raises a permanent error ends the agent with that error; any other
failure is logged and the service restarts after a jittered pause. This is the only place that catches everything.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import structlog

from agent.errors import AgentError

log = structlog.get_logger()

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 30.0  # seconds
_HEALTHY_AFTER = 60.0


class Service(Protocol):
    """Something that runs until it is cancelled. Its constructor has started nothing."""

    @property
    def name(self) -> str:
        """How it is called in logs and task lists."""
        ...

    async def run(self) -> None:
        """Do the work; returning counts as a failure."""
        ...


class Supervisor:
    """Runs phases of services inside nested task groups until `stop` is set."""

    def __init__(self, *, phases: Sequence[Sequence[Service]], ready: Callable[[], None]) -> None:
        self._phases = phases
        self._ready = ready

    async def run(self, stop: asyncio.Event) -> None:
        """Start all, call `ready`, wait for `stop`, stop all in reverse. Raises the first permanent error."""
        try:
            await self._phase(0, stop)
        except BaseExceptionGroup as group:
            raise next(_leaves(group)) from None

    async def _phase(self, number: int, stop: asyncio.Event) -> None:
        if number == len(self._phases):
            self._ready()
            await stop.wait()
            return
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._keep(service), name=service.name) for service in self._phases[number]]
            await self._phase(number + 1, stop)
            await _end(tasks)

    async def _keep(self, service: Service) -> None:
        pause = _FIRST_PAUSE
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            try:
                await service.run()
                log.error("service.ended", service=service.name)
            except Exception as error:  # a bug in one service must not silence the others
                causes = list(_leaves(error))
                for cause in causes:
                    if isinstance(cause, AgentError) and cause.permanent:
                        raise cause from None
                if all(isinstance(cause, AgentError) for cause in causes):
                    log.error("service.failed", service=service.name, error="; ".join(map(str, causes)))
                else:
                    log.exception("service.crashed", service=service.name)
            task = asyncio.current_task()
            if task is not None and task.cancelling():  # its failure came while it was being stopped
                raise asyncio.CancelledError
            pause = _FIRST_PAUSE if loop.time() - started > _HEALTHY_AFTER else min(pause * 2, _LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """What an exception group is about in the end."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _leaves(part)
    else:
        yield error


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: Python 3.11's `wait_for`, which libraries use, can swallow a cancellation that
    arrives together with its result."""
    waiting = set(tasks)
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=1.0)
