"""Advice on the document as a whole: what stands in it and does nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rules.document.condition import Condition
from rules.document.places import Path
from rules.document.rule import Rule
from rules.document.site import Site
from rules.document.tells import TELLS
from rules.lint.advice import Advice

# What is there to be heard; outputs and cameras are there to be used.
_HEARD = ("contact", "motion", "input", "glass", "smoke", "heat", "co", "water", "button", "keypad", "reader")


def site_advice(site: Site) -> Iterator[Advice]:
    """On names that nobody uses, on the clock, and on rules that tell nobody."""
    if site.schedules and "timezone" not in site.site.model_fields_set:
        says = "no timezone is said, so schedules run by UTC; write for example timezone: Europe/Zurich"
        yield Advice(("site",), "no-timezone", says)
    used = _used(site)
    for n, device in enumerate(site.devices):
        path: Path = ("devices", n)
        if device.id in used.names or TELLS[device.type] & used.kinds:
            continue
        if device.type in _HEARD:
            says = f"{device.title} is no zone, belongs to no door, and no rule listens to it: what it tells is unheard"
            yield Advice(path, "unheard-device", says)
        elif device.switched or device.type == "camera":
            yield Advice(path, "unused-device", f"nothing ever uses {device.title}")
    for name in site.schedules:
        if name not in used.names and not {"schedule.started", "schedule.ended"} & used.kinds:
            yield Advice(("schedules", name), "unused-schedule", f"nothing goes by schedule {name}")
    for n, rule in enumerate(site.rules):
        yield from _rule(("rules", n), rule, site)


def _rule(path: Path, rule: Rule, site: Site) -> Iterator[Advice]:
    sirens = {device.id for device in site.devices if device.type == "siren"}
    notified = any(then.notify is not None for then in rule.then)
    for n, then in enumerate(rule.then):
        opening, command = then.open_incident, then.command
        if opening is not None and opening.severity in ("high", "critical") and not notified:
            says = f"{rule.name} opens an incident of severity {opening.severity} and tells nobody; add notify"
            yield Advice((*path, "then", n), "no-policy", says)
        if command is not None and command.device in sirens and command.value == "on" and command.duration is None:
            says = f"{rule.name} lets {command.device} sound until somebody stops it; say `for` how long"
            yield Advice((*path, "then", n, "command"), "endless-siren", says)


@dataclass(slots=True)
class _Used:
    """Names of devices and schedules that something names, and kinds some rule listens to from anybody."""

    names: set[str] = field(default_factory=set)
    kinds: set[str] = field(default_factory=set)

    def add(self, *names: str | None) -> None:
        """These are used, as far as they are there."""
        self.names.update(name for name in names if name is not None)


def _used(site: Site) -> _Used:
    used = _Used()
    for partition in site.partitions:
        used.add(*partition.sirens, *partition.cameras, partition.arming.schedule if partition.arming else None)
    for zone in site.zones:
        used.add(zone.device)
    for keypad in site.keypads:
        used.add(keypad.device, *keypad.cameras)
    for door in site.doors:
        used.add(door.lock, door.contact, door.rex, door.reader, door.reader_out, *door.sirens, *door.cameras)
        used.add(door.unlock_schedule, door.pin)
    for level in site.access_levels:
        used.add(level.schedule)
    for person in site.people:
        used.add(*(code.schedule for code in person.codes))
    for rule in site.rules:
        _by_rule(rule, used)
    return used


def _by_rule(rule: Rule, used: _Used) -> None:
    for then in rule.then:
        used.add(*(then.save_clip.cameras if then.save_clip is not None else ()))
        used.add(*(each.device for each in (then.command, then.pulse) if each is not None))
    when = rule.when
    asked = [each for condition in rule.if_ for each in _flat(condition)]
    selectors = [when.selector, when.count, when.absence, *(when.sequence or ()), *when.unless]
    selectors += [when.absence.after if when.absence is not None else None, *(each.recent for each in asked)]
    for selector in selectors:
        if selector is None:
            continue
        used.add(selector.device, selector.schedule)
        if not selector.subject_field:
            used.kinds.update(selector.event)
    if when.holds is not None:
        used.add(when.holds.device, when.holds.reading.device if when.holds.reading is not None else None)
    for each in asked:
        used.add(each.schedule, *(part.device for part in (each.state, each.reading) if part is not None))


def _flat(condition: Condition) -> Iterator[Condition]:
    yield condition
    for each in (condition.not_, *(condition.all_ or ()), *(condition.any_ or ())):
        if each is not None:
            yield from _flat(each)
