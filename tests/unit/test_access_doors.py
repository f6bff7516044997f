"""Doors and keypads at their edges: how messages came, what a rule holds open, what a changed document leaves."""

from __future__ import annotations

from typing import Any

import pytest

from rules.document.site import Site
from rules.engine import Engine
from rules.events import TimePassed
from tests.unit.access_rig import SECOND, WEDNESDAY_NOON, Rig, digest, document, sensor

OTHER = "c" * 64  # the hash of a document that was changed
FIRE = [
    {
        "id": "fire",
        "name": "Fire lets the door go",
        "when": {"event": "smoke.detected", "device": "smoke"},
        "then": [{"command": {"device": "lock", "set": "on"}}],
    }
]


def with_fire(**parts: Any) -> Rig:
    devices = [*document()["devices"], sensor("smoke", "motion") | {"type": "smoke"}]
    rig = Rig(devices=devices, rules=FIRE, **parts)
    rig.closes()
    rig.tells("smoke.detected", "smoke")
    return rig


def changed(rig: Rig, **parts: Any) -> Engine:
    """The engine under a changed document."""
    site = Site.model_validate(document(**parts))
    return Engine.restore(rig.engine.snapshot(), site=site, site_sha256=OTHER, origin="gw-1")


def tick(rig: Rig) -> TimePassed:
    return TimePassed(id="ffffffff-ffff-7fff-8fff-ffffffffffff", gt=rig.gt + SECOND, wall=rig.wall + SECOND)


# --- how a message came --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delivery", ["late", "retained"])
@pytest.mark.parametrize("armed", [True, False])
def test_a_code_that_is_not_of_this_moment_neither_arms_nor_disarms(delivery: Any, armed: bool) -> None:
    rig = Rig()
    rig.tells("contact.closed", "window", delivery="retained")
    if armed:
        rig.tells("key.pressed", "pad", key="arm_away")
    assert rig.code("ada code", delivery=delivery, wish="" if armed else "arm_away") == []
    assert rig.code("guess", delivery=delivery) == []
    assert rig.memory.tries == {}


@pytest.mark.parametrize("delivery", ["late", "retained"])
def test_a_key_that_is_not_of_this_moment_arms_nothing(delivery: Any) -> None:
    rig = Rig()
    rig.tells("contact.closed", "window", delivery="retained")
    assert rig.tells("key.pressed", "pad", key="arm_away", delivery=delivery) == []


@pytest.mark.parametrize("delivery", ["late", "retained"])
def test_a_pin_that_is_not_of_this_moment_ends_no_waiting(delivery: Any) -> None:
    rig = Rig(door={"pin": "always"})
    rig.card()
    assert rig.code("ada pin", on="in", delivery=delivery) == ["access.denied front in (late)"]
    assert rig.code("ada pin", on="in")[0] == "access.granted front ada in"


@pytest.mark.parametrize("delivery", ["late", "retained"])
def test_a_card_that_is_not_of_this_moment_ends_no_waiting(delivery: Any) -> None:
    rig = Rig(door={"pin": "always"})
    rig.card()
    assert rig.card("bob card", delivery=delivery) == ["access.denied front in (late) bob"]
    assert rig.card("stranger", delivery=delivery) == ["access.denied front in (late)"]
    assert rig.code("ada pin", on="in")[0] == "access.granted front ada in"


def test_another_card_takes_the_place_of_the_one_that_waits() -> None:
    rig = Rig(door={"pin": "always"})
    rig.card()
    assert rig.card("bob card", after="14s") == ["access.pending front in pin bob"]
    assert rig.passes(SECOND * 2) == [], "Ada's time is over, and nobody waits for her any more"
    assert rig.code("bob pin", on="in", after=13 * SECOND - 1)[0] == "access.granted front bob in"


def test_late_word_changes_nothing_that_is_remembered() -> None:
    rig = Rig()
    rig.closes()
    before = rig.memory.doors["front"].leaf
    assert rig.opens(delivery="late")[0] == "door.forced front"
    assert rig.closes(delivery="late") == []
    assert rig.memory.doors["front"].leaf == before
    assert rig.asks(delivery="late") == []


def test_soft_anti_passback_is_told_of_who_it_is_about() -> None:
    rig = Rig(door={"to": "floor", "anti_passback": "soft"})
    rig.closes()
    rig.card()
    rig.opens()
    rig.closes()
    assert rig.card()[0] == "access.granted front ada in floor anti_passback"
    assert rig.card("bob card")[0] == "access.granted front bob in floor"


def test_two_people_wait_for_no_third() -> None:
    rig = Rig(door={"two_person": True})
    rig.card()
    rig.card("bob card")
    assert (rig.memory.seconds, "access second_person in" in rig.engine.state.timers) == ({}, False)
    rig.card()
    assert rig.passes(30 * SECOND - 1)[-1] == "access.not_taken front bob"
    assert rig.passes(1) == ["access.denied front in (second_person) ada"]


def test_late_word_of_an_opening_while_the_door_is_let_go_is_of_that() -> None:
    rig = Rig()
    rig.closes()
    rig.card()
    assert rig.opens(delivery="late") == []


def test_a_request_to_exit_that_may_be_a_repeat_only_expects_the_opening() -> None:
    rig = Rig()
    rig.closes()
    assert rig.asks(delivery="redelivered") == ["exit.requested front", "expired lock (redelivered)"]
    assert rig.memory.doors["front"].bolt == "shunted"
    assert rig.opens() == []


def test_a_detector_asks_when_it_begins_to_see_and_not_while_it_does() -> None:
    rig = Rig(door={"rex": "eye"}, devices=[*document()["devices"], sensor("eye", "motion")])
    assert rig.tells("motion.started", "eye", delivery="retained") == [], "that is state, and nobody asks now"
    assert rig.tells("motion.started", "eye") == []
    rig.tells("motion.ended", "eye")
    assert rig.tells("motion.started", "eye")[0] == "exit.requested front"
    assert rig.tells("motion.started", "eye") == []


@pytest.mark.parametrize("state", ["short", "open", "normal"])
def test_a_cut_wire_asks_for_no_exit(state: str) -> None:
    rig = Rig(door={"rex": "line"}, devices=[*document()["devices"], sensor("line", "input")])
    assert rig.tells("input.reported", "line", state=state) == []
    assert rig.tells("input.reported", "line", state="active")[0] == "exit.requested front"


def test_what_a_contact_says_beside_its_state_moves_no_door() -> None:
    rig = Rig()
    rig.closes()
    for kind in ("tamper.opened", "battery.low", "device.restored"):
        assert rig.tells(kind, "leaf") == []
    assert rig.memory.doors["front"].leaf == "closed"


@pytest.mark.parametrize(("kind", "words"), [
    ("card.read", {"digest": digest("ada card")}),
    ("code.entered", {"digest": digest("ada code")}),
    ("key.pressed", {"key": "panic"}),
])  # fmt: skip
def test_a_reader_nobody_placed_opens_nothing_and_the_trace_says_so(kind: str, words: dict[str, Any]) -> None:
    devices = [*document()["devices"], sensor("lost", "keypad")]
    rig = Rig(devices=devices)
    assert rig.tells(kind, "lost", **words) == []
    assert [line.text for line in rig.engine.trace] == ["device lost: belongs to no door and no keypad of the document"]


# --- the leaf ------------------------------------------------------------------------------------------------------


def test_no_time_runs_for_a_door_that_is_closed() -> None:
    rig = Rig()
    rig.card()
    rig.opens()
    assert {"access held front", "access warn front"} <= set(rig.engine.state.timers)
    rig.closes()
    assert not [key for key in rig.engine.state.timers if key.startswith("access ")]


def test_more_time_is_for_one_passage() -> None:
    rig = Rig(ada={"extended": True})
    rig.card()
    rig.opens()
    assert rig.engine.state.timers["access held front"].at == rig.gt + 40 * SECOND
    rig.closes()
    rig.card("bob card")
    rig.opens()
    assert rig.engine.state.timers["access held front"].at == rig.gt + 30 * SECOND


def test_a_card_at_a_forced_door_counts_as_passed_and_ends_no_alarm() -> None:
    rig = Rig(door={"to": "floor"})
    rig.closes()
    rig.opens()
    assert rig.card()[-1] == "area.entered floor ada occupancy 1"
    assert rig.memory.doors["front"].leaf == "forced"


def test_a_second_grant_prolongs_and_never_shortens() -> None:
    rig = Rig(ada={"extended": True})
    rig.closes()
    rig.card()
    assert rig.card("bob card", after="1s")[-1] == "door.unlocked front (access) for 14s"
    assert rig.passes(14 * SECOND - 1) == []
    assert rig.passes(1) == [
        "lock off",
        "door.locked front (time)",
        "access.not_taken front ada",
        "access.not_taken front bob",
    ]


def test_all_who_were_let_in_pass_with_one_opening() -> None:
    rig = Rig(door={"to": "floor"})
    rig.closes()
    rig.card()
    rig.card("bob card")
    assert rig.opens()[:2] == ["area.entered floor ada occupancy 1", "area.entered floor bob occupancy 2"]


# --- what somebody else holds open ---------------------------------------------------------------------------------


def test_no_relocking_ends_what_a_rule_holds_open() -> None:
    rig = with_fire()
    assert rig.card() == ["access.granted front ada in", "pulse lock", "door.unlocked front (access) for 5s"]
    assert "lock off" not in rig.opens()
    assert rig.closes() == []
    assert rig.opens(after="10s") == [], "and nobody who flees forces the door"
    lines = rig.order(lambda access, turn: access.lockdown(turn, True, by="Ada", reason=""))
    assert "lock off" not in lines
    rig.order(lambda access, turn: access.lock(turn, "front", by="Ada"))
    assert rig.said == "front stays open: fire holds its lock"


@pytest.mark.parametrize("off", ["10s", None])
def test_a_reboot_in_a_fire_locks_nobody_in(off: str | None) -> None:
    assert with_fire().boots(off=off) == ["lock on"]


@pytest.mark.parametrize(("off", "expected"), [("10s", ["lock on for 50s"]), (None, ["lock off"])])
def test_what_a_rule_holds_for_a_while_ends_with_an_unknown_time_off(off: str | None, expected: list[str]) -> None:
    rule = FIRE[0] | {"then": [{"command": {"device": "lock", "set": "on", "for": "60s"}}]}
    devices = [*document()["devices"], sensor("smoke", "motion") | {"type": "smoke"}]
    rig = Rig(devices=devices, rules=[rule])
    rig.closes()
    rig.tells("smoke.detected", "smoke")
    assert rig.boots(off=off) == expected


def test_what_decides_a_door_can_be_asked() -> None:
    rig = with_fire()
    rig.card()
    told = rig.engine._access.describe("front")
    assert told == {
        "lock": "released",
        "leaf": "closed",
        "unlocked_by": "fire",
        "about_to_pass": ["ada"],
        "ordered_shut": False,
        "shut_by_site": False,
        "timers": {"lapse": rig.gt + 5 * SECOND},
    }
    assert rig.engine._access.describe("barn") == {}


# --- a changed document --------------------------------------------------------------------------------------------


def test_a_new_schedule_counts_from_the_next_fact_on() -> None:
    rig = Rig()
    rig.boots()
    assert not rig.memory.stale
    engine = changed(rig, door={"unlock_schedule": "hours"})
    engine.step(tick(rig))
    assert engine.state.access.doors["front"].free == "schedule"
    assert not engine.state.access.stale
    assert "access schedule front" in engine.state.timers


@pytest.mark.parametrize("first_in", [False, True])
def test_a_schedule_that_is_gone_leaves_no_door_open(first_in: bool) -> None:
    rig = Rig(door={"unlock_schedule": "hours", "first_in": first_in})
    rig.boots()
    rig.card()
    assert rig.memory.doors["front"].free == ("first_in" if first_in else "schedule")
    engine = changed(rig)
    engine.step(tick(rig))
    assert engine.state.access.doors["front"].bolt == "locked"
    assert "lock" not in engine.state.levels


def test_a_door_that_is_gone_is_forgotten_with_its_timers() -> None:
    rig = Rig(door={"pin": "always"})
    rig.card()
    rig.asks()
    engine = changed(rig, doors=[], access_levels=[])
    assert engine.state.access.doors == {}
    engine.step(TimePassed(id="ffffffff-ffff-7fff-8fff-ffffffffffff", gt=rig.gt + 60 * SECOND, wall=rig.wall))


def test_a_lockout_whose_timer_was_dropped_still_ends() -> None:
    rig = Rig()
    for n in range(5):
        rig.order(lambda access, turn, n=n: access.who(f"{n}", turn, source="relay box"))  # type: ignore[misc]
    rig.engine = changed(rig, ada={"name": "Adele"})
    assert "access lockout relay box" not in rig.engine.state.timers
    rig.site, rig.sha = Site.model_validate(document(ada={"name": "Adele"})), OTHER
    rig._restored = rig.engine.snapshot()
    rig.boots(off="1s")
    assert rig.engine.state.timers["access lockout relay box"].at == rig.memory.locked["relay box"]
    assert rig.passes("90s") == ["keypad.unlocked relay box"]


# --- schedules and the clock ---------------------------------------------------------------------------------------


def test_hours_that_end_with_the_door_open_begin_its_time() -> None:
    rig = Rig(door={"unlock_schedule": "hours"}, wall=WEDNESDAY_NOON)
    rig.boots()
    rig.closes()
    assert rig.opens() == []
    assert "access held front" not in rig.engine.state.timers
    rig.passes("7h")
    assert rig.memory.doors["front"].leaf == "held"


def test_a_free_door_lets_people_pass_without_touching_the_lock() -> None:
    rig = Rig(door={"unlock_schedule": "hours", "to": "floor"})
    rig.boots()
    rig.closes()
    assert rig.card() == ["access.granted front ada in floor"]
    assert rig.passes("5s") == ["access.not_taken front ada"]
    rig.card()
    assert rig.opens() == ["area.entered floor ada occupancy 1"]


def test_free_doors_are_held_by_nobody_and_warned_of_no_more() -> None:
    rig = Rig(door={"unlock_schedule": "hours", "first_in": True})
    rig.boots()
    rig.asks()
    rig.opens()
    rig.passes("20s")
    assert rig.memory.doors["front"].leaf == "warned"
    rig.card()
    assert rig.memory.doors["front"].leaf == "open"
    assert not {"access held front", "access warn front"} & set(rig.engine.state.timers)


# --- keypads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["away", "stay"])
def test_a_wish_arms_in_its_mode(mode: str) -> None:
    rig = Rig()
    rig.tells("contact.closed", "window", delivery="retained")
    assert rig.code("ada code", wish=f"arm_{mode}") == [f"partition.exiting office {mode} for 1m by Ada"]


def test_a_wish_to_disarm_is_what_a_code_alone_does() -> None:
    rig = Rig()
    rig.tells("contact.closed", "window", delivery="retained")
    rig.tells("key.pressed", "pad", key="arm_away")
    assert rig.code("ada code", wish="disarm") == ["partition.disarmed office by Ada"]


def test_two_codes_in_time_and_nobody_waits_any_more() -> None:
    rig = Rig(keypads=[{"device": "pad", "partition": "office", "two_person": True}])
    rig.code("ada code")
    assert rig.code("bob code", after=30 * SECOND - 1) == []
    assert (rig.memory.pairs, "access pair pad" in rig.engine.state.timers) == ({}, False)
    rig.code("bob code")
    assert rig.passes("30s") == ["code.refused pad (second_person)"]


def test_a_locked_keypad_says_so_to_everybody() -> None:
    rig = Rig(keypads=[{"device": "pad", "partition": "office", "tries": 3, "lockout": "30s"}])
    for n in range(3):
        rig.code(f"guess {n}")
    assert rig.code("guess") == rig.code("ada code") == ["code.refused pad (locked_out) tries 3"]
    assert rig.passes("30s") == ["keypad.unlocked pad"]
    assert rig.memory.locked == rig.memory.tries == {}


def test_a_code_is_not_spent_on_a_keypad_where_it_has_no_right() -> None:
    codes = [{"digest": digest("ada code"), "once": True}]
    rig = Rig(ada={"codes": codes, "partitions": []})
    assert rig.code("ada code") == ["code.refused pad (level)"]
    assert rig.memory.used == set()


def test_a_code_for_one_time_is_spent_at_a_door_as_well() -> None:
    rig = Rig(door={"codes": True}, ada={"codes": [{"digest": digest("ada code"), "once": True}]})
    assert rig.code("ada code", on="in")[0] == "access.granted front ada in"
    assert rig.code("ada code", on="in") == ["code.refused in (used) tries 1", "access.denied front in (expired) ada"]


def test_badges_at_two_readers_are_no_double_badge() -> None:
    rig = Rig(door={"partition": "office", "double_badge_arms": "away"})
    rig.tells("contact.closed", "window", delivery="retained")
    rig.card(on="in")
    assert rig.card(on="out")[0] == "access.granted front ada out"


@pytest.mark.parametrize("ada", [{"level": 1}, {"partitions": []}])
def test_a_double_badge_of_who_may_not_arm_opens_the_door(ada: dict[str, Any]) -> None:
    rig = Rig(door={"partition": "office", "double_badge_arms": "away"}, ada=ada)
    rig.tells("contact.closed", "window", delivery="retained")
    rig.card()
    assert rig.card()[0] == "access.granted front ada in"


def test_a_double_badge_that_cannot_arm_says_why() -> None:
    rig = Rig(door={"partition": "office", "double_badge_arms": "away"})
    rig.card()
    lines = rig.card()
    assert lines[0].startswith("partition.refused office away by Ada")
    assert "lock off" not in lines
    assert any("the second card did not arm office" in line.text for line in rig.engine.trace)


def test_the_badge_that_disarmed_is_not_the_first_of_two() -> None:
    rig = Rig(door={"partition": "office", "badge_disarms": True, "double_badge_arms": "away"})
    rig.tells("contact.closed", "window", delivery="retained")
    rig.tells("key.pressed", "pad", key="arm_away")
    assert rig.card()[0] == "partition.disarmed office by Ada"
    assert rig.card()[0] == "access.granted front ada in"
    assert rig.card()[0].startswith("partition.exiting office away")
