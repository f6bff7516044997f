"""Which events a selector means, compiled once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

from rules.document.select import Scalar, Selector
from rules.events import EVENTS, Event

Predicate = Callable[[Event], bool]


def about(kind: str) -> Callable[[Event], str]:
    """How to read from an event of this kind whom it is about: faster than asking the event."""
    field = EVENTS[kind].subject_field
    return attrgetter(field) if field else _nobody


def _nobody(event: Event) -> str:
    return ""


def copied(text: str) -> str:
    """An equal text of its own, laid down now. What one event touches then lies together and not scattered among the
    models of the document: with ten thousand rules that is a third of what an event costs."""
    return (text + " ")[:-1]


def where(wanted: dict[str, list[Scalar]]) -> Predicate | None:
    """Whether each of these fields has one of its values; None when nothing is asked for."""
    if not wanted:
        return None
    fields = tuple((field, tuple(values)) for field, values in wanted.items())

    def holds(event: Event) -> bool:
        return all(_is(getattr(event, field, None), values) for field, values in fields)

    return holds


def _is(found: object, values: Sequence[Scalar]) -> bool:
    """Equal, and of one nature: `true` is not 1. A list holds a value when one of its items is it."""
    if isinstance(found, list):
        return any(_is(each, values) for each in found)
    return any(found == value and isinstance(found, bool) == isinstance(value, bool) for value in values)


def selects(selector: Selector) -> Predicate:
    """The whole selector: kind, subject and fields."""
    kinds = frozenset(selector.event)
    subject, fields = selector.subject, where(selector.where)

    def holds(event: Event) -> bool:
        return event.kind in kinds and (subject is None or event.about == subject) and (fields is None or fields(event))

    return holds


def said(selector: Selector) -> str:
    """For a person, and as a key: `access.denied of lobby (reason unknown)`."""
    text = " or ".join(selector.event) + (f" of {selector.subject}" if selector.subject is not None else "")
    fields = ", ".join(f"{field} {' or '.join(map(str, values))}" for field, values in selector.where.items())
    return f"{text} ({fields})" if fields else text
