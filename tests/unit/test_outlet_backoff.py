"""How long an outlet waits: soon at first, never at once, never longer than the ceiling, and no two alike."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.outlets.backoff import Backoff


def longest(low: float, high: float) -> float:
    return high


def test_the_windows_grow_to_the_ceiling() -> None:
    backoff = Backoff(ceiling=60, uniform=longest)
    assert [backoff.delay() for _ in range(10)] == [0.1, 0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    backoff.reset()
    assert backoff.delay() == 0.1


@given(st.integers(0, 200), st.floats(0.05, 3600))
def test_a_delay_is_never_nothing_and_never_beyond_the_ceiling(attempts: int, ceiling: float) -> None:
    backoff = Backoff(ceiling=ceiling)
    for _ in range(attempts):
        backoff.delay()
    assert 0 < backoff.delay() <= ceiling


def test_two_gateways_do_not_come_back_together() -> None:
    delays = {Backoff().delay() for _ in range(50)}
    assert len(delays) > 40


async def test_a_nudge_ends_a_wait_that_nobody_asked_for() -> None:
    backoff = Backoff(ceiling=3600, uniform=lambda low, high: 3600)
    for wait in (backoff.pause, backoff.pause_long):
        waiting = asyncio.create_task(wait())
        await asyncio.sleep(0)
        assert not waiting.done()
        backoff.nudge()
        await asyncio.wait_for(waiting, 1)


async def test_a_nudge_does_not_end_what_the_relay_asked_for() -> None:
    backoff = Backoff(uniform=lambda low, high: low)
    waiting = asyncio.create_task(backoff.pause(at_least=30))
    await asyncio.sleep(0)
    backoff.nudge()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


@pytest.mark.parametrize(("outage", "share"), [(5, 0.45), (30, 0.12), (120, 0.05), (3600, 0.05)])
def test_a_thousand_that_lost_a_relay_together_do_not_come_back_together(outage: float, share: float) -> None:
    """How many knock in the busiest second after the relay is back; gateways that wait alike come all at once."""
    chance = random.Random(outage)
    assert _busiest(outage, lambda: Backoff(uniform=chance.uniform)) <= 1000 * share
    assert _busiest(outage, lambda: Backoff(uniform=longest)) == 1000  # what the spreading is good for


def _busiest(outage: float, make: Callable[[], Backoff]) -> int:
    """Of a thousand gateways, the most whose first attempt after the outage falls into the same second."""
    seconds: Counter[int] = Counter()
    for _ in range(1000):
        backoff, at = make(), 0.0
        while at < outage:
            at += backoff.delay()
        seconds[int(at - outage)] += 1
    return max(seconds.values())


async def test_what_a_relay_asks_of_all_is_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    for _ in range(200):
        backoff = Backoff()
        for _ in range(6):
            backoff.delay()
        await backoff.pause(at_least=10)
    assert min(waited) >= 10
    assert max(waited) - min(waited) > 5
    assert len(set(waited)) > 150
