"""Plays a scenario in a building, on time: what takes long does not push back what comes after it."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hwlab.crew import crew
from hwlab.errors import DocumentError
from hwlab.nearest import nearest
from hwlab.scenario import Action, BrokerDo, Drift, HookCall, Move, Publish, Scenario, Show, Step
from hwlab.sensors import Contact, Siren, Thermometer

if TYPE_CHECKING:
    from hwlab.building import Building

Hook = Callable[[Any], Awaitable[None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A step that was begun: its planned time (µs after the start) and when it was (wall and boot µs)."""

    step: Step
    at: int
    wall: int
    boot: int


Observer = Callable[[Mark], None]


async def play(
    scenario: Scenario,
    *,
    building: Building,
    hooks: Mapping[str, Hook],
    observer: Observer | None = None,
    pace: float = 1.0,
) -> list[Mark]:
    """Play to the end, then wait for what still runs. `pace` stretches time (0: no waiting). DocumentError before it
    begins when a hook, device or camera is missing; LabError when an action fails."""
    check(scenario, building=building, hooks=hooks)
    marks: list[Mark] = []
    started = time.monotonic()
    building.journal.add("scenario", "started", name=scenario.name)
    async with crew() as group:
        for step in scenario.steps:
            await asyncio.sleep(max(0.0, started + step.at * pace / 1_000_000 - time.monotonic()))
            now = building.journal.add("scenario", "step", at_planned=step.at, say=step.say)
            mark = Mark(step=step, at=step.at, wall=now.wall, boot=now.boot)
            marks.append(mark)
            if observer is not None:
                observer(mark)
            for action in step.actions:
                work = _do(action, building, hooks)
                if isinstance(action, Move | Publish):  # waits for the broker, which may be down on purpose
                    group.create_task(work, name=f"scenario {action.where}")
                    await asyncio.sleep(0)
                else:
                    await work
    building.journal.add("scenario", "ended", name=scenario.name)
    return marks


def check(scenario: Scenario, *, building: Building, hooks: Mapping[str, Hook]) -> None:
    """Everything the scenario names is there, or a DocumentError that says where it is not."""
    problems = [
        f"the scenario {scenario.name!r} needs somebody who can do {hook!r}: play it from the demo, or pass hooks"
        for hook in scenario.hooks
        if hook not in hooks
    ]
    for action in (action for step in scenario.steps for action in step.actions):
        if isinstance(action, Show):
            if action.camera not in building.cameras.names:
                hint = nearest(action.camera, building.cameras.names)
                problems.append(f"{action.where}: the building has no camera {action.camera!r}; {hint}")
        elif isinstance(action, Move | Publish | Drift):
            known = [name for name, device in building.devices.items() if isinstance(device, _able(action))]
            if action.device not in known:
                lack = f"the building has no device {action.device!r} that can do this"
                problems.append(f"{action.where}: {lack}; {nearest(action.device, known)}")
    if problems:
        raise DocumentError(problems)


def _able(action: Move | Publish | Drift) -> tuple[type, ...]:
    if isinstance(action, Move):
        return (Contact,)
    return (Thermometer,) if isinstance(action, Drift) else (Contact, Thermometer)


def _do(action: Action, building: Building, hooks: Mapping[str, Hook]) -> Coroutine[Any, Any, None]:
    match action:
        case Move():
            return _move(action, building)
        case Publish():
            return _publish(action, building)
        case Drift():
            return _drift(action, building)
        case Show():
            return _show(action, building)
        case BrokerDo():
            return _broker(action, building)
        case HookCall():
            return _hook(action, building, hooks[action.hook])


async def _move(action: Move, building: Building) -> None:
    contact = building.sensor(action.device)
    await (contact.open() if action.open else contact.close())


async def _publish(action: Publish, building: Building) -> None:
    device = building.devices[action.device]
    if not isinstance(device, Siren):
        await device.publish(action.payload)


async def _drift(action: Drift, building: Building) -> None:
    building.thermometer(action.device).drift = action.per_minute
    building.journal.add(action.device, "drift", per_minute=action.per_minute)


async def _show(action: Show, building: Building) -> None:
    wanted = {"mode": action.mode, "door": action.door, "figure": action.figure}
    await building.cameras.order(action.camera, **{key: word for key, word in wanted.items() if word is not None})


async def _broker(action: BrokerDo, building: Building) -> None:
    broker = building.broker
    building.journal.add("broker", action.verb)
    if action.verb in ("freeze", "thaw"):
        (broker.freeze if action.verb == "freeze" else broker.thaw)()
        return
    verbs = {"stop": broker.stop, "kill": broker.kill, "start": broker.restart, "restart": broker.restart}
    await verbs[action.verb]()


async def _hook(action: HookCall, building: Building, hook: Hook) -> None:
    building.journal.add("scenario", "hook", name=action.hook, argument=action.argument)
    done = hook(action.argument)
    if inspect.isawaitable(done):
        await done
