"""Many gateways at once: bounded, alarms first, and nobody is told to come back at the same moment."""

from __future__ import annotations

import asyncio

import pytest

from relay.turns import AGAIN, Busy, Turns


async def working(turns: Turns, lane: str, name: str, done: list[str], go: asyncio.Event) -> None:
    async with turns.turn(lane):
        done.append(name)
        await go.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_alarms_go_before_whatever_waits() -> None:
    turns, done, go = Turns(at_once=1), list[str](), asyncio.Event()
    names = [("P1", "first"), ("P4", "readings"), ("P1", "states"), ("P0", "alarm"), ("P0", "second alarm")]
    tasks = [asyncio.create_task(working(turns, lane, name, done, go)) for lane, name in names]
    await settle()
    assert (done, turns.waiting) == (["first"], 4)
    go.set()
    await asyncio.gather(*tasks)
    assert done == ["first", "alarm", "second alarm", "readings", "states"]
    assert turns.waiting == 0


async def test_no_more_than_so_many_are_worked_on() -> None:
    turns, done, go = Turns(at_once=2), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(working(turns, "P0", str(n), done, go)) for n in range(9)]
    await settle()
    assert done == ["0", "1"]
    go.set()
    await asyncio.gather(*tasks)
    assert sorted(done) == [str(n) for n in range(9)]


async def test_who_gives_up_waiting_leaves_no_turn_behind() -> None:
    turns, done, go = Turns(at_once=1), list[str](), asyncio.Event()
    tasks = [asyncio.create_task(working(turns, "P0", str(n), done, go)) for n in range(4)]
    await settle()
    tasks[1].cancel()
    tasks[0].cancel()  # the turn is passed on in the same moment in which the next one is cancelled
    await settle()
    tasks[2].cancel()
    go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert done == ["0", "2", "3"]
    async with turns.turn("P1"):
        assert turns.waiting == 0


async def test_room_is_bounded_and_alarms_have_some_of_their_own() -> None:
    turns = Turns(most=100, most_alarms=150)
    async with turns.hold("P1", 90):
        with pytest.raises(Busy) as busy:
            async with turns.hold("P1", 20):
                pass
        assert AGAIN[0] <= busy.value.retry_after <= AGAIN[1]
        async with turns.hold("P0", 60):
            with pytest.raises(Busy):
                async with turns.hold("P0", 1):
                    pass
    async with turns.hold("P1", 1000):  # a single one always has room
        pass


async def test_a_crowd_is_told_to_wait_each_for_another_time() -> None:
    turns, go = Turns(at_once=1), asyncio.Event()
    tasks = [asyncio.create_task(working(turns, "P1", str(n), [], go)) for n in range(30)]
    assert turns.credit("P1") is None
    await settle()
    asked = [turns.credit("P1") for _ in range(50)]
    assert all(credit is not None and 0.5 < credit <= 10 for credit in asked)
    assert len(set(asked)) > 20
    assert turns.credit("P0") is None  # an alarm is never asked to wait
    go.set()
    await asyncio.gather(*tasks)
