"""A camera's address and its troubles: explained to a person, without ever showing a password."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import av
import pytest

from agent.video import session
from agent.video.address import address_of
from agent.video.errors import AddressError, CameraError
from agent.video.messages import Camera
from tests.unit.footage import SECOND, FixedClock, encoded, fed

SECRET = "p@ss/w:rd #canary%41"


def camera(url: str = "rtsp://127.0.0.1:9/x", user: str | None = "por:ter", password: str | None = SECRET) -> Camera:
    return Camera(id="hall", name="Hall", url=url, user=user, password=password)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (camera(), "rtsp://por%3Ater:p%40ss%2Fw%3Ard%20%23canary%2541@127.0.0.1:9/x"),
        (camera(user=None, password=None), "rtsp://127.0.0.1:9/x"),
        (camera(password=None), "rtsp://por%3Ater:@127.0.0.1:9/x"),
        (camera(url="rtsps://[::1]/a?b=c", user=None), "rtsps://[::1]/a?b=c"),
    ],
)
def test_the_account_is_put_into_the_address_encoded(given: Camera, address: str) -> None:
    assert address_of(given) == address


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "/dev/video0",
        "concat:rtsp://a",
        "http://10.0.0.1/stream",
        "rtsp://",
        "rtsp:///x",
        "rtsp://h:port/",
        "rtsp://[::1",
        f"rtsp://porter:{SECRET[:4]}@10.0.0.1/x",
        "",
    ],
)
def test_an_address_that_can_never_work_is_refused_in_words(url: str) -> None:
    with pytest.raises(AddressError) as caught:
        address_of(camera(url=url))
    assert "camera's address" in str(caught.value)
    assert SECRET[:4] not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "reason", "slow"),
    [
        (av.error.HTTPUnauthorizedError(1, SECRET, SECRET), "401", True),
        (av.error.HTTPForbiddenError(1, SECRET, SECRET), "403", True),
        (av.error.HTTPNotFoundError(1, SECRET, SECRET), "404", True),
        (av.error.HTTPServerError(1, SECRET, SECRET), "error of its own", False),
        (av.error.InvalidDataError(1, SECRET, SECRET), "does not speak RTSP", False),
        (av.error.ExitError(1, SECRET, SECRET), "cannot be reached", False),
        (ConnectionRefusedError(errno.ECONNREFUSED, SECRET), "cannot be reached", False),
    ],
)
def test_troubles_are_explained_without_the_librarys_text(error: Exception, reason: str, slow: bool) -> None:
    explained = session._explained(error)
    assert reason in str(explained)
    assert SECRET not in str(explained)
    assert explained.slow is slow


def test_a_closed_port_is_a_camera_that_cannot_be_reached() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with (
            pytest.raises(CameraError, match="cannot be reached") as caught,
            session.connect(camera(url=f"rtsp://127.0.0.1:{port}/x"), FixedClock()),
        ):
            pass
    assert caught.value.__cause__ is None and caught.value.__suppress_context__


def test_libav_logs_nothing_by_itself() -> None:
    # What it would log quotes addresses.
    assert av.logging.get_level() is None


class Pauses(threading.Event):
    """Instead of waiting, notes for how long; stops the session after a few."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count
        self.seen: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.seen.append(timeout or 0.0)
        if len(self.seen) == self.count:
            self.set()
        return True


def run_with(monkeypatch: pytest.MonkeyPatch, error: Exception, count: int) -> tuple[list[float], list[str]]:
    @contextmanager
    def failing(*_: object) -> Iterator[session.Stream]:
        raise error
        yield  # type: ignore[unreachable]

    monkeypatch.setattr(session, "connect", failing)
    monkeypatch.setattr("agent.video.session.random.uniform", lambda low, high: high)
    clock, reasons = FixedClock(), list[str]()
    made = session.Session(
        camera=camera(),
        clock=clock,
        intake=fed(encoded(seconds=1), clock=clock),
        segment=lambda: None,
        picture=lambda: None,
        lost=reasons.append,
    )
    pauses = Pauses(count)
    monkeypatch.setattr(made, "_stopping", pauses)
    made.run()
    return pauses.seen, reasons


def test_tries_become_rarer_up_to_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, reasons = run_with(monkeypatch, CameraError("gone"), 7)
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert set(reasons) == {"gone"}


def test_a_wrong_password_is_tried_much_more_rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, _ = run_with(monkeypatch, CameraError("401", slow=True), 5)
    assert pauses == [15, 30, 60, 120, 120]


def test_an_impossible_address_is_said_once_and_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses, reasons = run_with(monkeypatch, AddressError("the camera's address must be a URL"), 3)
    assert (pauses, reasons) == ([], ["the camera's address must be a URL"])


def test_garbage_is_counted_and_never_becomes_footage() -> None:
    packets = tuple(
        type(each)(
            data=b"\x00\x00\x01\x67" + os.urandom(3) + b"\x00\x00\x01\x65" + each.data[-50:].replace(b"\x00", b"\x01"),
            pts=each.pts,
            dts=each.dts,
            duration=each.duration,
            key=each.key,
            arrival=each.arrival,
        )
        for each in encoded(seconds=3)
    )
    clock = FixedClock()
    intake = fed(packets, clock=clock)
    assert intake.pictures == 0
    assert intake.unusable >= 2
    assert intake.ring.since(0) == []
    assert intake.newest > 999 * SECOND
