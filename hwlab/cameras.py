"""The lab's side of the camera process: starts it, tells it what to show and how to fail, keeps it running."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import structlog

from hwlab.child import Child
from hwlab.crew import crew
from hwlab.errors import LabError, NotReady
from hwlab.journal import Journal
from hwlab.ports import free_port

log = structlog.get_logger()

Mode = Literal["ok", "frozen", "stalled", "down", "garbage", "unauthorised"]
_READY_SECONDS, _ANSWER_SECONDS, _BACKOFF = 30.0, 10.0, 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSpec:
    """`name` is the path in the URL, `title` is in the picture; 16:9, `height` 720 or 1080; `gop` in seconds."""

    name: str
    title: str = ""
    height: int = 720
    fps: int = 15
    gop: float = 1.0
    user: str = "porter"


class Camera:
    """One camera as its installer sees it, plus what a scenario does to it."""

    def __init__(self, *, spec: CameraSpec, port: int, password: str, cameras: Cameras) -> None:
        self.name, self.user, self.password, self.port = spec.name, spec.user, password, port
        self.url = f"rtsp://127.0.0.1:{port}/{spec.name}"
        self._cameras = cameras

    async def mode(self, mode: Mode) -> None:
        """ok, or a fault: frozen, stalled, down, garbage, unauthorised."""
        await self._cameras.order(self.name, mode=mode)

    async def scene(self, *, door: str | None = None, figure: str | None = None) -> None:
        """`door`: open or closed. `figure` goes to: away, corridor, door or inside."""
        wanted = {"door": door, "figure": figure}
        await self._cameras.order(self.name, **{key: value for key, value in wanted.items() if value is not None})

    async def status(self) -> dict[str, Any]:
        """mode, door, figure, viewers (now), frames (made since the start)."""
        return await self._cameras.order(self.name)


class Cameras:
    """All cameras, in one child process. `async with` it."""

    def __init__(
        self, *, specs: Sequence[CameraSpec], passwords: Mapping[str, str], directory: Path, journal: Journal
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._journal = journal
        self._child = Child(
            name="camera", argv=[sys.executable, "-m", "hwlab.camera"], log_file=directory / "camera.log", pipes=True
        )
        self._cameras = {
            spec.name: Camera(spec=spec, port=free_port(), password=passwords[spec.name], cameras=self)
            for spec in specs
        }
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._wishes: dict[str, dict[str, str]] = {name: {} for name in self._specs}
        self._ready = asyncio.Event()
        self._number = 0
        self._stack = AsyncExitStack()

    def __getitem__(self, name: str) -> Camera:
        return self._cameras[name]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._cameras)

    @property
    def pid(self) -> int | None:
        return self._child.pid

    async def __aenter__(self) -> Self:
        if not self._specs:
            return self
        async with AsyncExitStack() as stack:
            group = await stack.enter_async_context(crew())
            keeper = group.create_task(self._keep(), name="camera keeper")
            stack.push_async_callback(self._child.stop)
            stack.callback(keeper.cancel)
            try:
                async with asyncio.timeout(_READY_SECONDS):
                    await self._ready.wait()
            except TimeoutError:
                silence = f"the camera process was not ready within {_READY_SECONDS:.0f} s"
                raise NotReady(f"{silence}; its log says:\n{self._child.tail()}") from None
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def order(self, camera: str, **what: str) -> dict[str, Any]:
        """Tell the process something and return its answer; LabError when it refuses."""
        answer = await self._ask(camera, what)
        if "error" in answer:
            raise LabError(f"camera {camera}: {answer['error']}")
        if what:
            self._wishes[camera].update(what)
            self._journal.add(camera, "camera", wanted=what)
        return answer

    async def _ask(self, camera: str, what: Mapping[str, str]) -> dict[str, Any]:
        self._number += 1
        number = self._number
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await self._ready.wait()
                self._tell({"id": number, "camera": camera, **what})
                return await answer
        except TimeoutError:
            raise NotReady(f"the camera process did not answer within {_ANSWER_SECONDS:.0f} s") from None
        finally:
            del self._answers[number]

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._child.stdin.write(json.dumps(message).encode() + b"\n")

    async def _keep(self) -> None:
        while True:
            await self._child.start()
            self._tell({"cameras": [self._describe(name) for name in self._specs]})
            while line := await self._child.stdout.readline():
                self._hear(json.loads(line))
            self._ready.clear()
            status = await self._child.wait()
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(NotReady("the camera process ended; it is being started again"))
            log.error("camera.process_exited", status=status, again_in_seconds=_BACKOFF, log_tail=self._child.tail(4))
            await asyncio.sleep(_BACKOFF)

    def _describe(self, name: str) -> dict[str, Any]:
        spec, camera = self._specs[name], self._cameras[name]
        return {
            "name": name,
            "title": spec.title or name.replace("-", " "),
            "height": spec.height,
            "fps": spec.fps,
            "gop": spec.gop,
            "port": camera.port,
            "users": {camera.user: camera.password},
        }

    def _hear(self, message: dict[str, Any]) -> None:
        if "ready" in message:
            for camera, wishes in self._wishes.items():  # after a crash: be again what was asked before
                if wishes:
                    self._tell({"id": 0, "camera": camera, **wishes})
            self._ready.set()
            return
        answer = self._answers.get(message["id"])
        if answer is not None and not answer.done():
            answer.set_result(message)
