"""Duress: somebody is forced to use a code. On site it does what any code does; the telling is in secret."""

from __future__ import annotations

from rules.access.report import Reports
from rules.document.access import Person
from rules.document.site import Site
from rules.events import DuressRaised
from rules.turn import Turn


class Duress:
    """Tells it as a fact and a covert incident. The facts beside it, and their order, are those of a usual code: this
    comes last in its turn, leaves no line in the trace and touches no output. A duress code tells whatever else is
    decided about it, also when it is out of date or its keypad is locked out."""

    def __init__(self, *, site: Site, reports: Reports) -> None:
        self._reports = reports
        self._policies = [(partition.id, partition.policy) for partition in site.partitions if partition.policy]

    def tell(self, turn: Turn, person: Person, source: str, *, policy: str | None, cameras: list[str]) -> None:
        """`person` used a duress code at `source`. Where that has no policy, it is told by one of their partitions'."""
        fact = turn.make(DuressRaised, source, person=person.id)
        name = self._reports.called(source)
        self._reports.tell(
            turn,
            f"duress {person.id}",
            fact.id,
            title=f"Duress: {person.title} at {name}",
            again=f"duress again: {person.title} at {name}",
            severity="critical",
            device=source,
            name=name,
            policy=policy or self._policy(person),
            cameras=cameras,
            covert=True,
        )

    def _policy(self, person: Person) -> str | None:
        theirs = [policy for name, policy in self._policies if person.partitions is None or name in person.partitions]
        return next(iter(theirs), None)
