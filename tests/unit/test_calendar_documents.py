"""Schedules in documents: what may be written, and what is said to whom makes a mistake."""

from __future__ import annotations

from datetime import date

import pytest

from rules.document.site import Site, load_site
from rules.errors import DocumentError
from rules.timetable import Dates, SunMark, day_of, days, mark

GOOD = """\
site: {id: house, name: House, timezone: Europe/Zurich, latitude: 47.37, longitude: 8.54}
holidays:
  swiss: [01-01, "2026-12-25"]
schedules:
  office:
    weekly: [{days: [mon-fri], from: 08:00, to: 18:00}, {days: [holiday], from: 10:00, to: 12:00}]
    holidays: swiss
  dark:
    weekly: [{days: [sun-sat], from: sunset+30m, to: sunrise-1h15m}]
    except: [{date: 2026-12-24, closed: true}, {from: 2026-07-01, to: 2026-07-31, hours: [{from: sunset, to: 02:00}]}]
"""
DAY = "is not a day; write mon, tue, wed, thu, fri, sat, sun, holiday or a range as mon-fri"
DATE = "is not a date; write for example 2026-12-24, or 12-24 for every year"
PLACE = "where the sun stands depends on the place: give the site its latitude and longitude"

BAD: dict[str, tuple[str, str, list[str]]] = {
    "half a place": (
        ", longitude: 8.54",
        "",
        ["1:7: site: a place has both latitude and longitude, in degrees (north and east positive)"],
    ),
    "beyond the pole": (
        "47.37",
        "97.37",
        ["1:67: site.latitude: 97.37 is out of range: it must be at most 90.0"],
    ),
    "a latitude in words": ("47.37", "north", ["1:67: site.latitude: 'north' stands where a number is expected"]),
    "the sun over nowhere": (
        ", latitude: 47.37, longitude: 8.54",
        "",
        [
            f"9:38: schedules.dark.weekly.0.from: {PLACE}",
            f"9:54: schedules.dark.weekly.0.to: {PLACE}",
            f"10:98: schedules.dark.except.1.hours.0.from: {PLACE}",
        ],
    ),
    "an unknown list of holidays": (
        "holidays: swiss\n  dark",
        "holidays: swis\n  dark",
        ["7:15: schedules.office.holidays: 'swis' is no list of holidays of this site; did you mean swiss?"],
    ),
    "holidays of nobody": (
        "    holidays: swiss\n",
        "",
        ["6:65: schedules.office.weekly.1.days.0: no day is a holiday here: say whose `holidays` this schedule keeps"],
    ),
    "no holiday": ("01-01", "1 January", [f"3:11: holidays.swiss.0: '1 January' {DATE}"]),
    "a day that never was": (
        "2026-12-25",
        "2026-02-29",
        ["3:18: holidays.swiss.1: '2026-02-29' is a day that does not exist"],
    ),
    "a range of holidays": (
        "[holiday]",
        "[mon-holiday]",
        [f"6:65: schedules.office.weekly.1.days.0: 'mon-holiday' {DAY}"],
    ),
    "an offset without a unit": (
        "sunset+30m",
        "sunset+30",
        [
            "9:38: schedules.dark.weekly.0.from: 'sunset+30' is no time of the sun; write sunrise or sunset, or for"
            " example sunset+30m, sunrise-1h15m"
        ],
    ),
    "an offset of more than half a day": (
        "sunset+30m",
        "sunset+13h",
        ["9:38: schedules.dark.weekly.0.from: 'sunset+13h' is further than 12h from the sun's own time"],
    ),
    "an exception for every year": (
        "2026-12-24",
        "12-24",
        [
            "10:21: schedules.dark.except.0.date: '12-24' is a day of every year; an exception is for one year, as in"
            " 2026-12-24"
        ],
    ),
    "an exception without a day": (
        "date: 2026-12-24, ",
        "",
        ["10:14: schedules.dark.except.0: an exception is for one `date`, or for all days `from` one `to` another"],
    ),
    "an exception with a begin only": (
        "to: 2026-07-31, ",
        "",
        ["10:48: schedules.dark.except.1: an exception is for one `date`, or for all days `from` one `to` another"],
    ),
    "an exception backwards": (
        "to: 2026-07-31",
        "to: 2026-06-30",
        ["10:48: schedules.dark.except.1: this exception ends on 2026-06-30, before it begins on 2026-07-01"],
    ),
    "an exception that says nothing": (
        ", closed: true",
        "",
        ["10:14: schedules.dark.except.0: an exception is `closed: true`, or has other `hours`"],
    ),
    "closed in words": (
        "closed: true",
        "closed: false",
        ["10:14: schedules.dark.except.0: an exception is `closed: true`, or has other `hours`"],
    ),
    "two exceptions for one day": (
        "2026-12-24",
        "2026-07-15",
        ["10:48: schedules.dark.except.1: 2026-07-15 has two exceptions; write one"],
    ),
    "an unknown key": (
        "closed: true",
        "close: true",
        [
            "10:33: schedules.dark.except.0.close: is not a known key here (known: date, from, to, closed, hours);"
            " did you mean closed?"
        ],
    ),
}  # fmt: skip


def complaints(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load_site(text, "site.yaml")
    return [str(problem).removeprefix("site.yaml:") for problem in caught.value.problems]


def test_the_good_document_is_good() -> None:
    site = load_site(GOOD, "site.yaml")
    assert list(site.timetables()) == ["office", "dark"]


@pytest.mark.parametrize("mistake", BAD)
def test_one_mistake(mistake: str) -> None:
    before, after, expected = BAD[mistake]
    assert before in GOOD
    assert complaints(GOOD.replace(before, after, 1)) == expected


def test_a_model_from_json_is_the_same() -> None:
    site = load_site(GOOD, "site.yaml")
    assert Site.model_validate_json(site.model_dump_json(by_alias=True, exclude_none=True)) == site


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("07:30", 450),
        ("24:00", 1440),
        ("sunrise", SunMark(True)),
        ("sunset", SunMark(False)),
        ("sunset+30m", SunMark(False, 30)),
        ("sunrise-1h15m", SunMark(True, -75)),
        ("sunset+12h", SunMark(False, 720)),
        ("sunset-0m", SunMark(False, 0)),
    ],
)
def test_marks(text: str, expected: int | SunMark) -> None:
    assert mark(text) == expected


@pytest.mark.parametrize("text", ["sun", "sunset+", "sunset30m", "sunset+m", "sunset +30m", "sunrise+1h90", "Sunset"])
def test_no_marks(text: str) -> None:
    with pytest.raises(ValueError, match=r"write sunrise or sunset|is not a time of day"):
        mark(text)


def test_holiday_is_a_day_of_its_own() -> None:
    assert days(["sat", "holiday"]) == {5, 7}


@pytest.mark.parametrize("text", ["", "2026-1-1", "26-01-01", "2026/01/01", "01-32", "13-01", "0000-01-01", "tomorrow"])
def test_no_dates(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date|does not exist"):
        day_of(text)


def test_dates_of_one_year_and_of_every_year() -> None:
    dates = Dates.of(["12-25", "2026-04-03", "02-29"])
    assert date(2031, 12, 25) in dates
    assert date(2026, 4, 3) in dates
    assert date(2027, 4, 3) not in dates
    assert date(2028, 2, 29) in dates
