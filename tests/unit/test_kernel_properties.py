"""What holds on every site and every day: no exception, the same again byte for byte, restarts that nobody notices,
ids that are unique and come again, deadlines that need nobody to watch them, and no alarm that is swallowed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules import wire
from rules.actions import Action, Append, Note, WakeMe
from rules.engine import Engine
from rules.events import Boot, Event, TimePassed
from rules.incidents import Entry
from rules.turn import Why
from tests.examples import examples
from tests.unit.alarm_ledger import Ledger
from tests.unit.kernel_worlds import HOUR, World, worlds
from tests.unit.world_days import Act, Happening, histories

SHA = "a" * 64
GATEWAY = "gw-1"


@dataclass(frozen=True, slots=True)
class Step:
    """One fact, what followed from it, and why."""

    fact: Event | Entry
    actions: list[Action]
    trace: list[Why]


def fresh(world: World) -> Engine:
    return Engine(site=world.site, site_sha256=SHA, origin=GATEWAY)


def play(
    world: World, history: list[Happening], *, restart: bool = False, log: bool = False, wakes: bool = False
) -> list[Step]:
    """`restart`: from a snapshot before every step. `log`: fed what it had written, as a replay of the log is.
    `wakes`: somebody wakes it whenever it asked to be."""
    engine = fresh(world)
    incidents: list[str] = []
    steps: list[Step] = []

    def step(fact: Event | Entry) -> None:
        nonlocal engine
        if restart:
            engine = Engine.restore(engine.snapshot(), site=world.site, site_sha256=SHA, origin=GATEWAY)
        actions = engine.step(fact)
        steps.append(Step(fact, actions, engine.trace))
        for action in actions:
            if isinstance(action, Append) and action.entry.incident not in incidents:
                incidents.append(action.entry.incident)
            if log and isinstance(action, Append | Note):
                written = action.entry if isinstance(action, Append) else action.event
                assert engine.step(written) == [], f"{written.kind} was decided twice"

    for number, one in enumerate(history):
        if wakes and isinstance(one, Event):
            off = one.off_time or 0 if isinstance(one, Boot) else 0  # nobody wakes what is switched off
            while (at := engine.next_wake()) is not None and at < one.gt - off:
                name = f"{number:08x}-{len(steps):04x}-7000-8000-000000000000"
                step(TimePassed(id=name, gt=at, wall=one.wall - (one.gt - at), clock=one.clock))
        step(one.entry(incidents) if isinstance(one, Act) else one)
    return steps


def said(steps: list[Step]) -> list[str]:
    """What an engine did, byte for byte."""
    return [repr(step.actions) for step in steps]


def reasons(steps: list[Step]) -> list[str]:
    """Why it did so."""
    return [repr(step.trace) for step in steps]


def decided(steps: list[Step]) -> list[str]:
    """What was decided in all, whenever somebody looked."""
    return [repr(action) for step in steps for action in step.actions if not isinstance(action, WakeMe)]


def same(first: list[str], other: list[str], what: str) -> None:
    """Both say the same; else the first place where they do not."""
    for number, (one, two) in enumerate(zip_longest(first, other)):
        assert one == two, f"{what} changed decision {number}:\n  {one}\n  {two}"


@st.composite
def nights(draw: st.DrawFn, *, jumps: bool = True) -> tuple[World, list[Happening]]:
    """A world and what happens in it."""
    world = draw(worlds())
    return world, draw(histories(world, jumps=jumps))


@given(nights())
@examples(150)
def test_the_same_history_gives_the_same_actions(night: tuple[World, list[Happening]]) -> None:
    world, history = night
    first = play(world, history)
    same(said(first), said(play(world, history)), "playing it again")
    restarted = play(world, history, restart=True)
    same(said(first), said(restarted), "restarts")
    same(reasons(first), reasons(restarted), "restarts: the reason of")
    same(said(first), said(play(world, history, log=True)), "the log that came back")


@given(nights(jumps=False))
@examples(150)
def test_deadlines_need_nobody_to_watch_them(night: tuple[World, list[Happening]]) -> None:
    """Whether the agent wakes the engine on the dot, now and then or never: the same decisions in the same order."""
    world, history = night
    events = [
        one for one in history if isinstance(one, Event)
    ]  # whom people write to depends on what is decided by then
    last = events[-1]
    later: dict[str, Any] = {"gt": last.gt + 100 * HOUR, "wall": last.wall + 100 * HOUR}
    closing = TimePassed(id="ffffffff-0000-7000-8000-000000000000", **later)
    unwatched: list[Happening] = [*(one for one in events if not isinstance(one, TimePassed)), closing]
    alone = decided(play(world, unwatched))
    same(alone, decided(play(world, unwatched, wakes=True)), "waking it on the dot")
    same(alone, decided(play(world, [*events, closing])), "waking it now and then")


@given(nights())
@examples(100)
def test_ids_are_unique_and_every_fact_survives_the_wire(night: tuple[World, list[Happening]]) -> None:
    world, history = night
    ids: set[str] = set()
    for step in play(world, history):
        assert step.fact.id not in ids
        ids.add(step.fact.id)
        for action in step.actions:
            if isinstance(action, Append | Note):
                written = action.entry if isinstance(action, Append) else action.event
                assert written.id not in ids, f"{written.kind}: its id is used twice"
                ids.add(written.id)
                record = wire.read(wire.encode(written))
                assert (wire.entry(record) if isinstance(action, Append) else wire.event(record)) == written


@given(nights())
@examples(150)
def test_an_alarm_is_never_swallowed(night: tuple[World, list[Happening]]) -> None:
    """Whenever an input becomes active, its zone is named: by a fact, or at least by a line that says why not. And
    where nothing speaks against an alarm, there is one."""
    world, history = night
    ledger = Ledger(world)
    for step in play(world, history):
        for zone in ledger.activated(step.fact):
            named = [why.text for why in step.trace if why.subject == f"zone {zone}"] + ledger.facts_of(step, zone)
            assert named, f"{zone} became active, and nobody says what became of it"
            if ledger.must_ring(zone, step.fact):
                rung = [one for one in ledger.facts_of(step, zone) if one in ("zone.alarmed", "zone.tampered")]
                assert rung, f"{zone} had to ring; instead: {named}"
        ledger.take(step)
