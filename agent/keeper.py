"""The engine in safe keeping: a fault of its own, in one fact, must not end the alarm system.

Theory of operation. What goes wrong in the middle of a step leaves the memory half-way. So the keeper holds a snapshot
and the facts since; after a failure it begins again from there, without the fact that failed. The engine is
deterministic: what it decided before it decides again, and nobody is told twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from agent.errors import AgentError
from agent.fault import where
from rules.actions import Action
from rules.engine import Engine
from rules.events import Event
from rules.incidents import Entry

_Made = TypeVar("_Made")
EVERY = 2000  # facts between two snapshots in memory


class Undecided(AgentError):
    """The engine failed at a fact, or at the deadline `timer` that had passed before it. The text says what failed and
    where in the program; it repeats nothing of the fact."""

    def __init__(self, reason: str, *, timer: str | None) -> None:
        super().__init__(reason)
        self.timer = timer


class Keeper:
    """`engine` is the one in use: another object after a failure. `restore` makes one of a snapshot."""

    def __init__(self, *, engine: Engine, restore: Callable[[bytes], Engine], every: int = EVERY) -> None:
        self.engine = engine
        self._restore = restore
        self._every = every
        self._good = engine.snapshot()
        self._since: list[Event | Entry] = []

    def step(self, fact: Event | Entry, write: Callable[[list[Action]], _Made]) -> tuple[list[Action], _Made]:
        """Decide, and make of the decisions what the log needs. Undecided when either fails: then it is as if the fact
        had not been."""
        engine = self.engine
        try:
            actions = engine.step(fact)
            made = write(actions)
        except Exception as error:  # noqa: BLE001 - a fault in one rule or device must not silence the others
            failure = Undecided(where(error), timer=engine.lapsing)
            self._begin_again()
            raise failure from None
        self._since.append(fact)
        if len(self._since) >= self._every:
            self.snapshot()
        return actions, made

    def snapshot(self) -> bytes:
        """The engine's memory now; from here it begins again."""
        self._good = self.engine.snapshot()
        self._since.clear()
        return self._good

    def give_up(self, timer: str) -> None:
        """Forget a deadline that cannot be decided."""
        self.engine.give_up(timer)
        self.snapshot()

    def _begin_again(self) -> None:
        while True:
            engine = self._restore(self._good)
            for n, fact in enumerate(self._since):
                try:
                    engine.step(fact)
                except Exception:  # noqa: BLE001 - it was decided before; whatever this is, the rest must live
                    del self._since[n]
                    break
            else:
                self.engine = engine
                self.snapshot()  # the next failure, if one follows, is undone in no time
                return
