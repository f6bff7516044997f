"""A scenario file and the site it plays in, read and checked; every mistake has its file, line and column."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from rules.document import load_placed, nearest
from rules.document.explain import explain
from rules.document.places import Path, Places
from rules.document.site import Site
from rules.document.site_check import mistakes
from rules.document.tells import ANY_TELLS, TELLS
from rules.errors import DocumentError, Problem
from rules.scenario.merge import Merged, with_digests
from rules.scenario.model import Asked, Bits, Card, Code, Digits, Document, Happens, Key, Pin, Scenario, Step
from rules.scenario.standing import WORDS
from rules.scenario.times import LONGEST

# Gives the text and the file name of the site document that a scenario `uses`.
Find = Callable[[str], tuple[str, str]]


@dataclass(frozen=True, slots=True)
class World:
    """A site document in force: what it means, its plain data (digests among it), and its hash."""

    site: Site
    data: dict[str, Any]
    sha256: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked scenario: the world it begins in, and the one after each step that changes the document."""

    file: str
    scenario: Scenario
    worlds: dict[int, World]  # by the number of the step from which on it is in force; 0: from the begin
    lines: dict[int, int]  # where each step stands in the file

    @property
    def world(self) -> World:
        """The first one."""
        return self.worlds[-1]


def load_scenario(text: str, file: str, find: Find) -> Loaded:
    """The scenario in `text`; `find` reads the site it uses. DocumentError with every mistake."""
    scenario, places = load_placed(text, file, Scenario)
    merged = Merged(file=file)
    if scenario.uses is not None:
        try:
            base_text, base_file = find(scenario.uses)
        except LookupError as error:
            raise DocumentError([places.problem(places.of_value(("uses",)), ("uses",), str(error))]) from None
        merged.lay(_base(base_text, base_file))
    else:
        merged.lay(places, under=("site",))
    if scenario.with_:
        merged.lay(places, under=("with",))
    worlds = {-1: _world(merged)}
    problems: list[Problem] = []
    now = worlds[-1]
    for n, step in enumerate(scenario.timeline):
        path: Path = ("timeline", n)
        if isinstance(step.do, Document):
            merged = merged.copy()
            merged.lay(places, under=(*path, "do", "document"))
            now = worlds[n] = _world(merged)
        problems += [places.problem(places.of_value(where), where, why) for where, why in _step(path, step, now)]
    problems += [places.problem(places.of_value(where), where, why) for where, why in _order(scenario)]
    if problems:
        raise DocumentError(problems)
    starts = {n: places.of_value(("timeline", n))[0] for n in range(len(scenario.timeline))}
    return Loaded(file, scenario, worlds, starts)


@lru_cache(maxsize=16)
def _base(text: str, file: str) -> Places:
    """A site document that many scenarios use, taken apart once."""
    return Places(text=text, file=file)


def _world(places: Merged) -> World:
    data = with_digests(places.data)
    try:
        site = Site.model_validate(data)
    except ValidationError as error:
        raise DocumentError(explain(error, places, Site)) from None
    problems = [places.problem(places.of_value(path), path, message) for path, message in mistakes(site)]
    if problems:
        raise DocumentError(problems)
    return World(site, data, hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest())


def _order(scenario: Scenario) -> Iterator[tuple[Path, str]]:
    now = 0
    for n, step in enumerate(scenario.timeline):
        then = now + step.at.micros if step.at.relative else step.at.micros
        if then < now:
            yield ("timeline", n, "at"), "this is before the step above it"
        if then > LONGEST:
            yield ("timeline", n, "at"), "a scenario lasts at most twenty years"
        now = then


def _step(path: Path, step: Step, world: World) -> Iterator[tuple[Path, str]]:
    """Names in a step that the site does not know."""
    do, here = step.do, (*path, "do")
    devices = [device.id for device in world.site.devices]
    if isinstance(do, Code | Pin | Digits | Card | Bits | Key) and do.on not in devices:
        yield (*here, "on"), f"{do.on!r} is no device of this site{nearest(do.on, devices)}"
    elif isinstance(do, Code | Pin | Digits | Card | Bits | Key):
        kind = next(each.type for each in world.site.devices if each.id == do.on)
        if kind not in ("keypad", "reader"):
            yield (*here, "on"), f"{do.on} is a {kind}; codes, cards and keys come from a keypad or a reader"
    if isinstance(do, Happens):
        device = (do.model_extra or {}).get("device")
        if isinstance(device, str) and device not in devices:
            yield (*here, "device"), f"{device!r} is no device of this site{nearest(device, devices)}"
        told_by = next((each.type for each in world.site.devices if each.id == device), None)
        if told_by is not None and do.event not in TELLS[told_by] | ANY_TELLS:
            tells = ", ".join(sorted(TELLS[told_by]))
            yield (*here, "event"), f"{device} is a {told_by} and never tells {do.event} (it tells {tells})"
    for subject, expected in step.states.items():
        said = _state(subject, expected, world.site)
        if said:
            yield (*path, "states", subject), said
    try:
        if isinstance(do, Code):
            digest(world, do.code, "codes", do.n)
        elif isinstance(do, Pin):
            digest(world, do.pin, "pin", 0)
        elif isinstance(do, Card):
            digest(world, do.card, "cards", do.n)
        elif isinstance(do, Asked) and do.with_code is not None:
            digest(world, do.with_code, "codes", 0)
    except LookupError as error:
        yield here, str(error)


def _state(subject: str, expected: str, site: Site) -> str:
    """What is wrong with a line of `states`: of what is not there, or of a word it never is, anything could be said."""
    what, _, name = subject.partition(" ")
    things: dict[str, Sequence[Any]] = {
        "partition": site.partitions, "zone": site.zones, "door": site.doors, "rule": site.rules,
        "output": [device for device in site.devices if device.switched],
    }  # fmt: skip
    kinds = [*things, "keypad", "incident", "lockdown", "threat"]
    if what not in kinds:
        return f"{what!r} is nothing that has a state{nearest(what, kinds) or '; known: ' + ', '.join(kinds)}"
    names = [str(thing.id) for thing in things.get(what, ())]
    if what in things and name not in names:
        return f"{name!r} is no {what} of this site{nearest(name, names) or '; known: ' + (', '.join(names) or 'none')}"
    words = sorted(WORDS.get(what, ()))
    for word in expected.split():
        if words and word != "not" and word not in words and not word.startswith("trouble:"):
            return f"{word!r} is not one of {', '.join(words)}{nearest(word, words)}"
    return ""


def digest(world: World, person: str, what: str, n: int) -> str:
    """The digest of a person's code, card or pin. LookupError says what there is instead."""
    people = {str(each.get("id")): each for each in world.data.get("people", [])}
    if person not in people:
        raise LookupError(f"{person!r} is nobody of this site{nearest(person, list(people))}")
    found = people[person].get(what)
    if isinstance(found, list):
        found = found[n].get("digest") if n < len(found) else None
    if not isinstance(found, str):
        raise LookupError(f"{person} has no {what}" + (f" number {n}" if n else ""))
    return found
