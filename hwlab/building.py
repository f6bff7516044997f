"""The whole simulated building: a broker, its sensors, its cameras, and the journal of what they did."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from hwlab import journal as journals
from hwlab.broker import Broker, Choice
from hwlab.broker_config import write_private
from hwlab.cameras import Camera, Cameras, CameraSpec
from hwlab.crew import crew
from hwlab.errors import LabError, NotReady
from hwlab.journal import Journal
from hwlab.link import Account
from hwlab.nearest import nearest
from hwlab.play import Hook, Mark, Observer, play
from hwlab.scenario import load
from hwlab.sensors import Contact, Device, Siren, Thermometer, make

T = TypeVar("T", Contact, Siren, Thermometer)

DEVICES = {"server-room-door": "contact", "siren-1": "siren", "server-room-temp": "temperature"}
CAMERAS = (CameraSpec(name="server-room", title="Server room corridor"),)
AGENT = "agent"
_LAB_USER = "building"
_CONNECT_SECONDS = 15.0


class Building:
    """`async with Building(directory=...) as b:` starts everything and leaves nothing running.

    `devices` maps names to contact, siren or temperature; `users` are the broker's accounts besides the devices' own
    (name to password; `agent` is made up when it is not given).
    """

    def __init__(
        self,
        *,
        directory: Path,
        cameras: Sequence[CameraSpec] = CAMERAS,
        devices: Mapping[str, str] = DEVICES,
        users: Mapping[str, str] | None = None,
        broker: Choice = "auto",
    ) -> None:
        self.directory = directory
        self.credentials_file = directory / "credentials.json"
        self.users = {AGENT: secrets.token_urlsafe(24), **(users or {})}
        self._lab_password = secrets.token_urlsafe(24)
        accounts = {**self.users, _LAB_USER: self._lab_password}
        self.broker = Broker(directory=directory / "broker", users=accounts, kind=broker)
        self.journal = Journal(path=directory / "journal.jsonl")
        self.cameras = Cameras(
            specs=cameras,
            passwords={spec.name: secrets.token_urlsafe(12) for spec in cameras},
            directory=directory,
            journal=self.journal,
        )
        self._kinds = dict(devices)
        self._devices: dict[str, Device] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        counters = journals.last_counters(self.journal.path)
        async with AsyncExitStack() as stack:
            self.journal.open()
            stack.callback(self.journal.close)
            await stack.enter_async_context(self.broker)
            account = Account(host=self.broker.host, port=self.broker.port, user=_LAB_USER, password=self._lab_password)
            for name, kind in self._kinds.items():
                self._devices[name] = make(
                    kind, name=name, account=account, journal=self.journal, n=counters.get(name, 0)
                )
            await stack.enter_async_context(self.cameras)
            write_private(self.credentials_file, json.dumps(self._credentials(), indent=2) + "\n")
            group = await stack.enter_async_context(crew())
            tasks = [group.create_task(device.run(), name=f"device {device.name}") for device in self._devices.values()]
            stack.callback(lambda: [task.cancel() for task in tasks])
            await self._all_connected()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _all_connected(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                for device in self._devices.values():
                    await device.connected()
        except TimeoutError:
            raise NotReady(
                f"not all devices reached the broker within {_CONNECT_SECONDS:.0f} s; see {self.broker.directory}"
            ) from None

    def _credentials(self) -> dict[str, object]:
        return {
            "broker": {"host": self.broker.host, "port": self.broker.port, "users": self.users},
            "cameras": {
                name: {"url": camera.url, "user": camera.user, "password": camera.password}
                for name, camera in ((name, self.cameras[name]) for name in self.cameras.names)
            },
        }

    @property
    def devices(self) -> Mapping[str, Device]:
        return self._devices

    def sensor(self, name: str) -> Contact:
        """A door contact."""
        return self._device(name, Contact)

    def siren(self, name: str) -> Siren:
        return self._device(name, Siren)

    def thermometer(self, name: str) -> Thermometer:
        return self._device(name, Thermometer)

    def _device(self, name: str, kind: type[T]) -> T:
        device = self._devices.get(name)
        if not isinstance(device, kind):
            known = (each for each, other in self._devices.items() if isinstance(other, kind))
            raise LabError(f"the building has no {kind.__name__.lower()} {name!r}; {nearest(name, known)}")
        return device

    def camera(self, name: str | None = None) -> Camera:
        """A camera by name; the first one without."""
        if name is None and self.cameras.names:
            name = self.cameras.names[0]
        if name not in self.cameras.names:
            raise LabError(f"the building has no camera {name!r}; {nearest(name or '', self.cameras.names)}")
        return self.cameras[name]

    @property
    def camera_url(self) -> str:
        """The first camera's address, without credentials."""
        return self.camera().url

    async def play(
        self,
        scenario: str | Path,
        *,
        hooks: Mapping[str, Hook] | None = None,
        observer: Observer | None = None,
        pace: float = 1.0,
    ) -> list[Mark]:
        """Play a shipped scenario by name, or a file; see hwlab.play.play."""
        return await play(load(scenario), building=self, hooks=hooks or {}, observer=observer, pace=pace)
