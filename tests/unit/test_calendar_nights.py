"""Evenings nobody thought of: people, power cuts and clocks that are set. Nothing is lost for ever, nothing is armed
twice, and a restart anywhere makes no difference."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from rules import ids
from rules.actions import Action, Note
from rules.engine import Engine
from rules.events import EVENTS, Boot, ClockStepped, Event, PartitionExiting, ScheduleEnded, ScheduleStarted, TimePassed
from tests.examples import examples
from tests.unit.gallery import gallery

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SHA = "a" * 64
RULE = {
    "id": "lamp",
    "name": "Lamp",
    "when": {"event": ["schedule.started", "schedule.ended"]},
    "then": [{"pulse": {"device": "lamp"}}],
}
BEGIN = datetime(2026, 3, 26, 20, tzinfo=ZoneInfo("Europe/Zurich"))  # the short night is near


class Night:
    """An engine, woken when it wishes, with a twin that is restored before every step."""

    def __init__(self, **arming: Any) -> None:
        self.site = gallery(arming=arming, rules=[RULE])
        self.engine = Engine(site=self.site, site_sha256=SHA, origin="gw-1")
        self.gt = HOUR
        self.wall = (BEGIN - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        self.count = 0
        self.facts: list[Event] = []
        self.step(Boot(software="1", epoch="e", off_time=0, clean=True, **self.header()))
        for kind, device in (("contact.closed", "door"), ("contact.closed", "window"), ("motion.ended", "eye")):
            self.tell(kind, device)

    def header(self) -> dict[str, Any]:
        self.count += 1
        return {
            "id": ids.time_ordered(wall=1, random=self.count.to_bytes(10)),
            "gt": self.gt,
            "wall": self.wall,
        }

    def step(self, fact: Event) -> list[Action]:
        twin = Engine.restore(self.engine.snapshot(), site=self.site, site_sha256=SHA, origin="gw-1")
        actions = self.engine.step(fact)
        assert twin.step(fact) == actions
        assert twin.snapshot() == self.engine.snapshot()
        self.facts += [action.event for action in actions if isinstance(action, Note)]
        return actions

    def tell(self, kind: str, device: str, **body: Any) -> None:
        self.step(EVENTS[kind](device=device, **self.header(), **body))  # type: ignore[call-arg]

    def passes(self, time: int, *, woken: bool = True) -> None:
        end = self.gt + time
        while woken and (wake := self.engine.next_wake()) is not None and wake <= end:
            self.wall += max(wake - self.gt, 0)
            self.gt = max(wake, self.gt)
            self.step(TimePassed(**self.header()))
        self.wall += end - self.gt
        self.gt = end
        self.step(TimePassed(**self.header()))

    def clock(self, by: int) -> None:
        self.wall += by
        self.step(ClockStepped(step=by, **self.header()))

    def boots(self, off: int, *, known: bool) -> None:
        self.wall += off
        self.gt += off if known else 0
        self.step(Boot(software="1", epoch="e", off_time=off if known else None, clean=False, **self.header()))

    def code(self, wish: str) -> None:
        digest = self.site.people[0].codes[0].digest
        self.tell("code.entered", "pad", digest=digest, wish=wish)

    def armed_by_schedule(self) -> list[int]:
        return [fact.gt for fact in self.facts if isinstance(fact, PartitionExiting) and fact.by == "schedule closed"]


HAPPENS: list[tuple[str, Any]] = [
    *(("passes", time) for time in (0, 1, SECOND, 9 * MINUTE, 10 * MINUTE, HOUR, 7 * HOUR, 30 * HOUR)),
    *(("unwoken", time) for time in (MINUTE, 2 * HOUR, DAY)),
    *(("clock", by) for by in (-2 * SECOND, 2 * SECOND, -HOUR, HOUR, -DAY, DAY, -25 * HOUR, 300 * DAY, -300 * DAY)),
    ("1970", 0),
    ("back", 0),
    *(("boot", off) for off in (0, 5 * MINUTE, 3 * HOUR, 2 * DAY)),
    *(("lost", off) for off in (5 * MINUTE, 3 * HOUR, 2 * DAY)),
    *(("code", wish) for wish in ("arm_away", "disarm", "disarm")),
    *(("tell", what) for what in (("motion.started", "eye"), ("motion.ended", "eye"), ("contact.opened", "window"),
                                  ("contact.closed", "window"), ("device.lost", "eye"))),
]  # fmt: skip


def play(night: Night, happened: list[tuple[str, Any]]) -> None:
    for what, value in happened:
        if what in ("passes", "unwoken"):
            night.passes(value, woken=what == "passes")
        elif what == "clock":
            night.clock(value)
        elif what == "1970":
            night.clock(-night.wall)
        elif what == "back":  # somebody sets the clock to what it truly is
            true = (BEGIN - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) + night.gt - HOUR
            night.clock(true - night.wall)
        elif what in ("boot", "lost"):
            night.boots(value, known=what == "boot")
        elif what == "code":
            night.code(value)
        else:
            kind, device = value
            night.tell(kind, device, **({"reason": "gone"} if kind == "device.lost" else {}))


@given(
    st.lists(st.sampled_from(HAPPENS), max_size=25),
    st.sampled_from([{}, {"on_quiet": "30m"}, {"force": True, "warn": "0s"}, {"auto": False}]),
    st.booleans(),
)
@examples(25)
def test_whatever_happens_the_next_evening_comes(
    happened: list[tuple[str, Any]], arming: dict[str, Any], late: bool
) -> None:
    night = Night(**arming, **({"late_to_close": "30m", "late_to_open": "30m", "early_open": True} if late else {}))
    play(night, [*happened, ("back", 0)])
    for kind, device in (("device.restored", "eye"), ("contact.closed", "window"), ("motion.ended", "eye")):
        night.tell(kind, device)
    night.passes(20 * HOUR)  # whatever stood still goes on
    night.code("disarm")
    night.facts.clear()
    since, table = night.gt, night.site.timetables()["closed"]
    expected, moment = [], night.wall
    night.passes(2 * DAY)
    while (edge := table.next_edge(moment)) is not None and edge <= night.wall:
        expected.append(("schedule.started" if table.holds(edge) else "schedule.ended", edge))
        moment = edge
    told = [(fact.kind, fact.since) for fact in night.facts if isinstance(fact, ScheduleStarted | ScheduleEnded)]
    assert told == expected
    evenings = [moment for moment in night.armed_by_schedule() if moment > since]
    if arming.get("auto") is False:
        assert evenings == []
    else:
        assert evenings  # the first evening; nobody disarmed on the second


@given(
    st.lists(
        st.sampled_from(
            [
                ("clock", -HOUR),
                ("clock", HOUR),
                ("passes", 5 * MINUTE),
                ("passes", HOUR),
                ("code", "disarm"),
                ("boot", 0),
            ]
        ),
        max_size=20,
    )
)
@examples(25)
def test_one_evening_is_armed_once_however_often_the_clock_is_set(happened: list[tuple[str, Any]]) -> None:
    night = Night()
    night.passes(3 * HOUR)
    assert len(night.armed_by_schedule()) == 1
    away, kept = 0, []
    for what, value in happened:  # never further than an hour from the true time
        if what == "clock":
            if abs(away + value) > HOUR:
                continue
            away += value
        kept.append((what, value))
    passed = sum(value for what, value in kept if what == "passes")
    play(night, kept)
    if passed < 16 * HOUR:
        assert len(night.armed_by_schedule()) == 1


@given(st.lists(st.sampled_from(HAPPENS), max_size=15))
@examples(15)
def test_a_schedule_begins_and_ends_in_turn(happened: list[tuple[str, Any]]) -> None:
    night = Night()
    play(night, happened)
    told = [fact.kind for fact in night.facts if isinstance(fact, ScheduleStarted | ScheduleEnded)]
    assert all(one != two for one, two in pairwise(told))
