"""The camera as a reader sees it: PyAV over RTSP, in each of its moods."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, urlsplit

import av
import av.error
import numpy as np
import pytest
from av.container import InputContainer

from hwlab.camera.reading import read_clock
from hwlab.cameras import Camera, Cameras, CameraSpec
from hwlab.journal import Journal

SPEC = CameraSpec(name="lobby", title="Lobby", gop=1.0, fps=15)


@pytest.fixture
async def cameras(tmp_path: Path) -> AsyncIterator[Cameras]:
    journal = Journal(path=tmp_path / "journal.jsonl")
    journal.open()
    passwords = {SPEC.name: "p@ss:/" + secrets.token_urlsafe(8)}
    async with Cameras(specs=[SPEC], passwords=passwords, directory=tmp_path, journal=journal) as cameras:
        yield cameras
    journal.close()


@pytest.fixture
def camera(cameras: Cameras) -> Camera:
    return cameras[SPEC.name]


def address(camera: Camera, *, password: str | None = None, path: str | None = None) -> str:
    parts = urlsplit(camera.url)
    secret = quote(camera.password if password is None else password, safe="")
    return f"rtsp://{camera.user}:{secret}@{parts.netloc}/{path or camera.name}"


@contextlib.contextmanager
def opened(url: str, *, transport: str = "tcp") -> Iterator[InputContainer]:
    options = {"rtsp_transport": transport, "probesize": "64", "analyzeduration": "0"}
    with av.open(url, options=options, timeout=(5.0, 2.0)) as container:
        yield container


@dataclass
class Seen:
    """What a reader saw: decoded lumas, times and key frames of packets (seconds), decode errors, and how it ended."""

    frames: list[np.ndarray] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    keys: list[float] = field(default_factory=list)
    errors: int = 0
    ended: str = "enough"


def watch(url: str, *, seconds: float, decode: bool = True) -> Seen:
    seen, start = Seen(), time.monotonic()
    try:
        with opened(url) as container:
            for packet in container.demux(video=0):
                if packet.pts is not None:
                    at = float(packet.pts * packet.time_base)
                    seen.times.append(at)
                    if packet.is_keyframe:
                        seen.keys.append(at)
                try:
                    frames = packet.decode() if decode else []
                except av.error.FFmpegError:
                    seen.errors += 1
                    frames = []
                for frame in frames:
                    plane = frame.planes[0]
                    luma = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
                    seen.frames.append(luma[:, : plane.width].copy())
                if time.monotonic() - start > seconds:
                    return seen
            seen.ended = "closed"
    except av.error.FFmpegError as error:
        seen.ended = type(error).__name__
    return seen


async def until_watched(camera: Camera) -> None:
    for _ in range(200):
        if (await camera.status())["viewers"]:
            return
        await asyncio.sleep(0.05)
    pytest.fail("nobody watches after 10 s")


async def test_the_picture_moves_and_carries_the_time(camera: Camera) -> None:
    before = time.time()
    seen = await asyncio.to_thread(watch, address(camera), seconds=4.0)
    after = time.time()
    assert seen.errors == 0
    assert seen.frames[0].shape == (720, 1280)
    assert len(seen.frames) >= 40
    clocks = [read_clock(frame) for frame in seen.frames]
    assert all(clock is not None for clock in clocks)
    moments = [clock / 1e6 for clock in clocks if clock is not None]
    assert before - 0.2 <= moments[0] <= moments[-1] <= after
    assert moments == sorted(moments)
    hand = np.s_[230:300, 385:460]
    assert not np.array_equal(seen.frames[0][hand], seen.frames[-1][hand])


async def test_frames_come_on_an_even_beat_with_a_key_frame_a_second(camera: Camera) -> None:
    seen = await asyncio.to_thread(watch, address(camera), seconds=5.0, decode=False)
    steps = {round(b - a, 4) for a, b in pairwise(seen.times)}
    assert all(round(step * 15) == pytest.approx(step * 15, abs=0.01) for step in steps)
    assert {round(b - a, 3) for a, b in pairwise(seen.keys)} == {1.0}


async def test_the_stream_is_what_its_description_says(camera: Camera) -> None:
    def look() -> tuple[str, str, int, int, bool, bytes]:
        with opened(address(camera)) as container:
            stream = container.streams.video[0]
            codec = stream.codec_context
            packet = next(iter(container.demux(video=0)))
            return codec.name, str(codec.profile), codec.width, codec.height, codec.has_b_frames, bytes(packet)

    name, profile, width, height, b_frames, first = await asyncio.to_thread(look)
    assert (name, profile, width, height, b_frames) == ("h264", "Main", 1280, 720, False)
    kinds = [part[0] & 31 for part in first.split(b"\x00\x00\x01")[1:]]
    assert kinds == [7, 8, 5], "a key frame is SPS, PPS and one slice"


async def test_several_readers_at_once(camera: Camera) -> None:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.to_thread(watch, address(camera), seconds=3.0)) for _ in range(3)]
    for task in tasks:
        assert task.result().errors == 0
        assert len(task.result().frames) >= 20


async def test_strangers_and_wrong_turns_are_refused(camera: Camera) -> None:
    def refusal(url: str, transport: str = "tcp") -> str:
        try:
            with opened(url, transport=transport):
                return "opened"
        except (av.error.FFmpegError, OSError) as error:
            return type(error).__name__

    assert await asyncio.to_thread(refusal, address(camera, password="wrong")) == "HTTPUnauthorizedError"
    assert await asyncio.to_thread(refusal, camera.url) == "HTTPUnauthorizedError"
    assert await asyncio.to_thread(refusal, address(camera, path="cellar")) == "HTTPNotFoundError"
    assert await asyncio.to_thread(refusal, address(camera), "udp") != "opened"


async def test_frozen_sends_the_same_picture_on(camera: Camera) -> None:
    await camera.mode("frozen")
    seen = await asyncio.to_thread(watch, address(camera), seconds=2.5)
    assert len(seen.frames) >= 15
    assert len({read_clock(frame) for frame in seen.frames}) == 1


async def test_stalled_keeps_the_connection_and_sends_nothing(camera: Camera) -> None:
    watching = asyncio.create_task(asyncio.to_thread(watch, address(camera), seconds=60))
    await until_watched(camera)
    await camera.mode("stalled")
    before = (await camera.status())["frames"]
    await asyncio.sleep(0.5)
    assert (await camera.status())["frames"] == before
    assert (await camera.status())["viewers"] == 1
    assert (await watching).ended == "ExitError"


async def test_down_ends_readers_and_refuses_new_ones_until_it_is_back(camera: Camera) -> None:
    watching = asyncio.create_task(asyncio.to_thread(watch, address(camera), seconds=60))
    await until_watched(camera)
    await asyncio.sleep(0.3)
    await camera.mode("down")
    assert (await watching).ended == "closed"
    assert (await asyncio.to_thread(watch, address(camera), seconds=1)).ended == "ConnectionRefusedError"
    await camera.mode("ok")
    assert len((await asyncio.to_thread(watch, address(camera), seconds=1.5)).frames) > 5


async def test_garbage_arrives_on_time_and_does_not_decode(camera: Camera) -> None:
    await camera.mode("garbage")
    seen = await asyncio.to_thread(watch, address(camera), seconds=3.0)
    assert len(seen.times) >= 20
    assert seen.errors >= 10


async def test_unauthorised_sends_everybody_away(camera: Camera) -> None:
    watching = asyncio.create_task(asyncio.to_thread(watch, address(camera), seconds=60))
    await until_watched(camera)
    await camera.mode("unauthorised")
    assert (await watching).ended in ("closed", "HTTPUnauthorizedError")
    assert (await asyncio.to_thread(watch, address(camera), seconds=1)).ended == "HTTPUnauthorizedError"


async def test_nobody_watching_costs_no_encoding(camera: Camera) -> None:
    await asyncio.sleep(0.3)
    assert (await camera.status())["frames"] == 0


async def test_it_is_started_again_as_it_was_asked_to_be(cameras: Cameras, camera: Camera) -> None:
    await camera.scene(door="open")
    first = cameras.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    for _ in range(200):
        if cameras.pid not in (None, first):
            break
        await asyncio.sleep(0.05)
    assert (await camera.status())["door"] == "open"


async def test_a_slow_reader_skips_to_a_key_frame_and_costs_the_others_nothing(camera: Camera) -> None:
    """A reader that stops reading for a while loses frames, not the stream; the one beside it loses none."""
    parts = urlsplit(camera.url)
    assert parts.hostname is not None
    assert parts.port is not None

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    def slow() -> tuple[list[bytes], int]:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        sock.connect((parts.hostname, parts.port))
        file = sock.makefile("rb")
        nonce, count = "", 0

        def ask(method: str, url: str, extra: str = "") -> str:
            nonlocal count
            proof = ""
            if nonce:
                answer = md5(f"{md5(f'{camera.user}:camera:{camera.password}')}:{nonce}:{md5(f'{method}:{url}')}")
                proof = (
                    f'Authorization: Digest username="{camera.user}", realm="camera", nonce="{nonce}",'
                    f' uri="{url}", response="{answer}"\r\n'
                )
            count += 1
            sock.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: {count}\r\n{proof}{extra}\r\n".encode())
            head = ""
            while not head.endswith("\r\n\r\n"):
                head += file.readline().decode()
            length = re.search(r"Content-Length: (\d+)", head)
            file.read(int(length[1]) if length else 0)
            return head

        challenge = re.search('nonce="([^"]+)"', ask("DESCRIBE", camera.url))
        assert challenge is not None
        nonce = challenge[1]
        assert " 200 " in ask("DESCRIBE", camera.url)
        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=4-5\r\n"
        assert " 200 " in ask("SETUP", f"{camera.url}/trackID=0", transport)
        assert " 200 " in ask("PLAY", camera.url)
        time.sleep(stop)
        packets: list[bytes] = []
        end = time.monotonic() + 4
        while time.monotonic() < end:
            head = file.read(4)
            assert head[:1] == b"$"
            data = file.read(int.from_bytes(head[2:]))
            if head[1] == 4:
                packets.append(data)
        sock.close()
        return packets, count

    stop = 9.0  # long enough to fill what the kernel and the camera are ready to keep
    slow_task = asyncio.create_task(asyncio.to_thread(slow))
    good = await asyncio.to_thread(watch, address(camera), seconds=7.0, decode=False)
    assert len(good.times) >= 80
    packets, _ = await slow_task
    numbers = [int.from_bytes(packet[2:4]) for packet in packets]
    holes = [index for index, (a, b) in enumerate(pairwise(numbers)) if b != (a + 1) & 0xFFFF]
    assert holes, "the slow reader should have lost something"
    for index in holes:
        assert packets[index + 1][12] & 31 == 7, "after a hole the stream goes on with SPS, PPS and a key frame"
