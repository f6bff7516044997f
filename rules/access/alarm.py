"""Doors in alarm: forced and held open, as incidents with pictures, and with sirens where the document says so."""

from __future__ import annotations

from typing import Literal

from rules.access.report import Reports
from rules.document.access import Door
from rules.document.site import Site
from rules.events import DoorForced, DoorHeld, DoorSecured
from rules.outputs import Outputs
from rules.turn import Turn


class DoorAlarm:
    """Incidents are made by `door DOOR forced` and `door DOOR held`, sirens are held in the same names. Closing a door
    that was held ends its siren; one that was forced sounds on, for who came in is in. A door without a policy
    has its partition's."""

    def __init__(self, *, site: Site, outputs: Outputs, reports: Reports) -> None:
        self._outputs = outputs
        self._reports = reports
        self._policies = {partition.id: partition.policy for partition in site.partitions}

    def forced(self, turn: Turn, door: Door, fact: DoorForced) -> None:
        """It was opened and nobody had been let in."""
        self._raise(turn, door, "forced", f"{door.title} forced open", "high", fact.id)

    def held(self, turn: Turn, door: Door, fact: DoorHeld) -> None:
        """It was open for too long."""
        self._raise(turn, door, "held", f"{door.title} held open", "medium", fact.id)

    def ended(self, turn: Turn, door: Door, what: str, fact: DoorSecured) -> None:
        """It is closed again: written into the incident, if that is not over."""
        maker = f"door {door.id} {what}"
        self._reports.add(turn, maker, fact.id, f"{door.title} is closed again")
        if what != "held":
            return
        for siren in door.sirens:
            level = self._outputs.held(siren)
            if level is not None and level.rule == maker:
                self._outputs.hold(turn, siren, "off", duration=None, by=maker, action=turn.id(door.id, "quiet", siren))

    def _raise(
        self, turn: Turn, door: Door, what: str, title: str, severity: Literal["medium", "high"], fact: str
    ) -> None:
        maker = f"door {door.id} {what}"
        for siren in door.sirens:
            action, sounding = turn.id(door.id, what, siren), self._outputs.held(siren)
            # Closing a held door must not end what sounds for somebody else as well.
            theirs = what == "held" and sounding is not None and sounding.value == "on"
            by = sounding.rule if theirs and sounding is not None else maker
            self._outputs.hold(turn, siren, "on", duration=door.siren_for, by=by, action=action)
        self._reports.tell(
            turn,
            maker,
            fact,
            title=title,
            again=f"again: {title}",
            severity=severity,
            device=door.contact or door.lock,
            name=door.title,
            policy=door.policy or self._policies.get(door.partition or ""),
            cameras=door.cameras,
            partition=door.partition,
        )
