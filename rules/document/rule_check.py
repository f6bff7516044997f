"""What a model alone cannot see in a rule: names that are not of this site, events nobody tells, states nothing is ever
in, fields an event does not have, blanks nobody can fill."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document import nearest
from rules.document.action import SaveClip, Then
from rules.document.condition import Condition, FieldIs
from rules.document.places import Path
from rules.document.rule import Rule
from rules.document.site_words import Words
from rules.document.state_check import check_reading, check_state
from rules.document.tells import Mistake, known
from rules.document.titles import ALWAYS, NAMED, blanks
from rules.document.when import When
from rules.document.when_check import check_selector, check_when, completing, fields_of, whom


def check_rule(path: Path, rule: Rule, words: Words) -> Iterator[Mistake]:
    """Every such mistake of one rule, with the path of the word that is wrong."""
    yield from check_when((*path, "when"), rule.when, words)
    event_fields = fields_of(completing(rule.when))
    for n, condition in enumerate(rule.if_):
        yield from _condition((*path, "if", n), condition, words, event_fields)
    fillable = _fillable(rule.when, words)
    for n, then in enumerate(rule.then):
        yield from _then((*path, "then", n), then, words, fillable)


# --- if ---


def _condition(path: Path, condition: Condition, words: Words, event: dict[str, None]) -> Iterator[Mistake]:
    if condition.schedule is not None:
        yield from known((*path, "schedule"), condition.schedule, words.names["schedule"], "schedule")
    if condition.recent is not None:
        yield from check_selector((*path, "recent"), condition.recent, words)
    if condition.state is not None:
        yield from check_state((*path, "state"), *condition.state.named[0], condition.state.state, words)
    if condition.value is not None and "value" not in event:
        yield (*path, "value"), "the event this rule waits for has no value; a reading has"
    if condition.reading is not None:
        yield from check_reading((*path, "reading"), condition.reading, words)
    if condition.field is not None:
        yield from _named_field((*path, "field"), condition.field, event)
    if condition.not_ is not None:
        yield from _condition((*path, "not"), condition.not_, words, event)
    for word, branches in (("all", condition.all_), ("any", condition.any_)):
        for n, branch in enumerate(branches or []):
            yield from _condition((*path, word, n), branch, words, event)


def _named_field(path: Path, field: FieldIs, event: dict[str, None]) -> Iterator[Mistake]:
    if field.name not in event:
        has = f"it has {', '.join(event)}" if event else "it has none"
        message = f"the event this rule waits for has no field {field.name!r} ({has}){nearest(field.name, list(event))}"
        yield (*path, "name"), message


# --- then ---


def _then(path: Path, then: Then, words: Words, fillable: list[str]) -> Iterator[Mistake]:
    if then.open_incident is not None:
        yield from _template((*path, "open_incident", "title"), then.open_incident.title, fillable)
    if then.append_incident is not None:
        append = then.append_incident
        yield from _template((*path, "append_incident", "note"), append.note, fillable)
        for field in ("rule", "partition", "door"):
            name = getattr(append, field)
            if name is not None:
                yield from known((*path, "append_incident", field), name, words.names[field], field)
    if then.save_clip is not None:
        yield from _cameras((*path, "save_clip", "cameras"), then.save_clip, words)
    if then.pulse is not None:
        yield from known((*path, "pulse", "device"), then.pulse.device, words.outputs, "siren or output")
    if then.command is not None:
        device = then.command.device
        yield from known((*path, "command", "device"), device, words.outputs, "siren or output")
        if words.types.get(device) == "siren" and then.command.value == "off" and then.command.duration is not None:
            message = f"after this time {device} would be switched on again: leave `for` out"
            yield (*path, "command", "for"), message
    if then.arm is not None:
        partition, mode = then.arm.partition, then.arm.mode
        yield from known((*path, "arm", "partition"), partition, words.names["partition"], "partition")
        if mode not in words.modes.get(partition, [mode]):
            yield (
                (*path, "arm", "mode"),
                f"{partition} is never armed in {mode} (it has {', '.join(words.modes[partition])})",
            )
    if then.bypass is not None:
        yield from known((*path, "bypass", "zone"), then.bypass.zone, words.names["zone"], "zone")


def _cameras(path: Path, clip: SaveClip, words: Words) -> Iterator[Mistake]:
    for m, camera in enumerate(clip.cameras):
        yield from known((*path, m), camera, words.cameras, "camera")


def _fillable(when: When, words: Words) -> list[str]:
    """The blanks that the event this rule acts on can fill."""
    names: dict[str, None] = {}
    kinds = completing(when)
    possible = fields_of(kinds)
    for what in NAMED:
        if what in possible and what != "rule":
            names.update({f"{what}.id": None, f"{what}.name": None})
    named = whom(when)
    if named is not None:
        field, name = named
        tied = {"zone": ("device", "partition")}.get(field, ())
        if field == "device" and name in words.zone_devices:
            tied = ("zone", "partition")
        for what in (field, *tied):
            names.update({f"{what}.id": None, f"{what}.name": None})
    return [*names, *ALWAYS, *(f"event.{field}" for field in possible)]


def _template(path: Path, template: str, fillable: list[str]) -> Iterator[Mistake]:
    for word in blanks(template):
        if word not in fillable:
            yield path, f"{{{{ {word} }}}} cannot be filled in here; known: {', '.join(fillable)}"
