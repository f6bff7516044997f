"""Duress: somebody is forced to use a code. On site it does what any code does; the telling is in secret."""

from __future__ import annotations

from rules.casebook import Casebook
from rules.document.access import Person
from rules.document.site import Site
from rules.events import DuressRaised
from rules.turn import Turn

_GROUP = 300_000_000
_PRE, _POST = 10_000_000, 30_000_000


class Duress:
    """Tells it as a fact and a covert incident. The facts beside it, and their order, are those of a usual code: this
    comes last in its turn, leaves no line in the trace and touches no output. A duress code tells whatever else is
    decided about it, also when it is out of date or its keypad is locked out."""

    def __init__(self, *, site: Site, casebook: Casebook) -> None:
        self._site = site
        self._casebook = casebook
        self._policies = [(partition.id, partition.policy) for partition in site.partitions if partition.policy]

    def tell(self, turn: Turn, person: Person, source: str, *, policy: str | None, cameras: list[str]) -> None:
        """`person` used a duress code at `source`. Where that has no policy, it is told by one of their partitions'."""
        policy = policy or self._policy(person)
        fact = turn.make(DuressRaised, source, person=person.id)
        site, maker = self._site.site, f"duress {person.id}"
        device = self._site.device(source)
        name = device.title if device is not None else source
        incident = self._casebook.open(
            turn,
            maker,
            by="Nightporter",
            group=_GROUP,
            again={"event": fact.id, "text": f"duress again: {person.title} at {name}"},
            title=f"Duress: {person.title} at {name}"[:200],
            severity="critical",
            covert=True,
            rule=maker,
            device=source,
            device_name=name,
            site=site.id,
            site_name=site.name,
            trigger=fact.id,
            **({} if policy is None else {"policy": policy}),
        )
        for camera in cameras:
            self._casebook.keep(turn, incident, camera, pre=_PRE, post=_POST, by=maker)

    def _policy(self, person: Person) -> str | None:
        theirs = [policy for name, policy in self._policies if person.partitions is None or name in person.partitions]
        return next(iter(theirs), None)
