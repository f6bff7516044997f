"""How schedules are followed: what is an edge, what is found late, and what a clock that is set may do to it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from rules.calendar.follow import BELIEVED, STANDS_STILL, TOLERANCE, Edge, Follower
from rules.calendar.listened import listened
from rules.calendar.memory import ArmingMemory, CalendarMemory, Followed
from rules.timers import Timer, Timers
from rules.timetable import Span, Special, Timetable, days
from tests.unit.gallery import gallery

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
ZURICH = ZoneInfo("Europe/Zurich")


def wall(local: str) -> int:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZURICH)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


class Watch:
    """A follower of one schedule, 22:00 to 06:00, and a wall clock one can set."""

    def __init__(self, at: str, **words: object) -> None:
        table = Timetable(ZURICH, (Span(days(["sun-sat"]), 1320, 360),), **words)  # type: ignore[arg-type]
        self.timers: dict[str, Timer] = {}
        self.memory = CalendarMemory()
        self.follower = Follower(
            timetables={"night": table}, names=["night"], memory=self.memory, timers=Timers(self.timers)
        )
        self.gt, self.wall = HOUR, wall(at)

    def look(self) -> list[Edge]:
        self.follower.believe(self.wall, self.gt)
        return self.follower.look("night", gt=self.gt, cause="c")

    def passes(self, time: int) -> list[Edge]:
        self.gt, self.wall = self.gt + time, self.wall + time
        return self.look()

    def steps(self, by: int) -> list[Edge]:
        self.wall += by
        return self.look()

    @property
    def timer(self) -> int:
        """When the next edge is due, by the wall clock."""
        return self.timers["calendar edge night"].at - self.gt + self.wall


def began(local: str, *, late: bool = False) -> Edge:
    return Edge("night", True, wall(local), late)


def ended(local: str, *, late: bool = False) -> Edge:
    return Edge("night", False, wall(local), late)


@pytest.mark.parametrize("at", ["2026-01-14 12:00", "2026-01-14 23:00"])
def test_the_first_look_finds_no_edge(at: str) -> None:
    watch = Watch(at)
    assert watch.look() == []
    assert watch.look() == []
    assert watch.follower.on("night") == (at > "2026-01-14 22")


@pytest.mark.parametrize(
    ("by", "edges"), [(-1, []), (0, [began("2026-01-14 22:00")]), (1, [began("2026-01-14 22:00")])]
)
def test_an_edge_comes_at_its_moment(by: int, edges: list[Edge]) -> None:
    watch = Watch("2026-01-14 21:00")
    watch.look()
    assert watch.timer == wall("2026-01-14 22:00")
    assert watch.passes(HOUR + by) == edges
    assert watch.passes(0) == []


@pytest.mark.parametrize(("by", "late"), [(TOLERANCE, False), (TOLERANCE + 1, True)])
def test_who_looks_later_is_told_so(by: int, late: bool) -> None:
    watch = Watch("2026-01-14 21:00")
    watch.look()
    assert watch.passes(HOUR + by) == [began("2026-01-14 22:00", late=late)]


def test_a_night_that_passed_unseen_is_told_with_its_end_and_its_beginning() -> None:
    watch = Watch("2026-01-14 23:00")
    watch.look()
    assert watch.passes(DAY) == [ended("2026-01-15 06:00", late=True), began("2026-01-15 22:00", late=True)]
    assert watch.passes(10 * DAY) == [ended("2026-01-25 06:00", late=True), began("2026-01-25 22:00", late=True)]
    assert watch.passes(12 * HOUR) == [ended("2026-01-26 06:00", late=True)]


@pytest.mark.parametrize("back", [1, SECOND + 1, HOUR, STANDS_STILL])
def test_a_clock_set_back_over_an_edge_stands_still(back: int) -> None:
    watch = Watch("2026-01-14 21:00")
    watch.look()
    assert watch.passes(HOUR) == [began("2026-01-14 22:00")]
    assert watch.steps(-back) == []
    assert watch.follower.on("night")
    if back > TOLERANCE:
        assert watch.timer == wall("2026-01-15 06:00")
    assert watch.passes(back) == []  # 22:00 again
    assert watch.passes(8 * HOUR) == [ended("2026-01-15 06:00")]


def test_a_clock_set_back_further_was_wrong_before() -> None:
    watch = Watch("2026-01-14 21:00")
    watch.look()
    watch.passes(HOUR)
    edges = watch.steps(-STANDS_STILL - 1)
    assert edges == [ended("2026-01-14 06:00", late=True)]
    assert watch.passes(STANDS_STILL + 1) == [began("2026-01-14 22:00")]


def test_a_clock_set_back_by_days_into_the_same_state_tells_nothing_and_loses_nothing() -> None:
    watch = Watch("2026-01-14 23:00")
    watch.look()
    assert watch.steps(-5 * DAY) == []
    assert watch.passes(7 * HOUR) == [ended("2026-01-10 06:00")]
    assert watch.passes(16 * HOUR) == [began("2026-01-10 22:00")]


@pytest.mark.parametrize("by", [HOUR, DAY, 400 * DAY])
def test_a_clock_set_forward_and_back_again_tells_each_night_once(by: int) -> None:
    watch = Watch("2026-01-14 12:00")
    watch.look()
    watch.steps(by)
    watch.steps(-by)
    assert watch.passes(10 * HOUR) == [began("2026-01-14 22:00")]


def test_a_clock_in_1970_is_not_believed() -> None:
    watch = Watch("2026-01-14 21:00")
    watch.look()
    true = watch.wall
    watch.wall = 0
    assert watch.look() == []
    assert watch.passes(HOUR - 1) == []
    assert watch.passes(1) == [began("2026-01-14 22:00")]
    watch.wall = true + HOUR
    assert watch.look() == []


def test_a_clock_that_never_was_right_moves_nothing() -> None:
    watch = Watch("2026-01-14 21:00")
    watch.wall = BELIEVED - 1 - 10 * HOUR
    assert watch.look() == []
    assert watch.passes(10 * HOUR) == []
    assert watch.memory == CalendarMemory()
    watch.steps(1)
    assert "night" in watch.memory.followed


def test_small_differences_are_the_same_clock() -> None:
    watch = Watch("2026-01-14 21:00")
    assert watch.follower.believe(watch.wall, watch.gt)
    assert not watch.follower.believe(watch.wall + TOLERANCE, watch.gt)
    assert not watch.follower.believe(watch.wall - TOLERANCE, watch.gt)
    assert watch.follower.believe(watch.wall + TOLERANCE + 1, watch.gt)


def test_what_never_changes_needs_no_timer() -> None:
    watch = Watch("2026-01-14 12:00", specials=(Special(date(2000, 1, 1), date(2100, 1, 1)),))
    watch.follower._timetables["night"] = Timetable(ZURICH, ())
    watch.look()
    assert watch.timers == {}
    assert watch.passes(1000 * DAY) == []


def test_a_changed_document_is_read_anew_and_forgets_who_is_gone() -> None:
    memory = CalendarMemory(
        5,
        {"closed": Followed(True, 1, 2), "gone": Followed(True, 1, 2)},
        {"hall": ArmingMemory("closed", "armed"), "yard": ArmingMemory("closed", "armed")},
    )
    memory.fit(gallery())
    assert memory == CalendarMemory(
        None, {"closed": Followed(True, None, 0)}, {"hall": ArmingMemory("closed", "armed")}
    )
    memory.armings["hall"].schedule = "other"
    memory.fit(gallery())
    assert memory.armings == {}


def test_after_a_changed_document_the_next_change_is_noticed() -> None:
    watch = Watch("2026-01-14 21:00")
    watch.look()
    watch.memory.followed["night"] = Followed(True, None, 0)  # by the hours of before it was on
    assert watch.look() == [Edge("night", False, wall("2026-01-14 06:00"), True)]


def test_only_schedules_somebody_listens_to_are_worth_a_fact() -> None:
    act = [{"pulse": {"device": "lamp"}}]
    begins = {"event": "schedule.started", "schedule": "closed"}
    anybody = {"event": "schedule.ended"}
    opened = {"event": "contact.opened", "device": "door"}
    more = {"weekly": [{"days": ["mon"], "from": "08:00", "to": "09:00"}]}
    schedules = {"closed": gallery().schedules["closed"].model_dump(by_alias=True, exclude_none=True), "more": more}
    cases: list[tuple[dict[str, object], set[str]]] = [
        ({"when": opened}, set()),
        ({"when": begins}, {"closed"}),
        ({"when": anybody}, {"closed", "more"}),
        ({"when": {"count": {**begins, "at_least": 2, "within": "1h"}}}, {"closed"}),
        ({"when": {"sequence": [opened, begins], "within": "1h"}}, {"closed"}),
        ({"when": {"absence": {**opened, "for": "1h", "after": begins}}}, {"closed"}),
        ({"when": opened, "if": [{"not": {"recent": {**begins, "within": "1h"}}}]}, {"closed"}),
        ({"when": opened, "if": [{"any": [{"recent": {**begins, "within": "1h"}}, {"schedule": "more"}]}]}, {"closed"}),
        ({"when": opened, "if": [{"schedule": "closed"}]}, set()),
    ]
    for words, expected in cases:
        site = gallery(schedules=schedules, rules=[{"id": "r", "name": "R", "then": act, **words}])
        assert listened(site) == expected, words
