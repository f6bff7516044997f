"""Codes: whose they are, when they count, what each level may do, how many guesses there are."""

from __future__ import annotations

from typing import Any

import pytest

from rules.access.codes import Register
from rules.access.levels import ACTS, LEVELS, may
from rules.access.memory import AccessMemory
from rules.document.access import Person
from rules.document.site import Site
from rules.timetable import Timetable, zone
from tests.unit.access_rig import SECOND, WEDNESDAY_NOON, Rig, digest, document

DAY = 24 * 3600 * SECOND
MIDNIGHT = WEDNESDAY_NOON - DAY // 2  # the first moment of 2026-01-14 in Zurich
USER = {"arm", "disarm", "silence", "clear", "bypass", "unbypass", "unlock", "lock", "lockdown", "threat", "muster"}
USER |= {"hold"}
INSTALLER = {"isolate", "unisolate", "test", "forgive", "configure", "release"}


def register(**code: Any) -> Register:
    site = Site.model_validate(document(ada={"codes": [{"digest": digest("1234")} | code]}))
    return Register(site=site, timetables=site.timetables())


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_what_each_level_may_do(level: int, act: str) -> None:
    expected = {"pass"} if level == 1 else {"pass"} | USER if level == 2 else {"pass"} | USER | INSTALLER
    assert may(Person(id="ada", level=level), act) is (act in expected or level == 4)


def test_a_higher_level_may_do_all_a_lower_one_may() -> None:
    assert LEVELS[1] < LEVELS[2] < LEVELS[3] < LEVELS[4]


@pytest.mark.parametrize(("partitions", "asked", "allowed"), [
    (None, "office", True),
    (["office"], "office", True),
    (["office"], "vault", False),
    ([], "office", False),
    ([], None, True),
])  # fmt: skip
def test_a_right_counts_in_ones_own_partitions(partitions: list[str] | None, asked: str | None, allowed: bool) -> None:
    assert may(Person(id="ada", partitions=partitions), "disarm", asked) is allowed


@pytest.mark.parametrize(("bounds", "moment", "expected"), [
    ({}, 0, None),
    ({"from": "2026-01-14"}, MIDNIGHT - 1, "expired"),
    ({"from": "2026-01-14"}, MIDNIGHT, None),
    ({"until": "2026-01-14"}, MIDNIGHT + DAY - 1, None),
    ({"until": "2026-01-14"}, MIDNIGHT + DAY, "expired"),
    ({"from": "2026-01-14", "until": "2026-01-14"}, MIDNIGHT + DAY // 2, None),
])  # fmt: skip
def test_days_are_those_of_the_sites_clock(bounds: dict[str, str], moment: int, expected: str | None) -> None:
    assert register(**bounds).codes[digest("1234")].refusal(moment, set()) == expected


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_of_daylight_saving_has_the_hours_it_has(day: str, hours: int) -> None:
    code = register(**{"from": day, "until": day}).codes[digest("1234")]
    assert code.since is not None and code.until is not None
    assert (code.until - code.since) // (3600 * SECOND) == hours


def test_of_several_reasons_the_lasting_one_is_told() -> None:
    code = register(once=True, until="2026-01-13", schedule="hours").codes[digest("1234")]
    never = Timetable(zone("UTC"), ())
    assert code.refusal(MIDNIGHT, {code.digest}) == "expired"
    assert code.refusal(MIDNIGHT - 1, {code.digest}) == "used"
    assert type(code)(code.person, code.digest, None, None, never).refusal(0, set()) == "schedule"


def test_a_code_that_is_not_for_one_time_is_never_used_up() -> None:
    code = register().codes[digest("1234")]
    assert code.refusal(0, {code.digest}) is None


@pytest.mark.parametrize("tries", range(3, 11))
def test_a_keypad_locks_at_exactly_its_last_try(tries: int) -> None:
    rig = Rig(keypads=[{"device": "pad", "partition": "office", "tries": tries}])
    for n in range(1, tries):
        assert rig.code(f"guess {n}") == [f"code.refused pad (unknown) tries {n}"]
    assert rig.code("guess") == [f"code.refused pad (unknown) tries {tries}", "keypad.locked pad for 1m30s"]
    assert rig.code("ada code", after=90 * SECOND - 1) == [f"code.refused pad (locked_out) tries {tries}"]
    assert "keypad.unlocked pad" in rig.code("guess", after=1)


@pytest.mark.parametrize("tries", [2, 11])
def test_fewer_or_more_tries_are_a_mistake(tries: int) -> None:
    with pytest.raises(ValueError, match="tries"):
        Site.model_validate(document(keypads=[{"device": "pad", "partition": "office", "tries": tries}]))


def test_each_keypad_and_reader_counts_for_itself() -> None:
    rig = Rig(door={"codes": True})
    rig.code("guess")
    assert rig.code("guess", on="in")[0] == "code.refused in (unknown) tries 1"
    assert rig.code("guess") == ["code.refused pad (unknown) tries 2"]
    assert rig.memory.tries == {"pad": 2, "in": 1}


def test_what_a_changed_document_forgets() -> None:
    memory = AccessMemory(
        used={digest("ada code"), digest("gone")},
        pins={"in": digest("ada card"), "out": digest("gone"), "gone": digest("ada card")},
        seconds={"in": "ada", "out": "gone"},
        tries={"pad": 2, "box": 1},
        locked={"box": 5},
        lockdown="Ada: drill",
        threat=4,
    )
    memory.fit(Site.model_validate(document()))
    assert memory.used == {digest("ada code")}
    assert memory.pins == {"in": digest("ada card")}
    assert memory.seconds == {"in": "ada"}
    assert (memory.tries, memory.locked) == ({"pad": 2, "box": 1}, {"box": 5})
    assert (memory.lockdown, memory.threat, memory.stale) == ("Ada: drill", 4, True)


def test_a_card_disarms_at_a_keypad_that_reads_cards() -> None:
    rig = Rig(
        keypads=[{"device": "out", "partition": "office"}], doors=[], access_levels=[{"id": "staff", "doors": []}]
    )
    assert rig.card("stranger", on="out") == ["code.refused out (unknown) tries 1"]
    rig.card(on="out")
    assert rig.memory.tries == {}
