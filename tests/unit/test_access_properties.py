"""What holds at a door whatever happens there: nothing waits without a deadline, no lock is let go without a reason,
and a restart before any step changes nothing (which the rig checks on each)."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rules.access.bolt import BOLT
from rules.access.leaf import LEAF
from rules.actions import Pulse
from tests.examples import examples
from tests.unit.access_rig import SECOND, Rig, digest

AREAS = {"from": "outside", "to": "floor"}
WAITS = [
    0,
    1,
    SECOND // 2 - 1,
    SECOND,
    5 * SECOND - 1,
    5 * SECOND,
    15 * SECOND,
    30 * SECOND,
    90 * SECOND,
    3600 * SECOND,
]
DELIVERIES = st.sampled_from(["live", "live", "live", "redelivered", "late", "retained"])
CODES = ["ada code", "ada pin", "ada duress", "bob code", "bob pin", "guess"]
ADA = {
    "extended": True,
    "codes": [
        {"digest": digest("ada code"), "once": True},
        {"digest": digest("ada duress"), "duress": True},
    ],
}
DOORS = st.fixed_dictionaries(
    {
        "relock": st.sampled_from(["on_open", "on_close", "on_time"]),
        "rex_unlocks": st.booleans(),
        "pin": st.sampled_from(["never", "always", "hours"]),
        "codes": st.booleans(),
        "two_person": st.booleans(),
        "anti_passback": st.sampled_from(["none", "soft", "hard"]),
        "badge_disarms": st.booleans(),
        "threat": st.sampled_from([None, 3]),
        "way_out": st.booleans(),
        "sirens": st.sampled_from([[], ["siren"]]),
        "tries": st.just(3),
    },
    optional={"double_badge_arms": st.just("away"), "forgive": st.just("1h"), "unlock_schedule": st.just("hours")},
)
STEPS = st.tuples(
    st.sampled_from([
        "open", "open", "close", "close", "exit", "card", "card", "card", "code", "code", "pad", "key", "pass", "boot",
        "lockdown", "lockdown", "threat", "unlock", "unlock", "unlock", "lock",
    ]),
    st.sampled_from(WAITS),
    DELIVERIES,
    st.integers(0, 5),
)  # fmt: skip


def happen(rig: Rig, what: str, after: int, delivery: Any, n: int) -> None:
    how: dict[str, Any] = {"after": after, "delivery": delivery}
    reader = "out" if n % 2 else "in"
    match what:
        case "open":
            rig.opens(**how)
        case "close":
            rig.closes(**how)
        case "exit":
            rig.asks(**how)
        case "card":
            rig.card(["ada card", "bob card", "stranger"][n % 3], on=reader, **how)
        case "code":
            rig.code(CODES[n], on=reader, **how)
        case "pad":
            rig.code(CODES[n], wish="arm_away" if n == 3 else "", **how)
        case "key":
            rig.tells("key.pressed", "pad", key=["arm_away", "panic", "fire", "help"][n % 4], **how)
        case "pass":
            rig.passes(after)
        case "boot":
            rig.boots(off=None if n == 0 else f"{n}s")
        case "lockdown":
            rig.order(lambda access, turn: access.lockdown(turn, n < 3, by="Ada", reason="drill"))
        case "threat":
            rig.order(lambda access, turn: access.threat(turn, n, by="Ada"))
        case "unlock":
            rig.order(lambda access, turn: access.unlock(turn, "front", by="Ada", stay=n < 2))
        case "lock":
            rig.order(lambda access, turn: access.lock(turn, "front", by="Ada"))


def sound(rig: Rig) -> None:
    memory, timers = rig.memory, rig.engine.state.timers
    door = memory.doors.get("front")
    if door is not None:
        free = door.bolt == "free"
        held = rig.engine.state.levels.get("lock")
        assert door.bolt in BOLT
        assert door.leaf in LEAF
        assert free == bool(door.free) == (held is not None and held.value == "on")
        assert not (free and (memory.lockdown or (memory.threat >= 3 and rig.site.doors[0].threat is not None)))
        if door.bolt in ("released", "shunted") or door.passing:
            assert "access lapse front" in timers, "let go without an end"
        if door.leaf in ("open", "warned") and not free:
            assert "access held front" in timers, "open without an end"
    for waiting, what in ((memory.pins, "pin"), (memory.seconds, "second_person"), (memory.pairs, "pair")):
        assert {f"access {what} {name}" for name in waiting} == {key for key in timers if f"access {what} " in key}
    assert {f"access lockout {name}" for name in memory.locked} == {key for key in timers if "access lockout " in key}
    assert all(timer.at > rig.gt for timer in timers.values())


@given(DOORS, st.lists(STEPS, min_size=1, max_size=25))
@examples(120)
def test_whatever_happens_at_a_door(settings: dict[str, Any], steps: list[tuple[str, int, Any, int]]) -> None:
    schedule = settings.get("unlock_schedule")
    first_in = {"first_in": True} if schedule and settings["codes"] else {}
    rig = Rig(door={**AREAS, "partition": "office", **settings, **first_in}, ada=ADA)
    pulsed_after: set[str] = set()
    for what, after, delivery, n in steps:
        happen(rig, what, after, delivery, n)
        sound(rig)
        pulses = {action.id for action in rig.actions if isinstance(action, Pulse)}
        assert not pulses & pulsed_after, "a lock was let go twice for one reason"
        assert not pulses or delivery == "live" or what in ("unlock", "lock", "lockdown", "threat", "boot", "pass")
        pulsed_after |= pulses


@given(st.lists(STEPS, min_size=1, max_size=12))
@examples(40)
def test_left_alone_a_door_is_locked_in_the_end(steps: list[tuple[str, int, Any, int]]) -> None:
    rig = Rig()
    for what, after, delivery, n in steps:
        if what != "unlock":
            happen(rig, what, after, delivery, n)
    rig.passes("1h")
    assert rig.memory.doors["front"].bolt in ("locked", "free") if "front" in rig.memory.doors else True
    assert not (rig.memory.pins or rig.memory.seconds or rig.memory.pairs)
