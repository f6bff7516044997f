"""One fact on its way through the engine: when it is, what caused it, and what follows from it."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

from rules.actions import Action, Note
from rules.events import Clock, MadeEvent
from rules.ids import derived

_Made = TypeVar("_Made", bound=MadeEvent)


class Why(NamedTuple):
    """One line of a decision's trace: `subject` is `zone front-door` or `rule after-hours`; `says` has blanks for
    `values`, which are filled only when somebody asks."""

    subject: str
    says: str
    values: tuple[object, ...] = ()

    @property
    def text(self) -> str:
        """The line for a person."""
        return f"{self.subject}: {self.says.format(*self.values)}"


class Turn:
    """What machines write on while one fact, or one timer that ended, is decided. `seed` makes the ids of what follows,
    `cause` is the logged fact they point to. `live` is False when the message may be a repeat: no pulse, then."""

    __slots__ = ("_made_ids", "actions", "cause", "clock", "fired", "gt", "live", "made", "seed", "trace", "wall")

    def __init__(
        self, *, cause: str, seed: str, gt: int, wall: int, clock: Clock, trace: list[Why], live: bool = True
    ) -> None:
        self.cause = cause
        self.seed = seed
        self.gt = gt
        self.wall = wall
        self.clock = clock
        self.live = live
        self.actions: list[Action] = []
        self.made: list[MadeEvent] = []  # facts that rules have yet to see
        self.fired: set[str] = set()  # rules that acted in this turn, and on what: none twice on the same
        self.trace = trace
        self._made_ids: set[str] = set()

    def id(self, *parts: str | int) -> str:
        """The id of something that follows from this turn; the same parts must not be used twice in one turn."""
        return derived(self.seed, *parts)

    def header(self) -> dict[str, Any]:
        """What every fact made in this turn begins with, but its id."""
        return {"gt": self.gt, "wall": self.wall, "clock": self.clock, "cause": self.cause}

    def make(self, kind: type[_Made], subject: str, *, ordinal: str | int = "", **body: Any) -> _Made:
        """A fact of this kind about `subject`: written into the log, and shown to the rules."""
        if kind.subject_field:
            body[kind.subject_field] = subject
        name, again = self.id(kind.kind, subject, ordinal), 0
        while name in self._made_ids:  # two rules may ask the same of one machine: it answers both
            again += 1
            name = self.id(kind.kind, subject, ordinal, again)
        self._made_ids.add(name)
        fact = kind(id=name, gt=self.gt, wall=self.wall, clock=self.clock, cause=self.cause, **body)
        self.actions.append(Note(event=fact))
        self.made.append(fact)
        return fact

    def do(self, *actions: Action) -> None:
        """Want these done."""
        self.actions += actions

    def why(self, subject: str, says: str, *values: object) -> None:
        """Leave a line in the trace. `says` has `{}` for each value."""
        self.trace.append(Why(subject, says, values))
