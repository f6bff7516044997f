"""Readings wait, are packed, and come out of the row exactly as they were decided upon."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.readings import MAX_HELD, MAX_WAIT, Readings
from rules import ids, wire
from rules.events import Clock, Reading, ReadingHumidity, ReadingsPacked, ReadingTemperature
from rules.readings import unpack


def reading(n: int, *, gt: int, wall: int | None = None, clock: Clock = "synced", value: float = 21.5) -> Reading:
    kind = ReadingTemperature if n % 2 else ReadingHumidity
    wall = 1_000_000_000 + gt if wall is None else wall
    return kind(id=ids.derived("r", n), gt=gt, wall=wall, clock=clock, device=f"d{n}", value=value, n=n)


def test_they_wait_five_seconds_or_until_they_are_many() -> None:
    readings = Readings()
    assert (readings.due, readings.pack()) == (None, None)
    readings.hold(reading(0, gt=100))
    assert readings.due == 100 + MAX_WAIT
    for n in range(1, MAX_HELD):
        readings.hold(reading(n, gt=100 + n))
    assert readings.due == 0
    packed = readings.pack()
    assert packed is not None
    assert len(packed.kinds) == MAX_HELD
    assert len(readings) == 0
    assert readings.pack() is None


@given(
    st.lists(st.tuples(st.integers(0, 4_000_000), st.floats(-1e6, 1e6)), min_size=1, max_size=20),
)
def test_what_a_replay_sees_is_what_was_decided_upon(entries: list[tuple[int, float]]) -> None:
    readings = Readings()
    gt = 50
    seen = []
    for n, (later, value) in enumerate(entries):
        gt += later
        seen.append(readings.hold(reading(n, gt=gt, value=value, wall=1_000_000_000 + gt + n % 3)))
    packed = readings.pack()
    assert packed is not None
    kept = wire.event(wire.read(wire.encode(packed)))
    assert isinstance(kept, ReadingsPacked)
    assert list(unpack(kept)) == seen
    assert len({fact.id for fact in seen} | {packed.id}) == len(seen) + 1


def test_a_step_of_the_clock_or_its_confidence_begins_a_new_row() -> None:
    readings = Readings()
    assert readings.fits(reading(0, gt=1))
    readings.hold(reading(0, gt=1))
    assert readings.fits(reading(1, gt=1_000_000))
    assert not readings.fits(reading(1, gt=2, clock="unsynced"))
    assert not readings.fits(reading(1, gt=2, wall=5_000_000_000))
