"""Sunrise and sunset against figures of an independent implementation: PyEphem 4.2.1 (VSOP87; upper limb, 34' of
refraction), rounded to the minute. London's agree with what newspapers print of the almanac."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.timetable import Span, Sun, SunMark, Timetable
from tests.examples import examples

MINUTE = 60_000_000
DAY = 1440 * MINUTE
EVERY_DAY = frozenset(range(8))
DARK = Span(EVERY_DAY, SunMark(rises=False), SunMark(rises=True))
LIGHT = Span(EVERY_DAY, SunMark(rises=True), SunMark(rises=False))

PLACES = {
    "London": (51.5074, -0.1278, "Europe/London"),
    "Zurich": (47.3769, 8.5417, "Europe/Zurich"),
    "New York": (40.7128, -74.0060, "America/New_York"),
    "Quito": (-0.1807, -78.4678, "America/Guayaquil"),
    "Sydney": (-33.8688, 151.2093, "Australia/Sydney"),
    "Reykjavik": (64.1466, -21.9426, "Atlantic/Reykjavik"),
    "Anadyr": (64.7337, 177.5089, "Asia/Anadyr"),
    "Kiritimati": (1.8721, -157.4278, "Pacific/Kiritimati"),
    "Ushuaia": (-54.8019, -68.3030, "America/Argentina/Ushuaia"),
    "Tromso": (69.6492, 18.9553, "Europe/Oslo"),
}
FIGURES = [
    ("London", "2026-03-20", "06:03", "18:14"),
    ("London", "2026-06-21", "04:43", "21:22"),
    ("London", "2026-09-01", "06:13", "19:47"),
    ("London", "2026-12-21", "08:04", "15:53"),
    ("Zurich", "2026-03-20", "06:29", "18:38"),
    ("Zurich", "2026-06-21", "05:29", "21:26"),
    ("Zurich", "2026-12-21", "08:10", "16:38"),
    ("New York", "2026-03-20", "06:59", "19:08"),
    ("New York", "2026-06-21", "05:25", "20:31"),
    ("New York", "2026-12-21", "07:17", "16:32"),
    ("Quito", "2026-03-20", "06:18", "18:24"),
    ("Quito", "2026-12-21", "06:08", "18:16"),
    ("Sydney", "2026-06-21", "07:00", "16:54"),
    ("Sydney", "2026-12-21", "05:41", "20:05"),
    ("Reykjavik", "2026-03-20", "07:29", "19:43"),
    ("Reykjavik", "2026-06-21", "02:55", "00:04"),  # sets after midnight
    ("Reykjavik", "2026-12-21", "11:22", "15:29"),
    ("Anadyr", "2026-06-21", "01:20", "23:03"),
    ("Anadyr", "2026-12-21", "10:15", "14:01"),
    ("Kiritimati", "2026-06-21", "06:24", "18:38"),  # a day ahead of its own longitude
    ("Ushuaia", "2026-06-21", "09:59", "17:11"),
    ("Ushuaia", "2026-12-21", "04:51", "22:11"),
    ("Tromso", "2026-03-20", "05:44", "18:02"),
    ("Tromso", "2026-09-01", "05:01", "20:25"),
]


def wall(place: str, local: str) -> int:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(PLACES[place][2]))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def sun(place: str) -> Sun:
    latitude, longitude, _ = PLACES[place]
    return Sun(latitude=latitude, longitude=longitude)


@pytest.mark.parametrize(("place", "day", "rises", "sets"), FIGURES)
def test_sunrise_and_sunset_are_within_a_minute(place: str, day: str, rises: str, sets: str) -> None:
    noon, rise = wall(place, f"{day} 12:00"), wall(place, f"{day} {rises}")
    down = wall(place, f"{day} {sets}") + (DAY if sets < "12:00" else 0)
    assert abs(sun(place).rise(noon) - rise) <= MINUTE
    assert abs(sun(place).set(noon) - down) <= MINUTE


@pytest.mark.parametrize("place", ["London", "Quito", "Sydney", "Anadyr"])
def test_times_are_whole_minutes(place: str) -> None:
    noon = wall(place, "2026-05-05 12:00")
    assert sun(place).rise(noon) % MINUTE == sun(place).set(noon) % MINUTE == 0


def table(place: str, span: Span) -> Timetable:
    return Timetable(ZoneInfo(PLACES[place][2]), (span,), sun=sun(place))


def test_in_the_polar_night_it_is_dark_all_the_time() -> None:
    first, last = wall("Tromso", "2026-12-01 00:00"), wall("Tromso", "2027-01-10 00:00")
    dark, light = table("Tromso", DARK), table("Tromso", LIGHT)
    assert all(dark.holds(moment) and not light.holds(moment) for moment in range(first, last, 7 * 60 * MINUTE))
    assert dark.holds(first)
    ends = dark.next_edge(first)
    assert ends is not None
    assert wall("Tromso", "2027-01-12 00:00") < ends < wall("Tromso", "2027-01-18 00:00")
    assert light.next_edge(first) == ends


def test_in_the_polar_day_it_is_light_all_the_time() -> None:
    first, last = wall("Tromso", "2026-05-25 00:00"), wall("Tromso", "2026-07-20 00:00")
    dark, light = table("Tromso", DARK), table("Tromso", LIGHT)
    assert all(light.holds(moment) and not dark.holds(moment) for moment in range(first, last, 7 * 60 * MINUTE))
    sets = dark.next_edge(first)
    assert sets is not None
    assert wall("Tromso", "2026-07-22 00:00") < sets < wall("Tromso", "2026-07-29 00:00")


def test_the_poles_themselves_have_one_day_a_year() -> None:
    north = Timetable(ZoneInfo("UTC"), (LIGHT,), sun=Sun(latitude=90, longitude=0))
    noon = wall("London", "2026-06-21 12:00")
    assert north.holds(noon)
    assert not north.holds(wall("London", "2026-12-21 12:00"))
    sets = north.next_edge(noon)
    assert sets is not None
    assert wall("London", "2026-09-22 00:00") < sets < wall("London", "2026-09-29 00:00")


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers(1_600_000_000, 2_000_000_000))
@examples(200)
def test_anywhere_on_earth_the_sun_rises_before_its_noon_and_sets_after_it(
    latitude: float, longitude: float, second: int
) -> None:
    here, noon = Sun(latitude=latitude, longitude=longitude), second * 1_000_000
    rise, down = here.rise(noon), here.set(noon)
    assert rise <= down <= rise + DAY + MINUTE  # solar days are up to half a minute longer than others
    assert abs((rise + down) / 2 - noon) <= DAY / 2 + 40 * MINUTE


@given(st.floats(-60, 60), st.floats(-180, 180), st.integers(1_600_000_000, 2_000_000_000))
@examples(50)
def test_days_follow_each_other(latitude: float, longitude: float, second: int) -> None:
    here, noon = Sun(latitude=latitude, longitude=longitude), second * 1_000_000
    assert here.set(noon) <= here.rise(noon + DAY)
    assert abs(here.rise(noon + DAY) - here.rise(noon) - DAY) <= 15 * MINUTE


def test_who_needs_the_sun_must_say_where() -> None:
    with pytest.raises(ValueError, match="where the site is"):
        Timetable(ZoneInfo("UTC"), (DARK,))


@pytest.mark.parametrize(
    ("since", "until", "overnight"),
    [
        (SunMark(False), SunMark(True), True),
        (SunMark(True), SunMark(False), False),
        (SunMark(True), SunMark(True, 60), False),
        (SunMark(False, 30), SunMark(False, 30), True),
        (SunMark(False), 23 * 60, False),
        (SunMark(False), 60, True),
        (SunMark(True), 5 * 60, False),
        (18 * 60, SunMark(False), False),
        (22 * 60, SunMark(True), True),
        (4 * 60, SunMark(True), False),
    ],
)
def test_the_words_say_whether_a_span_reaches_into_the_next_day(
    since: int | SunMark, until: int | SunMark, overnight: bool
) -> None:
    assert Span(EVERY_DAY, since, until).overnight == overnight


def test_a_span_of_the_sun_that_has_ended_before_it_begins_is_empty_that_day() -> None:
    early = Timetable(ZoneInfo("Europe/Zurich"), (Span(EVERY_DAY, 300, SunMark(True)),), sun=sun("Zurich"))
    assert early.holds(wall("Zurich", "2026-12-21 06:00"))  # the sun rises at 08:10
    assert early.holds(wall("Zurich", "2026-06-21 05:10"))  # at 05:29
    late = Timetable(ZoneInfo("Europe/Zurich"), (Span(EVERY_DAY, SunMark(False), 1200),), sun=sun("Zurich"))
    assert late.holds(wall("Zurich", "2026-12-21 19:00"))
    assert not any(late.holds(wall("Zurich", f"2026-06-21 {hour:02}:30")) for hour in range(24))  # it sets at 21:26
