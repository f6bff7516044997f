"""A line through the kernel's own TCP: the relay in a network namespace of its own, two TUN devices, and a pump that
carries packets between them late, at a rate, or not at all. Needs root; gone with the block that made it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import os
import random
import struct
import subprocess
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
_CLONE_NEWNET = 0x40000000
_MTU = 1500
_MOST_WAITING = 1.0  # seconds of packets a narrow line holds back; more are dropped, as by a real modem
_AT_ONCE = 64  # packets taken from a device before the loop turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """How packets fare. `latency` and `jitter` are seconds one way, `loss` a share, `rate` bits a second each way;
    `up` (to the relay) and `down` say whether that direction carries anything; larger packets than `largest` vanish
    without a word."""

    latency: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    rate: float | None = None
    up: bool = True
    down: bool = True
    largest: int = 65_535


FAIR = Weather(latency=0.005)
DARK = Weather(up=False, down=False)


@dataclass
class Cable:
    """Two ends and the weather between them; `carried` and `dropped` count packets. `here` and `there` are addresses,
    `inside` are the words before a command that runs at the far end."""

    here: str
    there: str
    inside: list[str]
    ends: tuple[int, int]
    chance: random.Random
    weather: Weather = FAIR
    carried: int = 0
    dropped: int = 0
    _free: list[float] = field(default_factory=lambda: [0.0, 0.0])
    _last: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def readable(self, end: int) -> None:
        """Take what a device has to send."""
        for _ in range(_AT_ONCE):
            try:
                packet = os.read(self.ends[end], 65_535)
            except BlockingIOError:
                return
            self._carry(end, packet)

    def _carry(self, end: int, packet: bytes) -> None:
        weather, loop = self.weather, asyncio.get_running_loop()
        now = loop.time()
        if not (weather.up, weather.down)[end] or len(packet) > weather.largest or self.chance.random() < weather.loss:
            self.dropped += 1
            return
        if weather.rate is not None:
            if self._free[end] - now > _MOST_WAITING:
                self.dropped += 1
                return
            self._free[end] = max(self._free[end], now) + len(packet) * 8 / weather.rate
        due = max(now, self._free[end]) + max(0.0, weather.latency + self.chance.uniform(-1, 1) * weather.jitter)
        self._last[end] = due = max(due, self._last[end])  # in order: what comes out of order is taken for lost
        loop.call_at(due, self._deliver, 1 - end, packet)

    def _deliver(self, end: int, packet: bytes) -> None:
        self.carried += 1
        with contextlib.suppress(OSError):  # the far end is full or gone; a line may lose packets
            os.write(self.ends[end], packet)


def possible() -> bool:
    """Whether this user may make namespaces and TUN devices here."""
    if os.geteuid() != 0 or not Path("/dev/net/tun").exists():
        return False
    try:
        return _quiet("unshare", "--net", "true") and _quiet("ip", "netns", "list")
    except FileNotFoundError:
        return False


@contextlib.asynccontextmanager
async def cable(*, seed: int) -> AsyncIterator[Cable]:
    """A namespace, and a cable from this one to it."""
    number = os.getpid() % 16_000
    name, net = f"np-{os.getpid()}", f"198.18.{number // 64}.{number % 64 * 4 + 1}"
    here, there = net, net.rpartition(".")[0] + f".{number % 64 * 4 + 2}"
    near, far = f"np{number}a", f"np{number}b"
    loop = asyncio.get_running_loop()
    ends: list[int] = []
    _ip("netns", "add", name)
    try:
        ends.append(_tun(near))
        ends.append(_tun_in(name, far))
        for words, device, address, peer in (((), near, here, there), (("-n", name), far, there, here)):
            _ip(*words, "address", "add", address, "peer", peer, "dev", device)
            _ip(*words, "link", "set", device, "mtu", str(_MTU), "up")
        _ip("-n", name, "link", "set", "lo", "up")
        made = Cable(here, there, ["ip", "netns", "exec", name], (ends[0], ends[1]), random.Random(seed))
        for end, descriptor in enumerate(ends):
            loop.add_reader(descriptor, made.readable, end)
        yield made
    finally:
        for descriptor in ends:
            loop.remove_reader(descriptor)
            os.close(descriptor)  # and the device is gone
        _ip("netns", "delete", name)


def _tun(name: str) -> int:
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TUN | _IFF_NO_PI))
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _tun_in(namespace: str, name: str) -> int:
    """A TUN device inside: a thread that ends afterwards goes there for it (setns(2) moves one thread)."""
    made: list[int | OSError] = []

    def there() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{namespace}").open() as file:
            if libc.setns(file.fileno(), _CLONE_NEWNET):
                made.append(OSError(ctypes.get_errno(), "setns"))
                return
        try:
            made.append(_tun(name))
        except OSError as error:
            made.append(error)

    thread = threading.Thread(target=there, name="netns")
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
        raise made[0]
    return made[0]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=20)


def _quiet(*words: str) -> bool:
    return subprocess.run(words, check=False, capture_output=True, timeout=20).returncode == 0
