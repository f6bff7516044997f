"""The supervisor: order of starting and stopping, restarts, and what ends the agent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from agent import log
from agent.errors import ConfigError, OutletError, StoreError
from agent.supervisor import Supervisor

_real_sleep = asyncio.sleep


class Part:
    """A service that writes down when it starts and ends."""

    def __init__(self, name: str, steps: list[str], work: Callable[[], Awaitable[None]] | None = None) -> None:
        self.name = name
        self._steps = steps
        self._work = work

    async def run(self) -> None:
        self._steps.append(f"+{self.name}")
        try:
            if self._work is not None:
                await self._work()
            await asyncio.get_running_loop().create_future()
        finally:
            self._steps.append(f"-{self.name}")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses pass at once, and are written down."""
    seen: list[float] = []

    async def sleep(seconds: float) -> None:
        seen.append(seconds)
        await _real_sleep(0)

    monkeypatch.setattr("agent.supervisor.asyncio.sleep", sleep)
    return seen


async def supervise(phases: list[list[Part]], until: Callable[[], bool]) -> None:
    stop = asyncio.Event()
    task = asyncio.create_task(Supervisor(phases=phases, ready=lambda: None).run(stop))
    while not until() and not task.done():
        await _real_sleep(0)
    stop.set()
    async with asyncio.timeout(5):
        await task


async def test_phases_start_in_order_and_stop_in_reverse() -> None:
    steps: list[str] = []
    phases = [[Part("store", steps)], [Part("effects", steps)], [Part("devices", steps)]]
    ready: list[str] = []
    stop = asyncio.Event()
    task = asyncio.create_task(Supervisor(phases=phases, ready=lambda: ready.append("ready")).run(stop))
    while len(steps) < 3:
        await _real_sleep(0)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert {"store", "effects", "devices"} <= names
    assert ready == ["ready"]
    stop.set()
    await task
    assert steps == ["+store", "+effects", "+devices", "-devices", "-effects", "-store"]


async def test_a_service_that_fails_is_started_again_after_a_growing_pause(pauses: list[float]) -> None:
    steps: list[str] = []
    failures = iter([StoreError("no room"), KeyError("a bug"), OutletError("away"), None])

    async def work() -> None:
        error = next(failures)
        if error is not None:
            raise error

    await supervise([[Part("a", steps, work)], [Part("b", steps)]], lambda: steps.count("+a") == 4)
    assert steps.count("+b") == 1, "its neighbours are left alone"
    assert len(pauses) == 3
    assert 0.2 <= pauses[0] <= 0.4 <= pauses[1] <= 0.8 <= pauses[2] <= 1.6


async def test_a_service_that_returns_is_started_again(pauses: list[float]) -> None:
    runs = []

    class Short:
        name = "short"

        async def run(self) -> None:
            runs.append(1)

    stop = asyncio.Event()
    task = asyncio.create_task(Supervisor(phases=[[Short()]], ready=lambda: None).run(stop))
    while len(runs) < 5:
        await _real_sleep(0)
    stop.set()
    await task


@pytest.mark.parametrize("grouped", [False, True])
async def test_a_permanent_error_stops_all_in_order_and_comes_out_as_itself(grouped: bool) -> None:
    steps: list[str] = []

    async def work() -> None:
        await _real_sleep(0)
        error = ConfigError("the CA file cannot be used")
        raise ExceptionGroup("tasks", [StoreError("meanwhile"), error]) if grouped else error

    phases = [[Part("store", steps)], [Part("devices", steps, work)], [Part("last", steps)]]
    with pytest.raises(ConfigError, match="the CA file"):
        await supervise(phases, lambda: False)
    assert steps[-1] == "-store"


async def test_a_service_that_fails_while_it_is_stopped_does_not_come_back(pauses: list[float]) -> None:
    steps: list[str] = []

    class Clumsy:
        name = "clumsy"

        async def run(self) -> None:
            steps.append("+")
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                raise StoreError("a rollback failed") from None  # the cancellation is lost in it

    stop = asyncio.Event()
    task = asyncio.create_task(Supervisor(phases=[[Clumsy()]], ready=lambda: None).run(stop))
    while not steps:
        await _real_sleep(0)
    stop.set()
    async with asyncio.timeout(5):
        await task
    assert steps == ["+"]


def test_a_log_line_has_the_way_to_a_fault_and_nothing_of_what_it_was_about(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def inner(code: str) -> None:
        raise ValueError(f"{code} is no code")

    def outer() -> None:
        code = "829417"
        try:
            inner(code)
        except ValueError:
            structlog.get_logger().exception("service.crashed", service="mqtt")

    for person in (True, False):
        log.configure(person=person)
        try:
            outer()
        finally:
            structlog.reset_defaults()
        said = capsys.readouterr().err
        assert "829417" not in said
        assert "ValueError < tests/unit/test_agent_supervisor.py, line " in said
