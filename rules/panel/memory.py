"""What is remembered of partitions and zones: plain data, gateway times in µs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rules.document.site import Site


@dataclass(slots=True)
class LeftOut:
    """Who left a zone out or put it on test, why, and until which wall time (None: until it is ended)."""

    by: str
    reason: str
    until: int | None = None


@dataclass(slots=True)
class ZoneMemory:
    """`condition` is None before the zone's first word, `case` likewise for its tamper switch. `fresh`: its first word
    since the start is still awaited. `found`: active while inputs settle. `rings` counts alarms of this arming."""

    condition: str | None = None
    case: str | None = None
    fresh: bool = False
    found: bool = False
    alarmed: bool = False
    rings: int = 0
    shut: bool = False
    tripped: int | None = None
    heard: int | None = None
    heard_in: str = ""
    line: str = ""
    tampered: bool = False
    bypassed: LeftOut | None = None
    isolated: LeftOut | None = None
    testing: LeftOut | None = None
    troubles: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Footage:
    """Kept for an incident that is not open yet: `what` is still or clip."""

    what: str
    id: str
    camera: str


@dataclass(slots=True)
class Waiting:
    """An alarm of which nobody outside was told yet: the first zone's, with all that the incident shall say."""

    incident: str
    trigger: str
    zone: str
    title: str
    device: str
    severity: str
    zones: list[str]
    footage: list[Footage]


@dataclass(slots=True)
class Told:
    """The incident of a kind that further alarms of it join, unless it is `over`; told of at gateway time `at`, filmed
    last at `filmed`."""

    incident: str
    zone: str
    at: int
    filmed: int
    over: bool = False


@dataclass(slots=True)
class PartitionMemory:
    """`mode` and `by` belong to the arming. `left` counts how often a way out was closed again during the exit delay.
    `entered` are the zones of the running entry delay, `failed` whether an exit error began it. `memory` is the alarm
    memory, `latched` what needs a reset. `sounding` is "", "burglary" (with a cut-off) or "fire" (without)."""

    state: str = "disarmed"
    mode: str = ""
    by: str = ""
    left: int = 0
    restarted: bool = False
    entered: list[str] = field(default_factory=list)
    failed: bool = False
    telling: str = "quiet"
    waiting: Waiting | None = None
    told: dict[str, Told] = field(default_factory=dict)
    memory: list[str] = field(default_factory=list)
    latched: list[str] = field(default_factory=list)
    sounding: str = ""


@dataclass(slots=True)
class PanelMemory:
    """By id."""

    partitions: dict[str, PartitionMemory] = field(default_factory=dict)
    zones: dict[str, ZoneMemory] = field(default_factory=dict)

    def fit(self, site: Site) -> None:
        """Forget what the site has no more. An alarm that waits to be told is told, whatever became of its zone."""
        zones = {zone.id for zone in site.zones}
        partitions = {partition.id for partition in site.partitions}
        alarming = zones | {device.id for device in site.devices}
        self.zones = {name: zone for name, zone in self.zones.items() if name in zones}
        self.partitions = {name: each for name, each in self.partitions.items() if name in partitions}
        for each in self.partitions.values():
            each.entered = [zone for zone in each.entered if zone in zones]
            each.memory = [name for name in each.memory if name in alarming]
            each.latched = [name for name in each.latched if name in alarming]
