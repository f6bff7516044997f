"""Timetables: edges, nights over midnight, and zones that are none. (The nights of summer time: conditions.)"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.timetable import Span, Timetable, days, minutes, zone
from tests.examples import examples

SECOND = 1_000_000
DAY = 86_400 * SECOND
MONDAY = round(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["mon"], {0}),
        (["mon-fri"], {0, 1, 2, 3, 4}),
        (["sat-mon"], {5, 6, 0}),
        (["sun-sat"], {0, 1, 2, 3, 4, 5, 6}),
        (["tue-tue"], {1}),
        (["wed", "fri-sat", "wed"], {2, 4, 5}),
    ],
)
def test_days(names: list[str], expected: set[int]) -> None:
    assert days(names) == expected


@pytest.mark.parametrize("name", ["", "Mon", "monday", "mon-", "-mon", "mon-fri-sat", "mon fri", "0"])
def test_no_days(name: str) -> None:
    with pytest.raises(ValueError, match="is not a day; write mon"):
        days([name])


@pytest.mark.parametrize(("clock", "expected"), [("00:00", 0), ("07:30", 450), ("23:59", 1439), ("24:00", 1440)])
def test_minutes(clock: str, expected: int) -> None:
    assert minutes(clock) == expected


@pytest.mark.parametrize(
    "clock", ["", "7:30", "24:01", "25:00", "12:60", "12.30", "12:30:00", " 12:30", "١٢:٣٠", "noon"]
)
def test_no_minutes(clock: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day; write for example 07:30"):
        minutes(clock)


@pytest.mark.parametrize("name", ["", "Europe", "Nowhere/Here", "/etc/passwd", "../UTC", "a" * 5000, "U\0TC", "\ud800"])
def test_no_zone(name: str) -> None:
    with pytest.raises(ValueError, match="is not a time zone; write for example Europe/Zurich or UTC"):
        zone(name)


def weekly(names: list[str], since: str, until: str) -> Timetable:
    return Timetable(ZoneInfo("UTC"), (Span(days(names), minutes(since), minutes(until)),))


@pytest.mark.parametrize(
    ("table", "on"),
    [
        (weekly(["mon"], "08:00", "17:00"), [(8, 17)]),
        (weekly(["mon"], "22:00", "06:00"), [(22, 30)]),
        (weekly(["mon"], "00:00", "24:00"), [(0, 24)]),
        (weekly(["mon"], "12:00", "12:00"), [(12, 36)]),
        (weekly(["mon"], "18:00", "24:00"), [(18, 24)]),
        (weekly(["mon"], "18:00", "00:00"), [(18, 24)]),
        (weekly(["mon"], "24:00", "06:00"), [(24, 30)]),
        (weekly(["sun"], "22:00", "06:00"), [(0, 6), (166, 174)]),
        (weekly(["mon-tue"], "20:00", "04:00"), [(20, 28), (44, 52)]),
    ],
)
def test_the_hours_of_a_week(table: Timetable, on: list[tuple[int, int]]) -> None:
    for hour in range(168):
        expected = any(first <= hour < last for first, last in on)
        start = MONDAY + hour * 3600 * SECOND
        assert table.holds(start) == expected, f"hour {hour}"
        assert table.holds(start + 3600 * SECOND - 1) == expected, f"the end of hour {hour}"


def test_a_timetable_is_the_union_of_its_spans() -> None:
    morning, evening = Span(days(["mon"]), 360, 480), Span(days(["mon"]), 1080, 1200)
    table = Timetable(ZoneInfo("UTC"), (morning, evening))
    held = [hour for hour in range(24) if table.holds(MONDAY + hour * 3600 * SECOND)]
    assert held == [6, 7, 18, 19]
    assert not Timetable(ZoneInfo("UTC"), ()).holds(MONDAY)


ZONES = ["UTC", "Europe/Zurich", "America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia"]


@given(
    st.sampled_from(ZONES),
    st.sets(st.integers(0, 6), min_size=1),
    st.integers(0, 1440),
    st.integers(0, 1440),
    st.integers(-(2**53), 2**53),
)
@examples(100)
def test_a_timetable_is_what_a_person_reads_off_the_clock(
    name: str, names: set[int], since: int, until: int, wall: int
) -> None:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=wall)).astimezone(ZoneInfo(name))
    minute = local.hour * 60 + local.minute
    began_today = local.weekday() in names and minute >= since and (minute < until or until <= since)
    yesterday = (local.date() - timedelta(days=1)).weekday()
    began_yesterday = until <= since and yesterday in names and minute < until
    table = Timetable(ZoneInfo(name), (Span(frozenset(names), since, until),))
    assert table.holds(wall) == (began_today or began_yesterday)
