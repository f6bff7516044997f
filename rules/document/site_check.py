"""What a model alone cannot see in a site document: names used but not defined, defined twice, and rules that could
never do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rules.document import nearest
from rules.document.places import Path
from rules.document.rule import Condition, Rule

if TYPE_CHECKING:
    from rules.document.site import Site

Mistake = tuple[Path, str]
OUTPUTS = ("siren", "output")
# What a device of each type tells, beside what any device may tell.
_TELLS = {
    "contact": {"contact.opened", "contact.closed"},
    "motion": {"motion.started", "motion.ended"},
    "siren": {"output.reported"},
    "output": {"output.reported"},
    "temperature": {"reading.temperature"},
    "humidity": {"reading.humidity"},
    "camera": {"camera.lost", "camera.restored", "motion.started", "motion.ended"},
}
_ANY_TELLS = {"device.lost", "device.restored", "tamper.opened", "tamper.closed", "reading.battery"}
_STATES = {
    "contact": {"open", "closed", "unknown"},
    "motion": {"on", "off", "unknown"},
    "siren": {"on", "off", "unknown"},
    "output": {"on", "off", "unknown"},
    "camera": {"on", "off", "unknown"},
}


def mistakes(site: Site) -> list[Mistake]:
    """Every such mistake, with the path of the word that is wrong."""
    types: dict[str, str] = {}
    for device in site.devices:
        types.setdefault(device.id, device.type)
    found = list(_twice(site))
    for n, rule in enumerate(site.rules):
        found += _rule(("rules", n), rule, types, list(site.schedules))
    return found


def _twice(site: Site) -> Iterator[Mistake]:
    """Names and whole topics that two things claim."""
    names: tuple[tuple[str, list[str]], ...] = (
        ("devices", [device.id for device in site.devices]),
        ("rules", [rule.id for rule in site.rules]),
    )
    for collection, words in names:
        for n, word in enumerate(words):
            if word in words[:n]:
                yield (collection, n, "id"), f"{word!r} is used by two {collection}"
    topics: set[str] = set()
    for n, device in enumerate(site.devices):
        if device.mqtt is not None and device.mqtt.field is None:
            if device.mqtt.topic in topics:
                message = f"topic {device.mqtt.topic!r} is read whole by two devices; give each its `field`"
                yield ("devices", n, "mqtt", "topic"), message
            topics.add(device.mqtt.topic)


def _rule(path: Path, rule: Rule, types: dict[str, str], schedules: list[str]) -> Iterator[Mistake]:
    yield from _event((*path, "when"), rule.when.event, rule.when.device, types)
    for n, condition in enumerate(rule.if_):
        yield from _condition((*path, "if", n), condition, types, schedules)
    cameras = [name for name, kind in types.items() if kind == "camera"]
    outputs = [name for name, kind in types.items() if kind in OUTPUTS]
    for n, then in enumerate(rule.then):
        here = (*path, "then", n)
        if then.save_clip is not None:
            for m, camera in enumerate(then.save_clip.cameras):
                yield from _known((*here, "save_clip", "cameras", m), camera, cameras, "camera")
        if then.pulse is not None:
            yield from _known((*here, "pulse", "device"), then.pulse.device, outputs, "siren or output")
        if then.command is not None:
            device = then.command.device
            yield from _known((*here, "command", "device"), device, outputs, "siren or output")
            if types.get(device) == "siren" and then.command.value == "off" and then.command.duration is not None:
                message = f"after this time {device} would be switched on again: leave `for` out"
                yield (*here, "command", "for"), message


def _condition(path: Path, condition: Condition, types: dict[str, str], schedules: list[str]) -> Iterator[Mistake]:
    if condition.schedule is not None:
        yield from _known((*path, "schedule"), condition.schedule, schedules, "schedule")
    if condition.recent is not None:
        yield from _event((*path, "recent"), condition.recent.event, condition.recent.device, types)
    if condition.state is not None:
        here, device, state = (*path, "state"), condition.state.device, condition.state.state
        yield from _known((*here, "device"), device, list(types), "device")
        possible = _STATES.get(types.get(device, ""), set())
        if device in types and state not in possible:
            allowed = f"it is {', '.join(sorted(possible))}" if possible else "it has no state, only readings"
            yield (*here, "is"), f"{device} is never {state}: {allowed}"
    if condition.not_ is not None:
        yield from _condition((*path, "not"), condition.not_, types, schedules)
    for word, branches in (("all", condition.all_), ("any", condition.any_)):
        for n, branch in enumerate(branches or []):
            yield from _condition((*path, word, n), branch, types, schedules)


def _event(path: Path, event: str, device: str, types: dict[str, str]) -> Iterator[Mistake]:
    yield from _known((*path, "device"), device, list(types), "device")
    if device in types:
        kinds = sorted(_TELLS[types[device]] | _ANY_TELLS)
        if event not in kinds:
            message = f"{device} is a {types[device]} and never tells {event} (it tells {', '.join(kinds)})"
            yield (*path, "event"), message


def _known(path: Path, word: str, known: list[str], what: str) -> Iterator[Mistake]:
    if word not in known:
        hint = nearest(word, known) or f"; known: {', '.join(sorted(known)) or 'none'}"
        yield path, f"{word!r} is no {what} of this site{hint}"
