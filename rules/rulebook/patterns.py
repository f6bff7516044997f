"""Patterns of events: so many within a time, and one after another.

What a pattern remembers is bounded: a count keeps the last `at_least` moments, a sequence one moment for each of its
steps, and both do so for at most `MOST_GROUPS` values of `same`; beyond that the one touched longest ago begins anew.
A message that was overtaken (`late`) may complete a pattern and leaves no trace in it.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Protocol

from rules.document.when import Count, When
from rules.events import Event
from rules.rulebook.match import Predicate, selects
from rules.rulebook.memory import Progress

MOST_GROUPS = 64
_NEVER = -1


class Pattern(Protocol):
    """Takes the events its rule listens to, one by one."""

    def advance(self, event: Event, progress: Progress) -> bool:
        """Whether this event completes the pattern. What it has seen stays until `reset`."""

    def reset(self, event: Event, progress: Progress) -> None:
        """It was completed and the rule acts: begin anew."""


def _grouping(same: str | None) -> Callable[[Event], str]:
    if same is None:
        return lambda event: ""
    read = attrgetter(same)
    return lambda event: str(read(event))


def _overtaken(event: Event) -> bool:
    return getattr(event, "delivery", "live") == "late"


def _remember(progress: Progress, group: str, moments: list[int]) -> None:
    """The group comes last: the one touched longest ago is the first to be forgotten."""
    progress.groups.pop(group, None)
    progress.groups[group] = moments
    while len(progress.groups) > MOST_GROUPS:
        del progress.groups[next(iter(progress.groups))]


class Counting:
    """The n-th of these events is at most `within` after the first of the last n."""

    def __init__(self, count: Count) -> None:
        self._n = count.at_least
        self._within = count.within
        self._group = _grouping(count.same)

    def advance(self, event: Event, progress: Progress) -> bool:
        """One more."""
        group = self._group(event)
        moments = [*progress.groups.get(group, ()), event.gt][-self._n :]
        if not _overtaken(event):
            _remember(progress, group, moments)
        return len(moments) == self._n and event.gt - moments[0] <= self._within

    def reset(self, event: Event, progress: Progress) -> None:
        """Those counted are used up."""
        progress.groups.pop(self._group(event), None)


class Following:
    """Each step after the one before it, the last at most `within` after the first; what comes between does not
    matter, but an `unless` ends all that began. For each step the latest beginning that got so far is kept: whoever
    completes, completes with the shortest time there is."""

    def __init__(self, when: When) -> None:
        self._steps: list[Predicate] = [selects(step) for step in when.sequence or []]
        self._unless: list[Predicate] = [selects(each) for each in when.unless]
        self._within = when.within or 0
        self._group = _grouping(when.same)

    def advance(self, event: Event, progress: Progress) -> bool:
        """One event, which may be any step; never two at once, so the later steps look first."""
        group = self._group(event)
        begun = progress.groups.get(group)
        last = len(self._steps) - 1
        reached = [_NEVER] * last if begun is None or any(each(event) for each in self._unless) else list(begun)
        completed = False
        for step in range(last, -1, -1):
            beginning = event.gt if step == 0 else reached[step - 1]
            if beginning == _NEVER or event.gt - beginning > self._within or not self._steps[step](event):
                continue
            if step == last:
                completed = True
            else:
                reached[step] = max(reached[step], beginning)
        if not _overtaken(event):
            if reached.count(_NEVER) < last:
                _remember(progress, group, reached)
            else:
                progress.groups.pop(group, None)
        return completed

    def reset(self, event: Event, progress: Progress) -> None:
        """It came to its end."""
        progress.groups.pop(self._group(event), None)
