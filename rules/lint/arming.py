"""Advice on arming by schedule."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document.panel import Arming, Partition
from rules.document.places import Path
from rules.document.site import Site
from rules.lint.advice import Advice
from rules.units import MINUTE

# Some moment to look from; whether a schedule ever changes does not depend on it.
_MOMENT = 1_767_225_600_000_000


def arming_advice(site: Site) -> Iterator[Advice]:
    """On each partition that a schedule arms."""
    timetables = site.timetables()
    for n, partition in enumerate(site.partitions):
        arming = partition.arming
        if arming is None:
            continue
        path: Path = ("partitions", n, "arming")
        if timetables[arming.schedule].next_edge(_MOMENT) is None:
            says = f"{arming.schedule} never changes: {partition.title} is armed by it once, or never"
            yield Advice((*path, "schedule"), "endless-schedule", says)
        yield from _arming(path, partition, arming)


def _arming(path: Path, partition: Partition, arming: Arming) -> Iterator[Advice]:
    title = partition.title
    if arming.auto and arming.warn < MINUTE:
        says = f"who is still in {title} when it is armed by schedule has less than a minute's warning"
        yield Advice((*path, "warn"), "short-warning", says)
    if arming.auto and arming.on_quiet is None:
        says = f"{title} is armed by schedule even while somebody is working there; on_quiet waits for them to go"
        yield Advice(path, "arms-over-people", says)
    if arming.late_to_close is None:
        says = f"if {title} cannot be armed one evening, nobody hears of it; late_to_close tells somebody"
        yield Advice(path, "no-late-to-close", says)
    if arming.force:
        says = f"{title} is armed by schedule with windows open, which are then left out all night"
        yield Advice((*path, "force"), "forced-arming", says)
