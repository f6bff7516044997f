"""Stepping through the records of a log, in order, as the engine did then, or as it would under another document.

Theory of operation. A record is an *input* (something happened, somebody else wrote) or an *outcome* (the engine made
it because of the input before it). Inputs are stepped; outcomes are handed on unstepped, for those who compare. The
document that was in force is followed too: `site.applied` names the next one, and the start just before it was already
decided by it, so that start waits until the record behind its outcomes is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rules.actions import Action
from rules.document.site import Site
from rules.engine import Engine
from rules.events import (
    EVENTS,
    Boot,
    CommandDecided,
    EffectCommanded,
    EffectExpired,
    EngineFailed,
    Event,
    MadeEvent,
    ReadingsPacked,
    SiteApplied,
)
from rules.incidents import Entry
from rules.readings import unpack
from rules.wire.stored import fact as stored

Fact = Event | Entry
_ALSO = (EffectCommanded.kind, CommandDecided.kind)
_MADE = frozenset(kind for kind, event in EVENTS.items() if issubclass(event, MadeEvent) or kind in _ALSO)


@dataclass(frozen=True, slots=True)
class Version:
    """A version of the site document. `number` 0: a file, or one nobody numbered."""

    number: int
    sha256: str
    site: Site


class Stepped(NamedTuple):
    """One input and what the engine wanted because of it."""

    fact: Fact
    actions: list[Action]


class Recorded(NamedTuple):
    """One outcome as it stands in the log."""

    fact: Fact
    data: bytes


class Walk:
    """Goes through records with `engine`, which is where the log was before the first of them. `gateway` is the id that
    signs the engine's own entries. `versions` gives the document of a SHA-256, as it came into force; None: the one the
    engine has stays."""

    def __init__(
        self,
        *,
        engine: Engine,
        version: Version,
        gateway: str,
        versions: Callable[[str], Version | None] | None = None,
    ) -> None:
        self.engine = engine
        self.version = version
        self.unknown = 0  # records of kinds that this version does not know
        self.look: Callable[[Fact], None] | None = None  # asked right before each input is stepped
        self._put_aside: set[str] = set()
        self._gateway = gateway
        self._versions = versions

    def through(self, records: Iterable[bytes], *, expected: Callable[[bytes], bool]) -> Iterator[Stepped | Recorded]:
        """Everything in order, but for the outcomes that `expected` takes unread. WireError for what is no record."""
        waiting: list[tuple[Fact, bytes]] = []  # a start, and what follows it up to the next input
        for data in records:
            if not waiting and expected(data):
                continue
            fact = stored(data)
            if fact is None:
                self.unknown += 1
            elif fact.id in self._put_aside:
                self._put_aside.remove(fact.id)  # the engine failed at it then: nothing was decided
            elif waiting and not self._is_outcome(fact):
                self._follow(fact)
                held, waiting = waiting, []
                yield from self._again(held, expected)
                yield from self._step(fact)
            elif waiting or (isinstance(fact, Boot) and self._versions is not None):
                waiting.append((fact, data))
            elif self._is_outcome(fact):
                yield Recorded(fact, data)
            else:
                self._follow(fact)
                yield from self._step(fact)
        yield from self._again(waiting, expected)

    def _again(
        self, held: list[tuple[Fact, bytes]], expected: Callable[[bytes], bool]
    ) -> Iterator[Stepped | Recorded]:
        for fact, data in held:
            if not self._is_outcome(fact):
                yield from self._step(fact)
            elif not expected(data):
                yield Recorded(fact, data)

    def _step(self, fact: Fact) -> Iterator[Stepped]:
        if isinstance(fact, EngineFailed) and fact.fact is not None:
            self._put_aside.add(fact.fact)
        for each in unpack(fact) if isinstance(fact, ReadingsPacked) else (fact,):
            if self.look is not None:
                self.look(each)
            yield Stepped(each, self.engine.step(each))

    def _follow(self, fact: Fact) -> None:
        """Another document came into force."""
        if self._versions is None or not isinstance(fact, SiteApplied) or fact.sha256 == self.version.sha256:
            return
        version = self._versions(fact.sha256)
        if version is not None:
            self.version = version
            self.engine = Engine.restore(
                self.engine.snapshot(), site=version.site, site_sha256=version.sha256, origin=self._gateway
            )

    def _is_outcome(self, fact: Fact) -> bool:
        if isinstance(fact, Entry):
            return fact.origin == self._gateway
        if isinstance(fact, EffectExpired):
            return fact.reason == "redelivered"
        return fact.kind in _MADE
