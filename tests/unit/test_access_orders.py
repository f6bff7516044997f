"""What people order: doors, lockdown, threat level, muster; and the proof that they may."""

from __future__ import annotations

import pytest

from rules.access.levels import may
from rules.document.access import Person
from tests.unit.access_rig import SECOND, WEDNESDAY_NOON, Rig, digest

NIGHT = WEDNESDAY_NOON + 10 * 3600 * SECOND
BY_DAY = {"unlock_schedule": "hours"}


def begun(rig: Rig) -> Rig:
    rig.closes(delivery="retained")
    rig.boots()
    return rig


def lockdown(rig: Rig, on: bool = True) -> list[str]:
    return rig.order(lambda access, turn: access.lockdown(turn, on, by="Ada", reason="drill"))


def threat(rig: Rig, level: int) -> list[str]:
    return rig.order(lambda access, turn: access.threat(turn, level, by="Ada"))


def unlock(rig: Rig, *, stay: bool = False) -> list[str]:
    return rig.order(lambda access, turn: access.unlock(turn, "front", by="Ada", stay=stay))


def lock(rig: Rig) -> list[str]:
    return rig.order(lambda access, turn: access.lock(turn, "front", by="Ada"))


def test_an_order_unlocks_for_the_usual_time() -> None:
    rig = begun(Rig())
    assert unlock(rig) == ["pulse lock", "door.unlocked front (order) for 5s"]
    assert rig.passes("5s") == ["lock off", "door.locked front (time)"]


def test_an_order_to_stay_unlocked_survives_a_reboot() -> None:
    rig = begun(Rig())
    assert unlock(rig, stay=True) == ["lock on", "door.unlocked front (order)"]
    assert rig.opens() == rig.closes() == []
    assert rig.boots(off=None) == ["lock on"]
    assert lock(rig) == ["lock off", "door.locked front (order)"]
    assert rig.boots() == ["lock off"]


def test_an_order_outlives_the_schedule() -> None:
    rig = begun(Rig(door=BY_DAY))
    assert unlock(rig, stay=True) == [], "it stands unlocked already; from now on because of the order"
    assert rig.passes("7h") == []
    assert rig.memory.doors["front"].free == "order"


def test_an_order_to_lock_holds_until_the_schedule_begins_anew() -> None:
    rig = begun(Rig(door=BY_DAY))
    assert lock(rig) == ["lock off", "door.locked front (order)"]
    assert rig.boots() == ["lock off"]
    assert rig.passes("6h") == []
    assert rig.passes("14h") == ["lock on", "door.unlocked front (schedule)"]


@pytest.mark.parametrize("what", [unlock, lock])
def test_a_door_nobody_knows_is_said_so(what: object) -> None:
    rig = Rig()
    rig.order(lambda access, turn: access.unlock(turn, "barn", by="Ada"))
    assert rig.said == "barn is no door of this site"
    rig.order(lambda access, turn: access.lock(turn, "barn", by="Ada"))
    assert rig.said == "barn is no door of this site"


def test_in_a_lockdown_an_order_lets_one_in_and_leaves_nothing_open() -> None:
    rig = begun(Rig())
    lockdown(rig)
    assert "cannot stand unlocked" in str((unlock(rig, stay=True), rig.said)[1])
    assert unlock(rig) == ["pulse lock", "door.unlocked front (order) for 5s"]


def test_a_lockdown_locks_and_its_end_brings_the_schedule_back() -> None:
    rig = begun(Rig(door=BY_DAY))
    assert lockdown(rig) == ["lockdown.started by Ada (drill)", "lock off", "door.locked front (lockdown)"]
    assert rig.card() == ["access.denied front in (lockdown) ada"]
    assert lockdown(rig, False) == ["lockdown.ended by Ada", "lock on", "door.unlocked front (schedule)"]


def test_a_lockdown_survives_a_reboot_and_ends_only_by_order() -> None:
    rig = begun(Rig(door=BY_DAY))
    lockdown(rig)
    assert rig.boots(off=None) == ["lock off"]
    assert rig.passes("20h") == [], "the schedule begins, and the door stays locked"
    assert rig.card() == ["access.denied front in (lockdown) ada"]


def test_who_was_let_in_but_did_not_open_is_out() -> None:
    rig = begun(Rig())
    rig.card()
    assert lockdown(rig)[1:] == ["lock off", "door.locked front (lockdown)", "access.not_taken front ada"]
    assert rig.opens()[0] == "door.forced front"


def test_nobody_is_waited_for_any_more() -> None:
    rig = begun(Rig(door={"pin": "always", "two_person": True}))
    rig.card()
    rig.code("ada pin", on="in")
    rig.card("bob card")
    assert lockdown(rig) == [
        "lockdown.started by Ada (drill)",
        "access.denied front in (lockdown) bob",
        "access.denied front in (lockdown) ada",
    ]
    assert rig.code("bob pin", on="in") == ["access.denied front in (card)"]
    assert rig.passes("1m") == []


def test_a_lockdown_keeps_nobody_in() -> None:
    rig = begun(Rig())
    lockdown(rig)
    assert "pulse lock" in rig.asks()
    assert rig.opens() == ["lock off", "door.locked front (opened)"]


def test_the_way_out_opens_from_inside() -> None:
    rig = begun(Rig(door={"way_out": True}))
    lockdown(rig)
    assert rig.card(on="in") == ["access.denied front in (lockdown) ada"]
    assert rig.card(on="out")[0] == "access.granted front ada out"


def test_saying_it_twice_changes_nothing() -> None:
    rig = begun(Rig())
    lockdown(rig)
    assert (lockdown(rig), rig.said) == ([], "the site is locked down already")
    lockdown(rig, False)
    assert (lockdown(rig, False), rig.said) == ([], "the site is not locked down")
    threat(rig, 2)
    assert (threat(rig, 2), rig.said) == ([], "the threat level is 2 already")
    for level in (-1, 11):
        assert (threat(rig, level), rig.said) == ([], f"a threat level is 0 to 10, not {level}")


def test_a_threat_level_shuts_the_doors_it_reaches() -> None:
    rig = begun(Rig(door={"threat": 3} | BY_DAY, ada={"threat": 4}))
    assert threat(rig, 2) == ["threat.changed level 2 by Ada"]
    assert threat(rig, 3) == ["threat.changed level 3 by Ada", "lock off", "door.locked front (threat)"]
    assert rig.card("bob card") == ["access.denied front in (threat) bob"]
    assert rig.card()[0] == "access.granted front ada in"
    assert rig.boots(off=None)[-1] == "lock off"
    assert threat(rig, 0) == ["threat.changed level 0 by Ada", "lock on", "door.unlocked front (schedule)"]


def test_the_muster_list_has_names_and_leaves_out_who_is_outside() -> None:
    rig = begun(Rig(door={"to": "floor"}))
    for card in ("ada card", "bob card"):
        rig.card(card)
        rig.opens()
        rig.closes()
    rig.card(on="out")
    rig.opens()
    rig.closes()
    assert rig.order(lambda access, turn: access.muster(turn, by="Ada")) == ["muster.taken floor: Bob by Ada"]
    assert rig.said == {"floor": ["Bob"]}
    inside = rig.engine.state.access.inside
    assert (inside["ada"].area, inside["bob"].area) == ("outside", "floor")


def test_whereabouts_can_be_forgiven() -> None:
    rig = begun(Rig(door={"to": "floor", "anti_passback": "hard"}))
    rig.card()
    rig.opens()
    rig.closes()
    assert rig.card() == ["access.denied front in (anti_passback) ada"]
    rig.order(lambda access, turn: access.forgive(turn, "ada", by="Bob"))
    assert rig.said is None
    assert rig.card()[0] == "access.granted front ada in floor"
    rig.order(lambda access, turn: access.forgive(turn, "nobody", by="Bob"))
    assert rig.said == "nobody is nobody of this site"


# --- proofs ----------------------------------------------------------------------------------------------------------


def prove(rig: Rig, code: str, *, source: str = "box") -> list[str]:
    return rig.order(lambda access, turn: access.who(digest(code), turn, source=source))


def test_a_right_code_proves_who_it_is() -> None:
    rig = Rig()
    assert prove(rig, "ada code") == []
    ada = answer(rig)
    assert isinstance(ada, Person)
    assert (ada.id, ada.title) == ("ada", "Ada")
    assert may(ada, "disarm", "office")
    assert not may(ada, "isolate")


def answer(rig: Rig) -> object:
    return rig.said


@pytest.mark.parametrize(("codes", "says", "lines"), [
    ([], "nobody has this code", ["code.refused box (unknown) tries 1"]),
    ([{"until": "2025-01-01"}], "this code is not valid today", ["code.refused box (expired) tries 1"]),
    ([{"schedule": "hours"}], "this code does not count at this time", ["code.refused box (schedule)"]),
])  # fmt: skip
def test_why_a_code_proves_nothing(codes: list[dict[str, str]], says: str, lines: list[str]) -> None:
    rig = Rig(wall=NIGHT, ada={"codes": [{"digest": digest("ada code")} | code for code in codes]})
    assert prove(rig, "ada code") == lines
    assert answer(rig) == says


def test_a_code_for_one_time_proves_one_thing() -> None:
    rig = Rig(ada={"codes": [{"digest": digest("ada code"), "once": True}]})
    prove(rig, "ada code")
    assert isinstance(answer(rig), Person)
    prove(rig, "ada code")
    assert answer(rig) == "this code was for one time, and was used"


def test_a_relay_that_guesses_is_locked_out_alone() -> None:
    rig = Rig()
    for n in range(5):
        prove(rig, f"guess {n}")
    assert answer(rig) == "nobody has this code"
    assert prove(rig, "ada code") == ["code.refused box (locked_out) tries 5"]
    assert answer(rig) == "too many wrong codes: none is taken for a while"
    prove(rig, "ada code", source="cloud")
    assert isinstance(answer(rig), Person)
    assert rig.passes("90s") == ["keypad.unlocked box"]
    prove(rig, "ada code")
    assert isinstance(answer(rig), Person)
