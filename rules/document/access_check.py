"""What a model alone cannot see in people, doors and keypads: names that lead nowhere, one credential for two people,
one lock for two doors."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from rules.document.access import Door, Keypad, Person
from rules.document.places import Path
from rules.document.tells import Mistake, known, twice

if TYPE_CHECKING:
    from rules.document.panel import Partition
    from rules.document.site import Site

_CONTACTS = ("contact", "input")
_REQUESTS = ("button", "input", "contact", "motion")
_READERS = ("reader", "keypad")
_LOCKS = ("lock", "output")
_SIRENS = ("siren", "output")


def access_mistakes(site: Site) -> list[Mistake]:
    """Every such mistake, with the path of the word that is wrong."""
    types: dict[str, str] = {}
    for device in site.devices:
        types.setdefault(device.id, device.type)
    partitions = {partition.id: partition for partition in reversed(site.partitions)}
    found = list(_twice(site))
    found += _people(site, partitions)
    for n, level in enumerate(site.access_levels):
        here = ("access_levels", n)
        doors = {door.id for door in site.doors}
        for m, name in enumerate(level.doors):
            found += known((*here, "doors", m), name, doors, "door")
        if level.schedule is not None:
            found += known((*here, "schedule"), level.schedule, site.schedules, "schedule")
    for n, door in enumerate(site.doors):
        found += _door(("doors", n), door, site, partitions, types)
    for n, keypad in enumerate(site.keypads):
        found += _keypad(("keypads", n), keypad, partitions, types)
    found += _alone(site)
    return found


# --- claimed twice -------------------------------------------------------------------------------------------------


def _twice(site: Site) -> Iterator[Mistake]:
    yield from twice("people", (person.id for person in site.people))
    yield from twice("access_levels", (level.id for level in site.access_levels))
    yield from twice("doors", (door.id for door in site.doors))
    taken: dict[str, str] = {}
    for n, door in enumerate(site.doors):
        for word in ("lock", "contact", "reader", "reader_out"):
            yield from _claim(("doors", n, word), getattr(door, word), f"door {door.id}", taken)
    for n, keypad in enumerate(site.keypads):
        yield from _claim(("keypads", n, "device"), keypad.device, f"keypad {keypad.device}", taken)


def _claim(path: Path, device: str | None, owner: str, taken: dict[str, str]) -> Iterator[Mistake]:
    if device is not None and device in taken:
        yield path, f"{device!r} belongs to {taken[device]} already"
    elif device is not None:
        taken[device] = owner


# --- people --------------------------------------------------------------------------------------------------------


def _people(site: Site, partitions: Collection[str]) -> Iterator[Mistake]:
    levels = {level.id for level in site.access_levels}
    codes: dict[str, str] = {}
    cards: dict[str, str] = {}
    for n, person in enumerate(site.people):
        here = ("people", n)
        for m, name in enumerate(person.partitions or []):
            yield from known((*here, "partitions", m), name, partitions, "partition")
        for m, name in enumerate(person.access):
            yield from known((*here, "access", m), name, levels, "access level")
        for m, code in enumerate(person.codes):
            where = (*here, "codes", m)
            yield from _unique((*where, "digest"), code.digest, "code", person, codes)
            if code.schedule is not None:
                yield from known((*where, "schedule"), code.schedule, site.schedules, "schedule")
            if code.duress and code.digest == person.pin:
                yield (*here, "pin"), "this is the digest of a duress code as well: it would tell each time"
        for m, card in enumerate(person.cards):
            yield from _unique((*here, "cards", m, "digest"), card.digest, "card", person, cards)


def _unique(path: Path, digest: str, what: str, person: Person, owners: dict[str, str]) -> Iterator[Mistake]:
    if digest in owners:  # without repeating it: it is as good as the thing itself
        yield path, f"{person.id} has a {what} that {owners[digest]} has already"
    owners.setdefault(digest, person.id)


# --- doors and keypads ---------------------------------------------------------------------------------------------


def _door(
    path: Path, door: Door, site: Site, partitions: dict[str, Partition], types: dict[str, str]
) -> Iterator[Mistake]:
    for word, kinds in (
        ("lock", _LOCKS),
        ("contact", _CONTACTS),
        ("rex", _REQUESTS),
        ("reader", _READERS),
        ("reader_out", _READERS),
    ):
        yield from _device((*path, word), getattr(door, word), kinds, types)
    yield from _lists(path, door.sirens, door.cameras, types)
    if door.unlock_schedule is not None:
        yield from known((*path, "unlock_schedule"), door.unlock_schedule, site.schedules, "schedule")
    if door.pin not in ("never", "always"):
        yield from known((*path, "pin"), door.pin, {*site.schedules, "never", "always"}, "schedule")
    if door.partition is not None:
        yield from known((*path, "partition"), door.partition, partitions, "partition")
        mode, partition = door.double_badge_arms, partitions.get(door.partition)
        if mode is not None and partition is not None and mode not in partition.modes:
            message = f"{partition.id} is never armed in {mode} ({', '.join(partition.modes)})"
            yield (*path, "double_badge_arms"), message


def _keypad(path: Path, keypad: Keypad, partitions: dict[str, Partition], types: dict[str, str]) -> Iterator[Mistake]:
    yield from _device((*path, "device"), keypad.device, _READERS, types)
    yield from known((*path, "partition"), keypad.partition, partitions, "partition")
    yield from _lists(path, [], keypad.cameras, types)


def _alone(site: Site) -> Iterator[Mistake]:
    """Ways for one person to disarm what takes two."""
    pairs = {keypad.partition for keypad in site.keypads if keypad.two_person}
    for n, keypad in enumerate(site.keypads):
        if keypad.partition in pairs and not keypad.two_person:
            message = f"two people disarm {keypad.partition} at another keypad: say two_person here, too"
            yield ("keypads", n, "partition"), message
    for n, door in enumerate(site.doors):
        if door.badge_disarms and door.partition in pairs:
            message = f"two people disarm {door.partition} at its keypad, so no badge disarms it"
            yield ("doors", n, "badge_disarms"), message
    for n, zone in enumerate(site.zones):
        if zone.type == "key_switch" and zone.partition in pairs:
            message = f"two people disarm {zone.partition} at its keypad, so no key disarms it"
            yield ("zones", n, "type"), message


def _lists(path: Path, sirens: list[str], cameras: list[str], types: dict[str, str]) -> Iterator[Mistake]:
    for word, names, kinds in (("sirens", sirens, _SIRENS), ("cameras", cameras, ("camera",))):
        for n, name in enumerate(names):
            yield from _device((*path, word, n), name, kinds, types)


def _device(path: Path, device: str | None, kinds: tuple[str, ...], types: dict[str, str]) -> Iterator[Mistake]:
    if device is not None:
        fitting = [name for name, kind in types.items() if kind in kinds]
        yield from known(path, device, fitting, " or ".join(kinds))
