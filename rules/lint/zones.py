"""Advice on zones."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document.figures import SWINGER
from rules.document.panel import ALWAYS_RINGS, Partition, Zone
from rules.document.places import Path
from rules.document.site import Site
from rules.lint.advice import Advice
from rules.lint.partitions import entry_advice

_PEOPLE_INSIDE = ("stay", "night")


def zone_advice(site: Site) -> Iterator[Advice]:
    """On each zone, in order."""
    partitions = {partition.id: partition for partition in site.partitions}
    entered = {zone.partition for zone in site.zones if zone.type == "entry_exit"}
    for n, zone in enumerate(site.zones):
        partition = partitions[zone.partition]
        path: Path = ("zones", n)
        yield from _by_figures(path, zone, partition)
        yield from _by_practice(path, zone, partition, has_entry=zone.partition in entered)


def _by_figures(path: Path, zone: Zone, partition: Partition) -> Iterator[Advice]:
    for mode, delay in (zone.entry_delay or {}).items():
        here = (*path, "entry_delay", mode) if mode else (*path, "entry_delay")
        yield from entry_advice(here, delay, partition.abort_window, mode or "every mode")
    if zone.swinger is not None and zone.swinger < SWINGER.least:
        says = f"{zone.title} may ring all night; swinger from {SWINGER.least} to {SWINGER.most} is advised"
        yield Advice((*path, "swinger"), "swinger-shutdown", says, "CP-01")


def _by_practice(path: Path, zone: Zone, partition: Partition, *, has_entry: bool) -> Iterator[Advice]:
    if zone.type == "follower" and not has_entry:
        says = f"{zone.title} follows an entry_exit zone, and {partition.title} has none: it rings at once, always"
        yield Advice((*path, "type"), "follows-nobody", says)
    if zone.type == "interior" and zone.modes is not None:
        for n, mode in enumerate(zone.modes):
            if mode in _PEOPLE_INSIDE and mode in partition.modes:
                says = f"{zone.title} looks into the rooms: armed in {mode}, the people inside set it off"
                yield Advice((*path, "modes", n), "people-inside", says)
    if zone.type in ALWAYS_RINGS and zone.bypassable:
        says = f"{zone.title} is a {zone.type} zone, and anybody who arms may leave it out"
        yield Advice((*path, "bypassable"), "bypassed-life-safety", says)
    if zone.type in ("fire", "co") and not partition.sirens:
        says = f"{zone.title} warns of {zone.type}, and {partition.title} has no sirens that wake anybody"
        yield Advice((*path, "partition"), "silent-fire", says)
    if zone.supervision is None:
        says = f"{zone.title} may fall silent for ever unnoticed; supervision says how long is too long"
        yield Advice(path, "no-supervision", says)
