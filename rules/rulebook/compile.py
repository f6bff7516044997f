"""A rule of the document, made ready: what it listens to, the pattern it waits for, the conditions to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rules.document.rule import Rule
from rules.document.select import Selector
from rules.events import Event, RuleWoke
from rules.rulebook.conditions import Conditions, Test
from rules.rulebook.match import Predicate, where
from rules.rulebook.patterns import Counting, Following, Pattern
from rules.rulebook.waits import Waits


@dataclass(frozen=True, slots=True, eq=False)
class More:
    """What few rules have: who is meant beside kind and subject, the pattern to complete (`of` says which), and what
    its `rule.woke` is about (`field`: a device, zone, partition or door)."""

    where: Predicate | None
    pattern: Pattern | None
    of: str
    field: str


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A rule, ready. Kept this small because ten thousand of them do not fit into a processor's cache otherwise."""

    tests: tuple[Test, ...]
    more: More | None
    label: str
    rule: Rule

    @property
    def id(self) -> str:
        """The rule's id."""
        return self.rule.id


def compile_rule(rule: Rule, conditions: Conditions, waits: Waits) -> Compiled:
    """The rule, ready; what it waits for is told to `waits`."""
    more = _more(rule, waits)
    return Compiled(tests=conditions.all_of(rule.if_), more=more, label=f"rule {rule.id}", rule=rule)


def _more(rule: Rule, waits: Waits) -> More | None:
    when = rule.when
    if when.event is not None:
        fields = where(when.where)
        return None if fields is None else More(where=fields, pattern=None, of="", field="")
    of = when.model_dump_json(by_alias=True, exclude_defaults=True)
    if when.count is not None:
        return More(where=where(when.count.where), pattern=Counting(when.count), of=of, field="")
    if when.sequence is not None:
        return More(where=None, pattern=Following(when), of=of, field="")
    return More(where=_own_wait, pattern=None, of=of, field=waits.add(rule))


def listens(compiled: Compiled) -> Iterator[tuple[str, str | None, Compiled]]:
    """What a rule listens to, each (kind, subject) once."""
    when = compiled.rule.when
    selectors: list[Selector] = [*(when.sequence or []), *when.unless]
    if when.count is not None:
        selectors.append(when.count)
    one = when.selector
    if one is not None:
        selectors.append(one)
    if when.absence is not None or when.holds is not None:
        yield "rule.woke", compiled.id, compiled
    pairs = dict.fromkeys((kind, selector.subject) for selector in selectors for kind in selector.event)
    for kind, subject in pairs:
        if subject is None or (kind, None) not in pairs:  # who listens to anybody need not listen to one as well
            yield kind, subject, compiled


def _own_wait(event: Event) -> bool:
    return isinstance(event, RuleWoke) and event.what != "wake"
