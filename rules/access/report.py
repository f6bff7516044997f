"""What people outside are told of doors, keypads and duress: incidents, with pictures."""

from __future__ import annotations

from typing import Any, Literal

from rules.casebook import LONGEST_TITLE, Casebook
from rules.document.site import Site
from rules.turn import Turn
from rules.units import MINUTE, SECOND

# What comes again within this time of the last joins its incident.
GROUP = 5 * MINUTE
PRE, POST = 10 * SECOND, 30 * SECOND


class Reports:
    """Opens incidents by the name of who makes them (`door lobby forced`), or adds to the one that runs."""

    def __init__(self, *, site: Site, casebook: Casebook) -> None:
        self._place = site.site
        self._titles = {device.id: device.title for device in site.devices}
        self._casebook = casebook

    def called(self, device: str) -> str:
        """What people call this device, or whatever it is that a relay names."""
        return self._titles.get(device, device)

    def tell(
        self,
        turn: Turn,
        maker: str,
        fact: str,
        *,
        title: str,
        again: str,
        severity: Literal["medium", "high", "critical"],
        device: str,
        name: str,
        policy: str | None,
        cameras: list[str],
        partition: str | None = None,
        covert: bool = False,
    ) -> None:
        """`fact` is the id of what happened, `again` what the incident that runs is told, `name` what people call the
        device. The cameras keep this moment."""
        secret: dict[str, Any] = {"covert": True} if covert else {}
        incident = self._casebook.open(
            turn,
            maker,
            by="Nightporter",
            group=GROUP,
            again={"event": fact, "text": again},
            title=title[:LONGEST_TITLE],
            severity=severity,
            **secret,
            rule=maker,
            device=device,
            device_name=name,
            site=self._place.id,
            site_name=self._place.name,
            trigger=fact,
            **({} if partition is None else {"partition": partition}),
            **({} if policy is None else {"policy": policy}),
        )
        for camera in cameras:
            self._casebook.keep(turn, incident, camera, pre=PRE, post=POST, by=maker)

    def add(self, turn: Turn, maker: str, fact: str, text: str) -> None:
        """Write what happened into the incident of this maker, if one is not over."""
        incident = self._casebook.current(maker)
        if incident is not None:
            self._casebook.append(turn, "incident.evidence", incident, fact, evidence={"event": fact, "text": text})
