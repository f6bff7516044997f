"""What a model alone cannot see in partitions and zones: names that lead nowhere, and what could never work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rules.document.panel import Partition, Zone
from rules.document.places import Path
from rules.document.tells import Mistake, known, twice

if TYPE_CHECKING:
    from rules.document.site import Site

# Which devices can be the input of a zone; a four-state input or a contact can be wired to anything.
_ANYTHING = ("input", "contact", "motion", "glass", "button", "smoke", "heat", "co", "water", "camera")
_SENSES = {
    "fire": ("input", "contact", "smoke", "heat", "button"),
    "co": ("input", "contact", "co"),
    "water": ("input", "contact", "water"),
    "hold_up": ("input", "contact", "button"),
    "tamper": ("input", "contact"),
    "key_switch": ("input", "contact", "button"),
}


def panel_mistakes(site: Site) -> list[Mistake]:
    """Every such mistake, with the path of the word that is wrong."""
    types: dict[str, str] = {}
    for device in site.devices:
        types.setdefault(device.id, device.type)
    found = list(_twice(site))
    partitions = {partition.id: partition for partition in reversed(site.partitions)}
    for n, partition in enumerate(site.partitions):
        found += _partition(("partitions", n), partition, partitions, types, list(site.schedules))
    for n, zone in enumerate(site.zones):
        found += _zone(("zones", n), zone, site, partitions, types)
    return found


def _twice(site: Site) -> Iterator[Mistake]:
    partitions = {partition.id for partition in site.partitions}
    zones = [zone.id for zone in site.zones]
    yield from twice("partitions", (partition.id for partition in site.partitions))
    yield from twice("zones", zones)
    for n, word in enumerate(zones):
        if word in partitions:
            yield ("zones", n, "id"), f"{word!r} is the name of a partition as well; a command could mean either"


def _partition(
    path: Path, partition: Partition, partitions: dict[str, Partition], types: dict[str, str], schedules: list[str]
) -> Iterator[Mistake]:
    sirens = [name for name, kind in types.items() if kind in ("siren", "output")]
    cameras = [name for name, kind in types.items() if kind == "camera"]
    for n, siren in enumerate(partition.sirens):
        yield from known((*path, "sirens", n), siren, sirens, "siren or output")
    for n, camera in enumerate(partition.cameras):
        yield from known((*path, "cameras", n), camera, cameras, "camera")
    for n, owner in enumerate(partition.owners):
        here = (*path, "owners", n)
        yield from known(here, owner, partitions, "partition")
        if owner == partition.id:
            yield here, f"{owner} cannot own itself"
        elif owner in partitions and partitions[owner].owners:
            yield here, f"{owner} has owners of its own; name those here"
    for n, mode in enumerate(partition.modes):
        if mode in partition.modes[:n]:
            yield (*path, "modes", n), f"{mode} stands here twice"
    for word, delays in (("exit_delay", partition.exit_delay), ("entry_delay", partition.entry_delay)):
        yield from _delays((*path, word), delays, partition)
    if partition.arming is not None:
        here, mode = (*path, "arming"), partition.arming.mode
        yield from known((*here, "schedule"), partition.arming.schedule, schedules, "schedule")
        if mode not in partition.modes:
            where = (*here, "mode") if "mode" in partition.arming.model_fields_set else here
            yield where, f"{partition.id} is never armed in {mode} ({', '.join(partition.modes)})"


def _delays(path: Path, delays: dict[str, int], partition: Partition) -> Iterator[Mistake]:
    for mode in delays:
        if mode and mode not in partition.modes:
            yield (*path, mode), f"{partition.id} is never armed in {mode} ({', '.join(partition.modes)})"


def _zone(
    path: Path, zone: Zone, site: Site, partitions: dict[str, Partition], types: dict[str, str]
) -> Iterator[Mistake]:
    yield from known((*path, "partition"), zone.partition, partitions, "partition")
    yield from known((*path, "device"), zone.device, types, "device")
    senses = _SENSES.get(zone.type, _ANYTHING)
    if zone.device in types and types[zone.device] not in senses:
        kind = types[zone.device]
        yield (*path, "device"), f"{zone.device} is a {kind}; what serves type {zone.type}: {', '.join(senses)}"
    partition = partitions.get(zone.partition)
    if partition is not None:
        for n, mode in enumerate(zone.modes or []):
            if mode not in partition.modes:
                yield (*path, "modes", n), f"{partition.id} is never armed in {mode} ({', '.join(partition.modes)})"
        yield from _delays((*path, "entry_delay"), zone.entry_delay or {}, partition)
        if zone.type == "key_switch":
            yield from _key_switch(path, zone, partition)
    if zone.cross is not None:
        yield from _cross((*path, "cross", "zones"), zone, site)


def _key_switch(path: Path, zone: Zone, partition: Partition) -> Iterator[Mistake]:
    if partition.owners:
        message = f"{partition.id} is armed when its owners are: a key switch belongs to one of them"
        yield (*path, "partition"), message
    elif (zone.arms or "away") not in partition.modes:
        where = (*path, "arms") if zone.arms else path
        message = f"{partition.id} is never armed in {zone.arms or 'away'} ({', '.join(partition.modes)})"
        yield where, message + ("" if zone.arms else "; say which mode it `arms`")


def _cross(path: Path, zone: Zone, site: Site) -> Iterator[Mistake]:
    assert zone.cross is not None
    here = {each.id: each for each in site.zones}
    neighbours = [each.id for each in site.zones if each.partition == zone.partition and each.id != zone.id]
    for n, other in enumerate(zone.cross.zones):
        if other == zone.id:
            yield (*path, n), f"{other} is counted anyway; name the others"
        elif other in zone.cross.zones[:n]:
            yield (*path, n), f"{other} stands here twice"
        elif other in here and other not in neighbours:
            yield (*path, n), f"{other} belongs to partition {here[other].partition}, {zone.id} to {zone.partition}"
        else:
            yield from known((*path, n), other, neighbours, "zone")
