"""What a model alone cannot see in schedules: holidays nobody listed, a sun over an unknown place, two exceptions for
one day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from rules.document.places import Path
from rules.document.schedule import Schedule
from rules.document.tells import Mistake, known
from rules.timetable import SunMark, mark

if TYPE_CHECKING:
    from rules.document.site import Site


def schedule_mistakes(site: Site) -> list[Mistake]:
    """Every such mistake, with the path of the word that is wrong."""
    found: list[Mistake] = []
    for name, schedule in site.schedules.items():
        found += _schedule(("schedules", name), schedule, site)
    return found


def _schedule(path: Path, schedule: Schedule, site: Site) -> Iterator[Mistake]:
    if schedule.holidays is not None:
        yield from known((*path, "holidays"), schedule.holidays, site.holidays, "list of holidays")
    for n, span in enumerate(schedule.weekly):
        here = (*path, "weekly", n)
        yield from _sun(here, span.since, span.until, site)
        if schedule.holidays is None and "holiday" in span.days:
            message = "no day is a holiday here: say whose `holidays` this schedule keeps"
            yield (*here, "days", span.days.index("holiday")), message
    taken: list[tuple[date, date]] = []
    for n, each in enumerate(schedule.except_):
        here = (*path, "except", n)
        first, last = each.days
        for before in taken:
            if first <= before[1] and before[0] <= last:
                yield here, f"{max(first, before[0])} has two exceptions; write one"
                break
        taken.append((first, last))
        for m, hours in enumerate(each.hours or []):
            yield from _sun((*here, "hours", m), hours.since, hours.until, site)


def _sun(path: Path, since: str, until: str, site: Site) -> Iterator[Mistake]:
    if site.site.latitude is not None:
        return
    for word, text in (("from", since), ("to", until)):
        if isinstance(mark(text), SunMark):
            message = "where the sun stands depends on the place: give the site its latitude and longitude"
            yield (*path, word), message
