"""When timetables change: every edge, none twice, against a reading of the clock minute by minute."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.timetable import Dates, Mark, Period, Span, Special, Sun, SunMark, Timetable, days, mark
from tests.examples import examples

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZURICH = ZoneInfo("Europe/Zurich")


def wall(local: str, zone: str = "Europe/Zurich", *, fold: int = 0) -> int:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return (moment - EPOCH) // timedelta(microseconds=1)


def table(*spans: tuple[str, str, str], zone: str = "Europe/Zurich") -> Timetable:
    return Timetable(ZoneInfo(zone), tuple(Span(days(n.split()), mark(a), mark(b)) for n, a, b in spans))


# --- the edge itself ---


@pytest.mark.parametrize(("local", "on_after"), [("2026-01-14 22:00", True), ("2026-01-15 06:00", False)])
def test_an_edge_is_at_its_moment_and_not_a_microsecond_beside_it(local: str, on_after: bool) -> None:
    edge = wall(local)
    for order in ((-1, 0, 1), (1, 0, -1), (0, -1, 1)):
        night = table(("mon-fri", "22:00", "06:00"))
        for by in order:  # whatever was asked before is remembered, and never makes a difference
            assert night.holds(edge + by) == (on_after if by >= 0 else not on_after)
    night = table(("mon-fri", "22:00", "06:00"))
    assert night.next_edge(edge - 1) == edge
    assert night.next_edge(edge) != edge
    assert night.last_edge(edge) == edge
    assert night.last_edge(edge - 1) != edge


def test_a_weekend_lies_between() -> None:
    office = table(("mon-fri", "08:00", "18:00"))
    friday = wall("2026-01-16 18:00")
    assert office.next_edge(friday) == wall("2026-01-19 08:00")
    assert office.last_edge(wall("2026-01-19 07:59")) == friday


def test_what_never_changes_has_no_edge() -> None:
    always, never = table(("sun-sat", "00:00", "24:00")), Timetable(ZURICH, ())
    for each, on in ((always, True), (never, False)):
        moment = wall("2026-01-14 12:00")
        assert each.next_edge(moment) is None
        assert each.last_edge(moment) is None
        assert each.period(moment) == Period(on, None, None)
        assert each.holds(moment) == each.holds(moment + 3000 * DAY) == on


def test_a_leap_day_may_be_eight_years_away() -> None:
    always = Timetable(ZURICH, (Span(days(["sun-sat"]), 0, 1440),), holidays=Dates(yearly=frozenset({(2, 29)})))
    assert always.next_edge(wall("2026-01-01 00:00")) == wall("2028-02-29 00:00")
    assert always.next_edge(wall("2028-02-29 00:00")) == wall("2028-03-01 00:00")
    assert always.next_edge(wall("2096-03-01 00:00")) == wall("2104-02-29 00:00")
    assert always.last_edge(wall("2026-01-01 00:00")) == wall("2024-03-01 00:00")


def test_far_special_days_are_found_both_ways() -> None:
    special = Special(date(2027, 7, 1), date(2027, 8, 31))
    always = Timetable(ZURICH, (Span(days(["sun-sat"]), 0, 1440),), specials=(special,))
    assert always.next_edge(wall("2026-01-01 00:00")) == wall("2027-07-01 00:00")
    assert always.next_edge(wall("2027-07-01 00:00")) == wall("2027-09-01 00:00")
    assert always.next_edge(wall("2027-09-01 00:00")) is None
    assert always.last_edge(wall("2030-01-01 00:00")) == wall("2027-09-01 00:00")
    assert always.last_edge(wall("2027-08-31 23:59")) == wall("2027-07-01 00:00")
    assert always.last_edge(wall("2027-06-30 23:59")) is None


@pytest.mark.parametrize(
    ("each", "most"),
    [
        (table(("mon-fri", "08:00", "18:00")), 20),
        (table(("mon", "08:00", "09:00")), 20),
        (table(("sun-sat", "00:00", "24:00")), 100),
        (
            Timetable(
                ZURICH,
                (Span(days(["sun-sat", "holiday"]), 0, 1440),),
                holidays=Dates(yearly=frozenset((month, 7) for month in range(1, 13))),
            ),
            2_500,
        ),
        (
            Timetable(
                ZURICH, (Span(days(["sun-sat"]), SunMark(False), SunMark(True)),), sun=Sun(latitude=85, longitude=0)
            ),
            600,
        ),
    ],
    ids=["office", "once a week", "always", "always, and holidays that change nothing", "polar night"],
)
def test_an_edge_is_found_without_looking_at_every_minute(
    each: Timetable, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, looked = Timetable._reads, []

    def counted(self: Timetable, moment: int) -> bool:
        looked.append(moment)
        return reads(self, moment)

    monkeypatch.setattr(Timetable, "_reads", counted)
    moment = wall("2026-11-01 12:00")
    each.next_edge(moment)
    assert 0 < len(looked) <= most
    looked.clear()
    each.holds(moment)
    once = len(looked)
    assert all(each.holds(moment + second * 1_000_000) == each.holds(moment) for second in range(1000))
    assert len(looked) == once  # the answer is remembered for as long as it holds


# --- the two nights of daylight saving ---


def edges(each: Timetable, first: int, last: int) -> list[int]:
    found: list[int] = []
    moment = first
    while (edge := each.next_edge(moment)) is not None and edge < last:
        found.append(edge)
        moment = edge
    return found


def test_the_long_night_is_nine_hours() -> None:
    night = table(("sun-sat", "22:00", "06:00"))
    assert night.period(wall("2026-10-25 02:30")) == Period(
        True, wall("2026-10-24 22:00"), wall("2026-10-24 22:00") + 9 * HOUR
    )


def test_the_short_night_is_seven_hours() -> None:
    night = table(("sun-sat", "22:00", "06:00"))
    assert night.period(wall("2026-03-29 04:00")) == Period(
        True, wall("2026-03-28 22:00"), wall("2026-03-28 22:00") + 7 * HOUR
    )


@pytest.mark.parametrize(
    ("since", "until", "period"),
    [
        ("22:00", "02:15", ("2026-10-24 22:00", 0, "2026-10-25 02:15", 1)),
        ("02:15", "06:00", ("2026-10-25 02:15", 0, "2026-10-25 06:00", 0)),
        ("02:15", "02:45", ("2026-10-25 02:15", 0, "2026-10-25 02:45", 1)),
        ("02:00", "03:00", ("2026-10-25 02:00", 0, "2026-10-25 03:00", 0)),
    ],
)
def test_what_comes_twice_begins_once_and_ends_once(since: str, until: str, period: tuple[str, int, str, int]) -> None:
    begins, fold, ends, end_fold = period
    each = table(("sun-sat", since, until))
    whole = Period(True, wall(begins, fold=fold), wall(ends, fold=end_fold))
    assert whole.since is not None
    assert whole.until is not None
    for moment in range(whole.since, whole.until, 5 * MINUTE):
        assert each.period(moment) == whole  # also from within the gap that only the clock makes
    before, after = each.period(whole.since - 1), each.period(whole.until)
    assert (before.on, before.until) == (False, whole.since)
    assert (after.on, after.since) == (False, whole.until)


def test_a_condition_reads_the_clock_even_in_that_gap() -> None:
    each = table(("sun-sat", "22:00", "02:15"))
    assert each.holds(wall("2026-10-25 02:14"))
    assert not each.holds(wall("2026-10-25 02:15"))
    assert each.holds(wall("2026-10-25 02:14", fold=1))
    assert not each.holds(wall("2026-10-25 02:15", fold=1))


def test_a_real_gap_of_that_night_stays_a_gap() -> None:
    each = table(("sun-sat", "22:00", "02:00"), ("sun-sat", "03:00", "06:00"))
    assert edges(each, wall("2026-10-24 21:00"), wall("2026-10-25 07:00")) == [
        wall("2026-10-24 22:00"), wall("2026-10-25 02:00"), wall("2026-10-25 03:00"), wall("2026-10-25 06:00"),
    ]  # fmt: skip
    assert not each.period(wall("2026-10-25 02:30")).on


def test_what_never_comes_is_left_out_that_night() -> None:
    each = table(("sun-sat", "02:15", "02:45"))
    found = edges(each, wall("2026-03-28 00:00"), wall("2026-03-31 00:00"))
    assert found == [wall(f"2026-03-{day} 02:{minute}") for day in (28, 30) for minute in (15, 45)]


def test_a_day_that_never_was_is_left_out() -> None:
    """Samoa had no 30 December 2011."""
    fridays = table(("fri", "00:00", "24:00"), zone="Pacific/Apia")
    assert fridays.next_edge(wall("2011-12-24 12:00", "Pacific/Apia")) == wall("2012-01-06 00:00", "Pacific/Apia")


# --- against the clock, minute by minute ---

ZONES = ["UTC", "Europe/Zurich", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana",
         "Africa/Casablanca", "Asia/Kathmandu"]  # fmt: skip
STARTS = ["2026-03-27 00:00", "2026-10-23 00:00", "2026-04-03 00:00", "2026-10-02 00:00", "2026-12-30 12:34",
          "2011-12-28 00:00", "2018-11-02 00:00", "2026-02-26 10:00"]  # fmt: skip
CLOCK = st.sampled_from([0, 1440, 60, 120, 135, 150, 165, 180, 480, 720, 1320]) | st.integers(0, 1440)
SUNS = st.builds(SunMark, st.booleans(), st.sampled_from([0, 0, 30, -45, 600, -700]))
DAYS_LONG = 5


def spans(marks: st.SearchStrategy[Mark]) -> st.SearchStrategy[tuple[Span, ...]]:
    return st.lists(st.builds(Span, st.frozensets(st.integers(0, 7), min_size=1), marks, marks), max_size=3).map(tuple)


@st.composite
def weeks(draw: st.DrawFn) -> tuple[Timetable, int, Reading]:
    zone, begin = draw(st.sampled_from(ZONES)), draw(st.sampled_from(STARTS))
    sun = None
    marks: st.SearchStrategy[Mark] = CLOCK
    if draw(st.booleans()):
        marks = CLOCK | SUNS
        sun = Sun(
            latitude=draw(st.sampled_from([47.0, -33.0, 69.6, -78.0, 0.0])),
            longitude=draw(st.sampled_from([8.5, -170.0])),
        )
    first = datetime.fromisoformat(begin).date()
    near = st.integers(-2, DAYS_LONG).map(lambda n: first + timedelta(days=n))
    holidays = draw(st.frozensets(near, max_size=2))
    special = draw(
        st.none()
        | st.builds(lambda a, n, s: Special(a, a + timedelta(days=n), s), near, st.integers(0, 2), spans(marks))
    )
    weekly = draw(spans(marks))
    each = Timetable(
        ZoneInfo(zone), weekly, sun=sun, holidays=Dates(once=holidays), specials=(special,) if special else ()
    )
    return each, wall(begin, zone), Reading(ZoneInfo(zone), weekly, sun, holidays, special)


class Reading:
    """What a person reads off a clock and a calendar: each span of each day, looked at by itself."""

    def __init__(
        self,
        zone: ZoneInfo,
        weekly: tuple[Span, ...],
        sun: Sun | None,
        holidays: frozenset[date],
        special: Special | None,
    ) -> None:
        self.zone, self.weekly, self.sun, self.holidays, self.special = zone, weekly, sun, holidays, special

    def at(self, moment: int) -> bool:
        local = (EPOCH + timedelta(microseconds=moment)).astimezone(self.zone).replace(tzinfo=None)
        return any(
            self.passed(span.since, day, moment, local)
            and not self.passed(span.until, day + timedelta(days=span.overnight), moment, local)
            for n in range(-4, 4)
            for day in [local.date() + timedelta(days=n)]
            for span in self.of(day)
        )

    def of(self, day: date) -> list[Span]:
        if self.special is not None and self.special.first <= day <= self.special.last:
            return list(self.special.spans)
        number = 7 if day in self.holidays else day.weekday()
        return [span for span in self.weekly if number in span.days]

    def passed(self, which: Mark, day: date, moment: int, local: datetime) -> bool:
        midnight = datetime(day.year, day.month, day.day)
        if isinstance(which, int):
            return local >= midnight + timedelta(minutes=which)
        assert self.sun is not None
        noon = ((midnight + timedelta(hours=12)).replace(tzinfo=self.zone) - EPOCH) // timedelta(microseconds=1)
        return moment >= (self.sun.rise(noon) if which.rises else self.sun.set(noon)) + which.offset * MINUTE


@given(weeks(), st.integers(0, 2**32))
@examples(40)
def test_every_edge_and_no_other(week: tuple[Timetable, int, Reading], seed: int) -> None:
    each, begin, reading = week
    end = begin + DAYS_LONG * DAY
    step = 5 * MINUTE
    values: dict[int, bool] = {}
    expected: list[int] = []
    for moment in range(begin, end + 1, step):
        values[moment] = reading.at(moment)
        if moment > begin and values[moment] != values[moment - step]:
            fine = next(m for m in range(moment - step + MINUTE, moment + 1, MINUTE) if reading.at(m) == values[moment])
            expected.append(fine)
    found = edges(each, begin, end + 1)
    hidden = [edge for edge in found if edge not in expected]  # on and off again within five minutes
    assert [edge for edge in found if edge not in hidden] == expected
    assert all(reading.at(edge) != reading.at(edge - 1) for edge in hidden)
    back: list[int] = []
    moment = end
    while (edge := each.last_edge(moment)) is not None and edge > begin:
        back.append(edge)
        moment = edge - 1
    assert back[::-1] == found
    asked = list(values)
    Random(seed).shuffle(asked)
    assert all(each.holds(moment) == values[moment] for moment in asked[:300])
