"""Doors in alarm: forced and held open, as incidents with pictures, and with sirens where the document says so."""

from __future__ import annotations

from typing import Literal

from rules.casebook import Casebook
from rules.document.access import Door
from rules.document.site import Site
from rules.events import DoorForced, DoorHeld
from rules.outputs import Outputs
from rules.turn import Turn

_GROUP = 300_000_000
_PRE, _POST = 10_000_000, 30_000_000


class DoorAlarm:
    """Incidents are made by `door DOOR forced` and `door DOOR held`, sirens are held in the same names. Closing a door
    that was held ends its siren; one that was forced sounds on, for who came in is in. A door without a policy
    has its partition's."""

    def __init__(self, *, site: Site, outputs: Outputs, casebook: Casebook) -> None:
        self._site = site
        self._outputs = outputs
        self._casebook = casebook
        self._policies = {partition.id: partition.policy for partition in site.partitions}

    def forced(self, turn: Turn, door: Door, fact: DoorForced) -> None:
        """It was opened and nobody had been let in."""
        self._raise(turn, door, "forced", f"{door.title} forced open", "high", fact.id)

    def held(self, turn: Turn, door: Door, fact: DoorHeld) -> None:
        """It was open for too long."""
        self._raise(turn, door, "held", f"{door.title} held open", "medium", fact.id)

    def ended(self, turn: Turn, door: Door, what: str) -> None:
        """It is closed again."""
        maker = f"door {door.id} held"
        if what != "held":
            return
        for siren in door.sirens:
            level = self._outputs.held(siren)
            if level is not None and level.rule == maker:
                self._outputs.hold(turn, siren, "off", duration=None, by=maker, action=turn.id(door.id, "quiet", siren))

    def _raise(
        self, turn: Turn, door: Door, what: str, title: str, severity: Literal["medium", "high"], fact: str
    ) -> None:
        maker, site = f"door {door.id} {what}", self._site.site
        for siren in door.sirens:
            action = turn.id(door.id, what, siren)
            self._outputs.hold(turn, siren, "on", duration=door.siren_for, by=maker, action=action)
        device, policy = door.contact or door.lock, door.policy or self._policies.get(door.partition or "")
        incident = self._casebook.open(
            turn,
            maker,
            by="Nightporter",
            group=_GROUP,
            again={"event": fact, "text": f"again: {title}"},
            title=title[:200],
            severity=severity,
            rule=maker,
            device=device,
            device_name=door.title,
            site=site.id,
            site_name=site.name,
            trigger=fact,
            **({} if door.partition is None else {"partition": door.partition}),
            **({} if policy is None else {"policy": policy}),
        )
        for camera in door.cameras:
            self._casebook.keep(turn, incident, camera, pre=_PRE, post=_POST, by=maker)
