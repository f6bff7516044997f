"""The names of a site, for whoever checks that a word is one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rules.document.tells import OUTPUTS

if TYPE_CHECKING:
    from rules.document.site import Site


@dataclass(frozen=True, slots=True)
class Words:
    """The names of a site, by what they name."""

    types: dict[str, str]
    names: dict[str, set[str]]
    cameras: set[str]
    outputs: set[str]
    zone_devices: set[str]
    modes: dict[str, list[str]]

    @classmethod
    def of(cls, site: Site) -> Words:
        """Those of this one."""
        types: dict[str, str] = {}
        for device in site.devices:
            types.setdefault(device.id, device.type)
        doors = site.doors
        return cls(
            types=types,
            names={
                "device": set(types),
                "zone": {zone.id for zone in site.zones},
                "partition": {partition.id for partition in site.partitions},
                "door": {door.id for door in doors},
                "area": {area for door in doors for area in door.areas} | {"outside"},
                "schedule": set(site.schedules),
                "rule": {rule.id for rule in site.rules},
            },
            cameras={name for name, kind in types.items() if kind == "camera"},
            outputs={name for name, kind in types.items() if kind in OUTPUTS},
            zone_devices={zone.device for zone in site.zones},
            modes={partition.id: [*partition.modes] for partition in site.partitions},
        )
