"""Schedules in the site document: hours of the week, holidays, and days that are otherwise."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from rules.document import Name, Strict
from rules.timetable import Dates, Span, Special, Sun, Timetable, day_of, days, mark, zone


def _day(value: str) -> str:
    days([value])
    return value


def _mark(value: str) -> str:
    mark(value)
    return value


def _holiday(value: str) -> str:
    day_of(value)
    return value


def _single(value: str) -> date:
    found = day_of(value)
    if not isinstance(found, date):
        raise ValueError(f"{value!r} is a day of every year; an exception is for one year, as in 2026-{value}")
    return found


def _date(value: str) -> str:
    _single(value)
    return value


Day = Annotated[str, AfterValidator(_day)]
Mark = Annotated[str, AfterValidator(_mark)]
HolidayDate = Annotated[str, AfterValidator(_holiday)]
SingleDate = Annotated[str, AfterValidator(_date)]
_EVERY_DAY = frozenset(range(8))


class Hours(Strict):
    """From one time until before another, of the clock or of the sun; `to` at or before `from` is the next morning."""

    since: Annotated[Mark, Field(alias="from")]
    until: Annotated[Mark, Field(alias="to")]

    def span(self) -> Span:
        """As the timetable reads it: on whichever day it is asked for."""
        return Span(_EVERY_DAY, mark(self.since), mark(self.until))


class WeeklySpan(Strict):
    """Hours on some days of every week; `holiday` is a day of its own."""

    days: Annotated[list[Day], Field(min_length=1)]
    since: Annotated[Mark, Field(alias="from")]
    until: Annotated[Mark, Field(alias="to")]

    def span(self) -> Span:
        """As the timetable reads it."""
        return Span(days(self.days), mark(self.since), mark(self.until))


class ExceptedDays(Strict):
    """One date, or all from one to another, with other hours or none."""

    day: Annotated[SingleDate | None, Field(alias="date")] = None
    first: Annotated[SingleDate | None, Field(alias="from")] = None
    last: Annotated[SingleDate | None, Field(alias="to")] = None
    closed: bool = False
    hours: Annotated[list[Hours] | None, Field(min_length=1)] = None

    @model_validator(mode="after")
    def _sense(self) -> ExceptedDays:
        if (self.day is None) == (self.first is None) or (self.first is None) != (self.last is None):
            raise ValueError("an exception is for one `date`, or for all days `from` one `to` another")
        if self.closed == (self.hours is not None):
            raise ValueError("an exception is `closed: true`, or has other `hours`")
        first, last = self.days
        if first > last:
            raise ValueError(f"this exception ends on {last}, before it begins on {first}")
        return self

    @property
    def days(self) -> tuple[date, date]:
        """Its first and its last day."""
        return _single(self.day or self.first or ""), _single(self.day or self.last or "")

    def special(self) -> Special:
        """As the timetable reads it."""
        return Special(*self.days, tuple(hours.span() for hours in self.hours or []))


class Schedule(Strict):
    """A timetable on the site's clock. On the dates of `holidays` only what is said for `holiday` counts."""

    weekly: Annotated[list[WeeklySpan], Field(min_length=1)]
    holidays: Name | None = None
    except_: Annotated[list[ExceptedDays], Field(alias="except")] = []

    def timetable(self, *, timezone: str, holidays: dict[str, list[str]], sun: Sun | None) -> Timetable:
        """Ready to ask. `holidays` are all of the site's, by name."""
        return Timetable(
            zone(timezone),
            tuple(span.span() for span in self.weekly),
            sun=sun,
            holidays=Dates.of(holidays[self.holidays]) if self.holidays is not None else None,
            specials=tuple(each.special() for each in self.except_),
        )
