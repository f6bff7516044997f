"""Clips and stills: decisions go to the media worker, and what it kept comes back as facts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from typing import Any

import structlog

from agent.clock import Clock, boot_id
from agent.intake import Input, Intake
from agent.video import link, messages
from rules import actions, ids
from rules import events as kernel
from rules.events import Event

log = structlog.get_logger()

_GRACE = 15.0  # seconds a media worker may take to appear after a start


def request(action: actions.SaveClip | actions.TakeStill, clock: Clock) -> messages.SaveClip | messages.TakeStill:
    """A decision as the worker is asked: gateway time becomes the machine's boot-time clock."""
    if isinstance(action, actions.SaveClip):
        return messages.SaveClip(
            clip=action.clip,
            incident=action.incident,
            camera=action.camera,
            trigger_boot=clock.boot_of(action.at),
            trigger_wall=action.wall,
            pre=action.pre,
            post=action.post,
            deadline_boot=clock.boot_of(action.not_after),
        )
    return messages.TakeStill(
        still=action.still,
        incident=action.incident,
        camera=action.camera,
        trigger_boot=clock.boot_of(action.at),
        trigger_wall=action.wall,
    )


def promise(action: actions.SaveClip | actions.TakeStill, clock: Clock) -> tuple[str, str, str]:
    """The durable form of a request: (subject, boot id, JSON)."""
    asked = request(action, clock)
    return action.id, boot_id(), json.dumps({"type": asked.type, **asdict(asked)})


def promised(data: str) -> messages.SaveClip | messages.TakeStill:
    """A request from its durable form."""
    fields: dict[str, Any] = json.loads(data)
    kind = messages.SaveClip if fields.pop("type") == "save_clip" else messages.TakeStill
    return kind(**fields)


def lapsed(data: str, clock: Clock) -> kernel.MediaRefused:
    """The answer to a request that nobody can fulfil any more, because the machine was off in between."""
    asked, reason = promised(data), "the machine stopped before the footage was saved"
    header = clock.header()
    if isinstance(asked, messages.TakeStill):
        return kernel.MediaRefused(**header, what="still", subject=asked.still, camera=asked.camera, reason=reason)
    return kernel.MediaRefused(**header, what="clip", subject=asked.clip, camera=asked.camera, reason=reason)


def answers(fact: Event) -> str | None:
    """The subject of the promise that this fact settles."""
    match fact:
        case kernel.ClipOpened(clip=subject) | kernel.StillTaken(still=subject) | kernel.MediaRefused(subject=subject):
            return subject
    return None


class Footage:
    """Service "footage": serves the media link. `ask` never blocks."""

    name = "footage"

    def __init__(
        self,
        *,
        server: link.MediaServer,
        intake: Intake,
        clock: Clock,
        cameras: bool,
        upkeep: Callable[[link.FromWorker | link.WorkerGone], None] = lambda _: None,
    ) -> None:
        """`upkeep` is shown all that a worker says, and that it went: the retention's answers are among it."""
        self._server = server
        self._upkeep = upkeep
        self._intake = intake
        self._clock = clock
        self._cameras = cameras
        self._states: dict[str, tuple[str, str]] = {}
        self._lost = False

    def ask(self, action: actions.SaveClip | actions.TakeStill) -> None:
        """Ask the worker, or the next one. What it never answers for stays promised in the store."""
        if not self._server.ask(request(action, self._clock)):
            log.error("footage.too_many_requests", camera=action.camera, action=action.id)

    def ask_again(self, asked: messages.SaveClip | messages.TakeStill) -> None:
        """Ask for what a former run had promised."""
        self._server.ask(asked)

    async def run(self) -> None:
        """Serve the worker and hear it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._server.run(), name="footage.link")
            group.create_task(self._hear(), name="footage.hear")
            if self._cameras:
                group.create_task(self._miss(), name="footage.miss")

    async def _miss(self) -> None:
        await asyncio.sleep(_GRACE)
        if not self._server.connected:
            await self._lose("no media worker has connected since the start: is nightporter-media running?")

    async def _lose(self, reason: str) -> None:
        if not self._lost and self._cameras:
            self._lost = True
            await self._intake.tell(kernel.MediaLost(**self._clock.header(), reason=reason))

    async def _hear(self) -> None:
        async for message in self._server.messages():
            if not isinstance(message, link.PeerRefused):
                self._upkeep(message)
            if isinstance(message, messages.Hello):
                if self._lost:
                    self._lost = False
                    await self._intake.tell(kernel.MediaRestored(**self._clock.header()))
            elif isinstance(message, link.WorkerGone):
                log.warning("media.lost", reason=message.reason)
                await self._lose(message.reason)
            elif isinstance(message, link.PeerRefused):
                log.warning("media.peer_refused", uid=message.uid, pid=message.pid, reason=message.reason)
            else:
                await self._take(message)

    async def _take(self, message: link.FromWorker) -> None:
        fact = self._fact(message)
        if fact is None:
            return
        if isinstance(message, messages.Manifest):
            confirm = partial(self._server.confirm, message)
            await self._intake.offer(Input(fact=fact, repeatable=True, acknowledge=confirm))
        else:
            await self._intake.tell(fact)

    def _fact(self, message: link.FromWorker) -> Event | None:
        header = self._clock.header()
        match message:
            case messages.CameraState(camera=camera, state=state, reason=reason):
                told, self._states[camera] = self._states.get(camera), (state, reason)
                if told == (state, reason):
                    return None
                if state == "live":
                    return kernel.CameraRestored(**header, device=camera)
                # Why it is lost may show only later; that it is lost is no news then, and no rule fires twice.
                delivery: kernel.Delivery = "retained" if told is not None and told[0] == state else "live"
                return kernel.CameraLost(**header, device=camera, reason=reason, delivery=delivery)
            case messages.Refused(what=what, subject=subject, camera=camera, reason=reason):
                return kernel.MediaRefused(**header, what=what, subject=subject, camera=camera, reason=reason)
            case messages.ClipOpened():
                kind: type[Event] = kernel.ClipOpened
                header["id"] = ids.derived(message.clip, "opened")
            case messages.SegmentAdded():
                kind = kernel.SegmentAdded
                header["id"] = ids.derived(message.clip, "segment", message.n)
            case messages.ClipSealed():
                kind = kernel.ClipSealed
                header["id"] = ids.derived(message.clip, "sealed")
            case messages.StillTaken():
                kind = kernel.StillTaken
                header["id"] = ids.derived(message.still, "taken")
            case messages.PicturesTaken(taken=taken):
                header["id"] = ids.derived(message.clip, "pictures")
                return kernel.KeyPictures(**header, **(asdict(message) | {"taken": list(taken)}))
            case messages.Gap():
                kind = kernel.FootageGap
                header["id"] = ids.derived("gap", message.camera, message.since)
            case _:
                return None
        return kind(**header, **asdict(message))
