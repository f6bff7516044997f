"""Which schedules rules listen to: only their edges are worth a fact."""

from __future__ import annotations

from collections.abc import Iterator

from rules.document.condition import Condition
from rules.document.rule import Rule
from rules.document.select import Selector
from rules.document.site import Site

_FAMILY = "schedule."


def listened(site: Site) -> set[str]:
    """The schedules whose beginning or end some rule waits for, or asks for."""
    found: set[str] = set()
    for rule in site.rules:
        for selector in _selectors(rule):
            if any(kind.startswith(_FAMILY) for kind in selector.event):
                found |= {selector.schedule} if selector.schedule is not None else set(site.schedules)
    return found


def _selectors(rule: Rule) -> Iterator[Selector]:
    when = rule.when
    for selector in (when.selector, when.count, when.absence, *(when.sequence or ()), *when.unless):
        if selector is not None:
            yield selector
    if when.absence is not None and when.absence.after is not None:
        yield when.absence.after
    for condition in rule.if_:
        yield from _recent(condition)


def _recent(condition: Condition) -> Iterator[Selector]:
    if condition.recent is not None:
        yield condition.recent
    if condition.not_ is not None:
        yield from _recent(condition.not_)
    for each in (*(condition.all_ or ()), *(condition.any_ or ())):
        yield from _recent(each)
