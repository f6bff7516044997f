"""The life-cycle of arming by schedule: every state with every event, and that it ever gets there."""

from __future__ import annotations

import pytest

from rules.calendar.arming import Armings
from rules.calendar.follow import Follower
from rules.calendar.life import LIFE
from rules.calendar.memory import ArmingMemory, CalendarMemory
from rules.casebook import Casebook
from rules.outputs import Outputs
from rules.panel.memory import PanelMemory
from rules.panel.panel import Panel
from rules.timers import Timers
from rules.turn import Turn
from tests.unit.gallery import gallery

# What follows, by state (rows) and event (columns); a dot: nothing changes.
EVENTS = ["due", "wait", "keep", "leave", "stir", "withdraw", "refuse", "exit", "arm", "disarm", "end"]
EXPECTED = {
    "idle":    ["warning", "waiting", "armed", "closing", ".", ".", ".", ".", ".", ".", "."],
    "warning": [".", ".", ".", ".", "waiting", "idle", "waiting", "closing", "armed", ".", "idle"],
    "waiting": ["warning", ".", ".", ".", ".", ".", ".", "closing", "armed", ".", "idle"],
    "closing": [".", ".", ".", ".", ".", ".", ".", ".", "armed", "left", "idle"],
    "armed":   [".", ".", ".", ".", ".", ".", ".", "closing", ".", "left", "idle"],
    "left":    ["warning", "waiting", ".", ".", ".", ".", ".", "closing", "armed", ".", "idle"],
}  # fmt: skip


def armings(memory: CalendarMemory) -> Armings:
    site = gallery()
    timers = Timers({})
    panel = Panel(
        site=site,
        memory=PanelMemory(),
        timers=timers,
        outputs=Outputs(levels={}, timers=timers),
        casebook=Casebook(incidents={}, origin="gw-1"),
    )
    follower = Follower(timetables=site.timetables(), names=["closed"], memory=memory, timers=timers)
    return Armings(site=site, memory=memory, timers=timers, follower=follower, panel=panel)


@pytest.mark.parametrize("state", EXPECTED)
@pytest.mark.parametrize("event", EVENTS)
def test_every_state_with_every_event(state: str, event: str) -> None:
    memory = CalendarMemory(armings={"hall": ArmingMemory("closed", state)})
    turn = Turn(cause="c", seed="s", gt=0, wall=0, clock="synced", trace=[])
    armings(memory)._move(turn, "hall", event)
    follows = EXPECTED[state][EVENTS.index(event)]
    assert memory.armings["hall"].state == (state if follows == "." else follows)
    assert bool(turn.trace) == (follows != ".")  # and a line says why


def test_the_table_knows_no_other_state_or_event() -> None:
    assert set(LIFE) == set(EXPECTED)
    assert {event for row in LIFE.values() for event in row} == set(EVENTS)
    assert {state for row in LIFE.values() for state in row.values()} <= set(LIFE)


def test_every_state_can_be_reached_and_left() -> None:
    reached = {"idle"}
    while more := {after for state in reached for after in LIFE[state].values()} - reached:
        reached |= more
    assert reached == set(LIFE)
    assert all(LIFE[state].get("end") == "idle" for state in LIFE if state != "idle")
