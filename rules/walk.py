"""Stepping through the records of a log, in order, as the engine did then, or as it would under another document.

Theory of operation. A record is an *input* (something happened, somebody else wrote) or an *outcome* (the engine made
it because of the input before it). Inputs are stepped; outcomes are handed on unstepped, for those who compare. The
document that was in force is followed too: `site.applied` names the next one, and the start just before it was already
decided by it, so that start waits until the record behind its outcomes is known.

A fault of the program in one input ends nothing: the engine begins again from the last snapshot in memory with the
inputs since, as if that input, or the deadline that failed, had not been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from traceback import walk_tb
from typing import NamedTuple

from rules.actions import Action, Append, Note
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
_ROOT = __file__.removesuffix("rules/walk.py")  # what our own lines have in front
_EVERY = 20_000  # inputs between two snapshots in memory
_MOST_TIMERS = 50  # deadlines given up for one input


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


def outcomes(actions: Iterable[Action]) -> Iterator[Fact]:
    """What of these stands in the log: the facts noted and the entries appended."""
    for action in actions:
        if isinstance(action, Note):
            yield action.event
        elif isinstance(action, Append):
            yield action.entry


class Recorded(NamedTuple):
    """One outcome as it stands in the log."""

    fact: Fact
    data: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Where the program failed: at `fact`, or at the deadline `timer` that was due before it. `reason` names the error
    and its line in the program, and repeats nothing of the fact."""

    fact: Fact
    timer: str | None
    reason: str


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
        self.faults: list[Fault] = []  # what was left out
        self._put_aside: set[str] = set()
        self._good = engine.snapshot()
        self._since: list[Fact] = []  # stepped since then
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
            yield Stepped(each, self.step(each))

    def step(self, fact: Fact) -> list[Action]:
        """What the engine wants because of this; nothing, and one of `faults` more, where it fails."""
        for _ in range(_MOST_TIMERS):
            try:
                actions = self.engine.step(fact)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other inputs can still be decided
                timer = self.engine.lapsing
                self.faults.append(Fault(fact, timer, where(error)))
                self._begin_again()
                if timer is None:
                    break
                self.engine.give_up(timer)
                self._keep()
            else:
                self._since.append(fact)
                if len(self._since) >= _EVERY:
                    self._keep()
                return actions
        self.engine.trace = []
        return []

    def _keep(self) -> None:
        self._good = self.engine.snapshot()
        self._since.clear()

    def _begin_again(self) -> None:
        self.engine = self._restored(self._good)
        for fact in self._since:
            self.engine.step(fact)  # as before: the engine is deterministic
        self._keep()

    def _restored(self, snapshot: bytes) -> Engine:
        version = self.version
        return Engine.restore(snapshot, site=version.site, site_sha256=version.sha256, origin=self._gateway)

    def _follow(self, fact: Fact) -> None:
        """Another document came into force."""
        if self._versions is None or not isinstance(fact, SiteApplied) or fact.sha256 == self.version.sha256:
            return
        version = self._versions(fact.sha256)
        if version is not None:
            self.version = version
            self.engine = self._restored(self.engine.snapshot())
            self._keep()

    def _is_outcome(self, fact: Fact) -> bool:
        if isinstance(fact, Entry):
            return fact.origin == self._gateway
        if isinstance(fact, EffectExpired):
            return fact.reason == "redelivered"
        return fact.kind in _MADE


def where(error: Exception) -> str:
    """`KeyError in rules/panel/panel.py, line 9`."""
    place = ""
    for frame, line in walk_tb(error.__traceback__):
        file = frame.f_code.co_filename.removeprefix(_ROOT)
        if file.startswith(("agent/", "rules/", "tests/")):
            place = f" in {file}, line {line}"
    return f"{type(error).__name__}{place}"
