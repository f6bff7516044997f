"""Outputs: sirens, strobes, locks. The newest level of a device replaces an older one that is still waiting; a level is
tried again until it is too late, a pulse is tried once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Literal

import structlog

from agent.clock import Clock
from agent.devices.base import Family
from agent.errors import DeviceError
from agent.intake import Intake
from rules.actions import Pulse, SetLevel
from rules.events import EffectDone, EffectExpired, EffectFailed

log = structlog.get_logger()

_PAUSE_FIRST, _PAUSE_LONGEST = 0.2, 5.0  # seconds
_MAX_TASKS = 256


class Outputs:
    """Service "outputs". `command` never blocks: each action becomes a task of its own at once."""

    name = "outputs"

    def __init__(self, *, families: Sequence[Family], intake: Intake, clock: Clock) -> None:
        self._families = families
        self._intake = intake
        self._clock = clock
        # One level a device and at most 256 actions in all: when full, the action is logged as failed at once.
        self._levels: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    async def run(self) -> None:
        """Actions start their own tasks; this service owns them and ends them with itself."""
        self._ending = False
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._ending = True
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def command(self, action: SetLevel | Pulse) -> None:
        """Carry out an action, starting now."""
        if len(self._tasks) >= _MAX_TASKS:
            log.error("effect.overflow", device=action.device, action=action.id)
            return
        if isinstance(action, SetLevel) and action.device in self._levels:
            self._levels[action.device].cancel()
        task = asyncio.create_task(self._carry_out(action), name=f"output.{action.device}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if isinstance(action, SetLevel):
            self._levels[action.device] = task

    async def _carry_out(self, action: SetLevel | Pulse) -> None:
        try:
            await self._try(action)
        except asyncio.CancelledError:
            if self._ending:
                raise
            await self._expired(action, "superseded")

    async def _try(self, action: SetLevel | Pulse) -> None:
        family = next((each for each in self._families if each.owns(action.device)), None)
        pause, told = _PAUSE_FIRST, False
        while True:
            if self._clock.gt() > action.not_after:
                await self._expired(action, "too_late")
                return
            try:
                if family is None:
                    raise DeviceError(f"{action.device} is reached through no family this gateway runs")
                await family.command(action.device, action.value)
            except DeviceError as error:
                log.warning("effect.failed", device=action.device, reason=str(error))
                if not told:
                    told = True
                    await self._intake.tell(
                        EffectFailed(
                            **self._clock.header(),
                            cause=action.cause,
                            action=action.id,
                            device=action.device,
                            reason=str(error),
                        )
                    )
                if isinstance(action, Pulse):
                    return
            else:
                await self._intake.tell(
                    EffectDone(
                        **self._clock.header(), cause=action.cause, action=action.id, device=action.device
                    )
                )
                return
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _PAUSE_LONGEST)

    async def _expired(self, action: SetLevel | Pulse, reason: Literal["too_late", "superseded"]) -> None:
        await self._intake.tell(
            EffectExpired(
                **self._clock.header(), cause=action.cause, action=action.id, device=action.device, reason=reason
            )
        )
