"""The tables of lock and leaf: every state meets every event, on a real door."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rules.access.bolt import BOLT, BOLT_EVENTS, LET_GO
from rules.access.leaf import LEAF, LEAF_EVENTS
from rules.access.memory import AccessMemory, DoorMemory
from rules.describe import life_table
from tests.unit.access_rig import Rig

# What brings each event about, and what the document must say for it.
BOLT_CAUSES: dict[str, tuple[dict[str, object], Callable[[Rig], object]]] = {
    "grant": ({}, lambda rig: rig.card()),
    "exit": ({"rex_unlocks": False}, lambda rig: rig.asks()),
    "free": ({}, lambda rig: rig.order(lambda access, turn: access.unlock(turn, "front", by="Ada", stay=True))),
    "spend": ({"relock": "on_open"}, lambda rig: rig.opens()),
    "use": ({"relock": "on_close"}, lambda rig: rig.opens()),
    "close": ({"relock": "on_close"}, lambda rig: rig.closes()),
    "lapse": ({}, lambda rig: rig.passes("5s")),
    "secure": ({}, lambda rig: rig.order(lambda access, turn: access.lock(turn, "front", by="Ada"))),
    "boot": ({}, lambda rig: rig.boots(off="1s")),
}
LEAF_CAUSES: dict[str, tuple[str, Callable[[Rig], object]]] = {
    "enter": ("released", lambda rig: rig.opens()),
    "break": ("locked", lambda rig: rig.opens()),
    "found": ("locked", lambda rig: rig.opens(delivery="retained")),
    "close": ("locked", lambda rig: rig.closes()),
    "warn": ("locked", lambda rig: rig.passes("10s")),
    "hold": ("locked", lambda rig: rig.passes("20s")),
    "extend": ("locked", lambda rig: rig.asks()),
}


def standing(bolt: str, leaf: str) -> Callable[[AccessMemory], None]:
    def bring(memory: AccessMemory) -> None:
        memory.doors["front"] = DoorMemory(bolt=bolt, leaf=leaf, free="order" if bolt == "free" else "")

    return bring


@pytest.mark.parametrize("event", BOLT_EVENTS)
@pytest.mark.parametrize("state", BOLT)
def test_every_state_of_the_lock_meets_every_event(state: str, event: str) -> None:
    settings, cause = BOLT_CAUSES[event]
    rig = Rig(door=settings)
    rig.set(standing(state, "open" if event == "close" else "closed"))
    if event == "lapse":
        rig.timer("access lapse front", after="5s")
    cause(rig)
    assert rig.memory.doors["front"].bolt == BOLT[state].get(event, state)


@pytest.mark.parametrize("event", LEAF_EVENTS)
@pytest.mark.parametrize("state", LEAF)
def test_every_state_of_the_leaf_meets_every_event(state: str, event: str) -> None:
    bolt, cause = LEAF_CAUSES[event]
    rig = Rig()
    rig.set(standing(bolt, state))
    if event == "warn":
        rig.timer("access warn front", after="10s")
        rig.timer("access held front", after="20s")
    elif event == "hold":
        rig.timer("access held front", after="20s")
    cause(rig)
    assert rig.memory.doors["front"].leaf == LEAF[state].get(event, state)


@pytest.mark.parametrize(("table", "events"), [(BOLT, BOLT_EVENTS), (LEAF, LEAF_EVENTS)])
def test_the_tables_lead_nowhere_unknown(table: dict[str, dict[str, str]], events: tuple[str, ...]) -> None:
    for arrows in table.values():
        assert set(arrows) <= set(events)
        assert set(arrows.values()) <= set(table)


@pytest.mark.parametrize("state", BOLT)
@pytest.mark.parametrize("leaf", ["closed", "open", "warned"])
def test_whatever_a_lock_was_let_go_for_a_lockdown_locks_it(state: str, leaf: str) -> None:
    rig = Rig()
    rig.set(standing(state, leaf))
    lines = rig.order(lambda access, turn: access.lockdown(turn, True, by="Ada", reason="drill"))
    assert rig.memory.doors["front"].bolt == "locked"
    assert ("lock off" in lines) == (state in LET_GO)


def test_a_lock_is_never_held_on_but_for_a_door_that_stands_open() -> None:
    rig = Rig()
    for lines in (rig.closes(), rig.card(), rig.opens(), rig.asks(), rig.boots(), rig.boots(off=None)):
        assert "lock on" not in lines


@pytest.mark.parametrize(("table", "events"), [(BOLT, BOLT_EVENTS), (LEAF, LEAF_EVENTS)])
def test_the_readmes_tables_are_these(table: dict[str, dict[str, str]], events: tuple[str, ...]) -> None:
    head, _, *rows = life_table(table, events).splitlines()
    names = [name.strip() for name in head.strip("|").split("|")][1:]
    for row in rows:
        state, *fields = [field.strip() for field in row.strip("|").split("|")]
        arrows = {event: field for event, field in zip(names, fields, strict=True) if field}
        assert arrows == table[state.strip("`")]
