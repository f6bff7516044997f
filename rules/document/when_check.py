"""What a rule can never wait for: names not of this site, events nobody tells, fields an event does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

from rules.document import nearest
from rules.document.places import Path
from rules.document.select import SUBJECTS, Selector
from rules.document.site_words import Words
from rules.document.state_check import check_reading, check_state
from rules.document.tells import ANY_TELLS, TELLS, Mistake, known
from rules.document.when import When
from rules.events import EVENTS, DeviceEvent

_HEADER = {"id", "gt", "wall", "clock", "cause", "delivery", "n"}
# Which facts are about something else than a word of the document, or may be: not checked against names.
_OUTSIDE = {"device", "area"}


def check_when(path: Path, when: When, words: Words) -> Iterator[Mistake]:
    one = when.selector
    if one is not None:
        yield from check_selector(path, one, words)
    if when.count is not None:
        yield from check_selector((*path, "count"), when.count, words)
        yield from _same((*path, "count", "same"), when.count.same, [when.count])
    for n, step in enumerate(when.sequence or []):
        yield from check_selector((*path, "sequence", n), step, words)
    for n, each in enumerate(when.unless):
        yield from check_selector((*path, "unless", n) if len(when.unless) > 1 else (*path, "unless"), each, words)
    yield from _same((*path, "same"), when.same, [*(when.sequence or []), *when.unless])
    if when.absence is not None:
        yield from check_selector((*path, "absence"), when.absence, words)
        if when.absence.after is not None:
            yield from check_selector((*path, "absence", "after"), when.absence.after, words)
    if when.holds is not None:
        if when.holds.named is not None and when.holds.state is not None:
            yield from check_state((*path, "holds"), *when.holds.named, when.holds.state, words)
        if when.holds.reading is not None:
            yield from check_reading((*path, "holds", "reading"), when.holds.reading, words)


def _same(path: Path, same: str | None, selectors: list[Selector]) -> Iterator[Mistake]:
    if same is not None:
        for selector in selectors:
            yield from _field(path, same, selector.event, fields_of(selector.event))


def check_selector(path: Path, selector: Selector, words: Words) -> Iterator[Mistake]:
    field = selector.subject_field
    several = len([each for each in SUBJECTS if getattr(selector, each) is not None]) > 1
    if several:
        yield path, f"an event is about one of {', '.join(SUBJECTS)}; for more use where"
        return
    for n, kind in enumerate(selector.event):
        own = EVENTS[kind].subject_field
        if field and own != field:
            about = f"about a {own}: write {own}" if own else "about the whole site"
            more = f", or where: {{{field}: ...}}" if field in fields_of([kind]) else ""
            yield (*path, field), f"{kind} is {about}{more}"
            return
        if field == "device" and selector.device in words.types:
            device = str(selector.device)
            kinds = sorted(TELLS[words.types[device]] | ANY_TELLS)
            if issubclass(EVENTS[kind], DeviceEvent) and kind not in kinds:
                message = f"{device} is a {words.types[device]} and never tells {kind} (it tells {', '.join(kinds)})"
                yield (*path, "event", n) if len(selector.event) > 1 else (*path, "event"), message
    if field:
        yield from known((*path, field), str(selector.subject), words.names[field], field)
    possible = fields_of(selector.event)
    for name, values in selector.where.items():
        here = (*path, "where", name)
        yield from _field(here, name, selector.event, possible)
        if name in words.names and name not in _OUTSIDE and name in possible:
            for m, value in enumerate(values):
                yield from known((*here, m) if len(values) > 1 else here, str(value), words.names[name], name)


def completing(when: When) -> list[str]:
    """The kinds of event a rule may act on."""
    if when.event is not None:
        return when.event
    if when.count is not None:
        return when.count.event
    if when.sequence is not None:
        return when.sequence[-1].event
    return ["rule.woke"]


def fields_of(kinds: list[str]) -> dict[str, None]:
    """The fields that events of all these kinds have, beside what every event has."""
    every = [[field.name for field in fields(EVENTS[kind]) if field.name not in _HEADER] for kind in kinds]
    return dict.fromkeys(name for name in every[0] if all(name in each for each in every))


def _field(path: Path, name: str, kinds: list[str], possible: dict[str, None]) -> Iterator[Mistake]:
    if name not in possible:
        has = f"it has {', '.join(possible)}" if possible else "it has none"
        yield path, f"{' or '.join(kinds)} has no field {name!r} ({has}){nearest(name, list(possible))}"


def whom(when: When) -> tuple[str, str] | None:
    """The one whom the event a rule acts on is about, when the rule says so."""
    if when.holds is not None:
        return when.holds.named
    about = when.selector or when.count or when.absence or when.sequence
    if isinstance(about, list):
        about = about[-1]
    if about is None or about.subject is None:
        return None
    return about.subject_field, about.subject
