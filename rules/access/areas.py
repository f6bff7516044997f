"""Who is where: areas entered through doors, anti-passback, and the list for the assembly point."""

from __future__ import annotations

from rules.access.memory import Whereabouts
from rules.document.access import Door, Person
from rules.document.site import Site
from rules.events import AreaEntered, MusterTaken
from rules.turn import Turn

OUTSIDE = "outside"


class Areas:
    """Whereabouts by person in `inside`, which belongs to the memory. A door that names one area leads to and from
    `outside`; one that names none moves nobody."""

    def __init__(self, *, site: Site, inside: dict[str, Whereabouts]) -> None:
        self._inside = inside
        self._names = {person.id: person.title for person in site.people}

    def sides(self, door: Door, *, out: bool) -> tuple[str, str]:
        """The area somebody leaves and the one they come to; two empty words when the door joins none."""
        if not door.areas:
            return "", ""
        here, there = door.from_ or OUTSIDE, door.to or OUTSIDE
        return (there, here) if out else (here, there)

    def violation(self, door: Door, person: str, *, out: bool, gt: int) -> bool:
        """Whether this person cannot be on this side of the door: they went elsewhere, and it was not forgiven yet.
        Nobody knows where somebody is who was never seen."""
        here, _ = self.sides(door, out=out)
        seen = self._inside.get(person)
        if seen is None or not here or seen.area == here:
            return False
        return door.forgive is None or gt - seen.at < door.forgive

    def enter(self, turn: Turn, person: str, area: str) -> None:
        """They went through."""
        seen = self._inside.get(person)
        self._inside[person] = Whereabouts(area, turn.gt)
        turn.make(
            AreaEntered,
            area,
            ordinal=person,
            person=person,
            left=seen.area if seen is not None else "",
            occupancy=sum(each.area == area for each in self._inside.values()),
        )

    def forgive(self, turn: Turn, person: Person, *, by: str) -> None:
        """Forget where they are: the next reader takes them as they come."""
        self._inside.pop(person.id, None)
        turn.why(f"person {person.id}", "whereabouts forgiven by {}", by)

    def muster(self, turn: Turn, *, by: str) -> dict[str, list[str]]:
        """Who is in the building, by area, as names; told as a fact."""
        lists: dict[str, list[str]] = {}
        for person, seen in self._inside.items():
            if seen.area != OUTSIDE:
                lists.setdefault(seen.area, []).append(self._names.get(person, person))
        areas = {area: sorted(people) for area, people in sorted(lists.items())}
        turn.make(MusterTaken, "", areas=areas, by=by)
        return areas
