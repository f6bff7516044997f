"""What people outside are told: one incident per partition and kind, with pictures, growing while it lasts."""

from __future__ import annotations

from typing import Any, NamedTuple

from rules.casebook import LONGEST_TITLE
from rules.panel.memory import Told, Waiting
from rules.panel.parts import Means, PartitionPart, ZonePart
from rules.panel.zones import SEVERITY, WORDS
from rules.turn import Turn
from rules.units import MINUTE, SECOND

# A further alarm of a kind within this time joins its incident; troubles come in swarms.
GROUP = 10 * MINUTE
TROUBLE_GROUP = 60 * MINUTE
# Footage around an alarm, and how often the same cameras are asked again.
PRE, POST = 10 * SECOND, 30 * SECOND
FILM_AGAIN = 30 * SECOND
_FILMED = frozenset({"burglary", "hold_up", "fire", "co", "tamper", "duress"})


class Report(NamedTuple):
    """What an incident says when it is opened, or when this joins it. `zone` is "" when a person called."""

    kind: str
    title: str
    severity: str
    device: str
    zone: str
    event: str = ""
    covert: bool = False


class Reports:
    """Opens incidents, adds to them, and has their cameras keep footage."""

    def __init__(self, *, means: Means, names: dict[str, str]) -> None:
        self._casebook = means.casebook
        self._place = means.place
        self._names = names

    def maker(self, partition: PartitionPart, kind: str) -> str:
        """Who opens incidents of this kind: they are grouped by it."""
        return f"panel {partition.id} {kind}"

    def of_zone(self, zone: ZonePart, kind: str, more: str, event: str) -> Report:
        """The report of a zone."""
        severity = SEVERITY.get(kind) or ("high" if zone.partition.is_on else "medium")
        if kind == zone.kind and zone.spec.severity is not None:
            severity = zone.spec.severity
        return Report(
            kind, f"{WORDS[kind]}: {zone.title}{more}"[:LONGEST_TITLE], severity, zone.spec.device, zone.id, event
        )

    def of_person(self, kind: str, who: str, device: str, covert: bool) -> Report:
        """The report of somebody's call for help."""
        return Report(kind, f"{WORDS[kind]}: {who}"[:LONGEST_TITLE], SEVERITY[kind], device, "", covert=covert)

    def tell(self, turn: Turn, partition: PartitionPart, report: Report) -> None:
        """Open an incident, or add to the one that runs."""
        told = partition.memory.told.get(report.kind)
        group = 0 if told is None or told.over else TROUBLE_GROUP if report.kind == "trouble" else GROUP
        incident = self._casebook.open(
            turn,
            self.maker(partition, report.kind),
            group=group,
            again={"event": report.event or turn.cause, "text": report.title},
            trigger=turn.cause,
            **self._body(partition, report.title, report.severity, report.device, report.kind, covert=report.covert),
        )
        filmed = told.filmed if told is not None and told.incident == incident else None
        if told is None or told.incident != incident:
            told = partition.memory.told[report.kind] = Told(incident, report.zone, turn.gt, turn.gt)
        if report.kind in _FILMED and (filmed is None or turn.gt - filmed >= FILM_AGAIN):
            told.filmed = turn.gt
            for what, name, camera in self.film(turn, partition, report.kind, incident):
                self._casebook.picture(turn, incident, what, name, camera)

    def open_waiting(self, turn: Turn, partition: PartitionPart, waiting: Waiting) -> None:
        """Open the incident of an alarm that waited, with the footage that was kept meanwhile."""
        incident = self._casebook.open(
            turn,
            self.maker(partition, "burglary"),
            group=0,
            again={},
            incident=waiting.incident,
            trigger=waiting.trigger,
            **self._body(partition, waiting.title, waiting.severity, waiting.device, "burglary"),
        )
        partition.memory.told["burglary"] = Told(incident, waiting.zone, turn.gt, turn.gt)
        for each in waiting.footage:
            self._casebook.picture(turn, incident, each.what, each.id, each.camera)

    def film(self, turn: Turn, partition: PartitionPart, kind: str, incident: str) -> list[tuple[str, str, str]]:
        """Have the partition's cameras keep this moment: (still or clip, id, camera)."""
        films = []
        for camera in partition.spec.cameras:
            maker = self.maker(partition, kind)
            still, clip = self._casebook.film(turn, incident, camera, pre=PRE, post=POST, by=maker)
            films += [("still", still, camera), ("clip", clip, camera)]
        return films

    def restored(self, turn: Turn, zone: ZonePart, kind: str, text: str, event: str) -> None:
        """What the incident was about is over: written into it, if it is known."""
        told = zone.partition.memory.told.get(kind)
        if told is not None:
            evidence = {"event": event, "text": text}
            self._casebook.append(turn, "incident.evidence", told.incident, event, evidence=evidence)

    def disarmed(self, turn: Turn, told: Told, *, by: str, soon: bool) -> None:
        """Somebody disarmed: `soon` enough that people who were told are told that, too."""
        if soon:
            self._casebook.cancel(turn, told.incident, by=by, note=f"Disarmed by {by}")
        else:
            self._casebook.note(turn, told.incident, f"Disarmed by {by}", by=by)

    def _body(
        self, partition: PartitionPart, title: str, severity: str, device: str, kind: str, *, covert: bool = False
    ) -> dict[str, Any]:
        body: dict[str, Any] = {
            "by": "Alarm panel",
            "title": title,
            "severity": severity,
            "rule": self.maker(partition, kind),
            "partition": partition.id,
            "device": device,
            "device_name": self._names.get(device, device),
            "site": self._place.id,
            "site_name": self._place.name,
        }
        if partition.spec.policy is not None:
            body["policy"] = partition.spec.policy
        if covert:
            body["covert"] = True
        return body
