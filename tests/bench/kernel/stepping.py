"""One step of the whole engine: panel, rules, incident, ids and trace; everything but the storage."""

from __future__ import annotations

import time
from collections.abc import Callable

from rules.actions import Append
from rules.engine import Engine
from rules.events import ContactClosed, ContactOpened, DeviceEvent, Event, KeyPressed, TimePassed
from tests.bench.kernel import worlds
from tests.bench.kernel.measure import Spread, quiet, spread
from tests.bench.kernel.worlds import PARTITIONS, SECOND, STRIDE, ZONES, header


def house(*, filmed: bool = True) -> tuple[Callable[[], Engine], int]:
    """A house at night where every second partition is armed, all doors shut, as often as one likes; and the number of
    facts so far."""
    site = worlds.site(worlds.house_document(filmed=filmed))
    engine = Engine(site=site, site_sha256="0" * 64, origin="bench")
    facts: list[Event] = list(worlds.history())
    for n in range(ZONES):
        facts.append(ContactClosed(**header(len(facts), 3000 + n), device=f"door-{n}"))
    for n in range(0, PARTITIONS, 2):
        facts.append(KeyPressed(**header(len(facts), 10 * SECOND), device=f"pad-{n}", key="arm_away"))
    facts.append(TimePassed(**header(len(facts), 400 * SECOND)))
    for fact in facts:
        engine.step(fact)
    armed = [n for n in range(PARTITIONS) if engine._panel.mode(f"part-{n}") == "away"]
    assert armed == list(range(0, PARTITIONS, 2)), f"armed: {armed}"
    night = engine.snapshot()
    return lambda: Engine.restore(night, site=site, site_sha256="0" * 64, origin="bench"), len(facts)


def timed(engine: Engine, facts: list[DeviceEvent], *, opens: bool) -> list[int]:
    """Nanoseconds of CPU of each step; a figure counts only if the engine did what it is about."""
    taken: list[int] = []
    step, now = engine.step, time.thread_time_ns
    with quiet():
        for fact in facts:
            began = now()
            actions = step(fact)
            taken.append(now() - began)
            opened = [one for one in actions if isinstance(one, Append) and one.entry.kind == "incident.opened"]
            assert len(opened) == (1 if opens else 0), f"{fact.kind} of {fact.device} opened {len(opened)} incidents"
    return taken


def quiet_steps(engine: Engine, first: int, count: int) -> Spread:
    """Doors of partitions that are not armed open and close: nothing alarms."""
    facts: list[DeviceEvent] = []
    # Of odd number: their gates stand open, so that their rules do not hold.
    doors = [n for n in range(1, ZONES, 2) if worlds.partition_of(n) % 2]
    for n in range(count):
        door = f"door-{doors[n * STRIDE % len(doors)]}"
        kind = ContactOpened if n // len(doors) % 2 == 0 else ContactClosed
        facts.append(kind(**header(first + n, 500 * SECOND + n * 1000), device=door))
    return spread(timed(engine, facts, opens=False))


def alarms(again: Callable[[], Engine], first: int, rounds: int) -> Spread:
    """A door of each armed partition is opened: alarm, siren, incident, and where it is filmed a still and a clip."""
    taken: list[int] = []
    for _ in range(rounds):
        perimeter = range(3, ZONES, 4)
        doors = [next(n for n in perimeter if worlds.partition_of(n) == part) for part in range(0, PARTITIONS, 2)]
        facts: list[DeviceEvent] = [
            ContactOpened(**header(first + n, 500 * SECOND + n * SECOND), device=f"door-{door}")
            for n, door in enumerate(doors)
        ]
        taken += timed(again(), facts, opens=True)
    return spread(taken)
