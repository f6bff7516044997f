"""The table of reasons: each alone, and each pair, where the one that stands first is the answer."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from rules.access.areas import Areas
from rules.access.codes import Credential
from rules.access.decision import REASONS, Desk, Request
from rules.access.lockout import Lockout
from rules.access.memory import AccessMemory, Whereabouts
from rules.access.watch import Watch
from rules.document.site import Site
from rules.timers import Timers
from rules.timetable import Timetable, zone
from tests.unit.access_rig import WEDNESDAY_NOON, document

NAMES = [name for name, _ in REASONS]
GT = 1_000_000_000


class Armed:
    """A panel, as far as the decision asks it."""

    def __init__(self, mode: str) -> None:
        self._mode = mode

    def mode(self, partition: str) -> str:
        return self._mode


def decide(*wrong: str, **door: Any) -> str | None:
    """The answer when all that is wrong is this."""
    settings: dict[str, Any] = {
        "anti_passback": "hard",
        "to": "floor",
        "partition": "office",
        "pin": "always",
        "threat": 3,
        "two_person": True,
    }
    person: dict[str, Any] = {"level": 1 if "armed" in wrong else 2, "access": [] if "level" in wrong else ["staff"]}
    site = Site.model_validate(document(door=settings | door, ada=person))
    memory = AccessMemory(
        inside={"ada": Whereabouts("floor" if "anti_passback" in wrong else "outside", GT)},
        lockdown="Ada: drill" if "lockdown" in wrong else "",
        threat=3 if "threat" in wrong else 2,
        locked={"in": GT + 1 if "locked_out" in wrong else GT},
        doubted="clock" in wrong,
    )
    never = Timetable(zone("UTC"), ())
    credential = Credential(
        site.people[0],
        "digest",
        None,
        WEDNESDAY_NOON if "expired" in wrong or "clock" in wrong else WEDNESDAY_NOON + 1,
        never if "schedule" in wrong else None,
    )
    desk = Desk(
        site=site,
        timetables=site.timetables(),
        memory=memory,
        areas=Areas(site=site, inside=memory.inside),
        watch=Watch(memory=memory),
        lockout=Lockout(memory=memory, timers=Timers({})),
        panel=Armed("away" if "armed" in wrong else "disarmed"),  # type: ignore[arg-type]
    )
    request = Request(
        door=site.doors[0],
        reader="in",
        out=False,
        credential=credential,
        gt=GT,
        wall=WEDNESDAY_NOON,
        pin="wrong" if "pin" in wrong else "right",
        second=None if "second_person" in wrong else "bob",
        late="late" in wrong,
    )
    return desk.decide(replace(request, credential=None) if "unknown" in wrong else request)


def test_nothing_wrong_is_granted() -> None:
    assert decide() is None


@pytest.mark.parametrize("reason", NAMES)
def test_each_reason_alone(reason: str) -> None:
    assert decide(reason) == reason


@pytest.mark.parametrize(("first", "then"), list(combinations(NAMES, 2)))
def test_of_two_reasons_the_first_one_counts(first: str, then: str) -> None:
    assert decide(then, first) == first


def test_everything_wrong_is_too_late() -> None:
    assert decide(*NAMES) == NAMES[0]


def test_what_a_door_does_not_ask_for_is_no_reason() -> None:
    asked = {"anti_passback": "none", "partition": None, "threat": None, "two_person": False, "pin": "never"}
    assert decide("anti_passback", "armed", "threat", "second_person", **asked) is None
    assert decide("locked_out", **asked) == "locked_out", "a PIN was typed, and the reader takes none"


def test_the_same_person_twice_is_not_two() -> None:
    site = Site.model_validate(document(door={"two_person": True}))
    memory = AccessMemory()
    desk = Desk(
        site=site,
        timetables={},
        memory=memory,
        areas=Areas(site=site, inside={}),
        watch=Watch(memory=memory),
        lockout=Lockout(memory=memory, timers=Timers({})),
        panel=Armed("disarmed"),  # type: ignore[arg-type]
    )
    ada = Credential(site.people[0], "digest", None, None)
    asked = Request(door=site.doors[0], reader="in", out=False, credential=ada, gt=GT, wall=0, second="ada")
    assert desk.decide(asked) == "second_person"
    assert desk.decide(replace(asked, second="bob")) is None


@pytest.mark.parametrize(("exempt", "way_out", "out", "passes"), [
    (False, False, False, False),
    (True, False, False, True),
    (False, True, False, False),
    (False, True, True, True),
    (False, False, True, False),
])  # fmt: skip
def test_who_passes_in_a_lockdown(exempt: bool, way_out: bool, out: bool, passes: bool) -> None:
    site = Site.model_validate(document(door={"way_out": way_out}, ada={"exempt": exempt}))
    watch = Watch(memory=AccessMemory(lockdown="Ada: drill"))
    assert watch.bars(site.doors[0], site.people[0], out=out) is not passes


@pytest.mark.parametrize(("threshold", "level", "highest", "passes"), [
    (None, 10, 0, True),
    (3, 2, 0, True),
    (3, 3, 0, False),
    (3, 3, 2, False),
    (3, 3, 3, True),
    (3, 5, 3, False),
    (3, 5, 10, True),
])  # fmt: skip
def test_who_passes_at_a_threat_level(threshold: int | None, level: int, highest: int, passes: bool) -> None:
    site = Site.model_validate(document(door={"threat": threshold}, ada={"threat": highest}))
    watch = Watch(memory=AccessMemory(threat=level))
    assert watch.threatens(site.doors[0], site.people[0]) is not passes
    assert watch.shuts(site.doors[0]) is (threshold is not None and level >= threshold)
