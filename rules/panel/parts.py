"""Zones and partitions at work: what the document says of each, joined with what is remembered of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from rules.casebook import Casebook
from rules.document.panel import ARMED_TYPES, MODES, Partition, Zone
from rules.document.site import Place, Site
from rules.outputs import Outputs
from rules.panel.arming import ARMING, TELLING
from rules.panel.memory import PanelMemory, PartitionMemory, ZoneMemory
from rules.panel.zones import RESPONSES, kind_of
from rules.timers import Timers


@dataclass(slots=True, eq=False)
class PartitionPart:
    """A partition with its zones, and the partitions that share it or are shared by it."""

    spec: Partition
    memory: PartitionMemory
    label: str
    zones: list[ZonePart] = field(default_factory=list)
    owners: list[PartitionPart] = field(default_factory=list)
    common: list[PartitionPart] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its name in the document."""
        return self.spec.id

    @property
    def is_on(self) -> bool:
        """Whether it is armed in any way, leaving and coming in included."""
        return self.memory.state != "disarmed"

    def move(self, event: str) -> None:
        """Let it happen."""
        self.memory.state = ARMING[self.memory.state][event]

    def tell(self, event: str) -> None:
        """Let it happen to the telling of an alarm."""
        self.memory.telling = TELLING[self.memory.telling][event]


@dataclass(slots=True, eq=False)
class ZonePart:
    """A zone in its partition. `group` are the zones whose activity confirms its alarm (cross-zone), `confirms` those
    whose alarm it confirms in turn."""

    spec: Zone
    memory: ZoneMemory
    partition: PartitionPart
    label: str
    kind: str
    noun: str
    by_mode: bool
    modes: frozenset[str]
    responses: dict[str, str]
    group: list[ZonePart] = field(default_factory=list)
    confirms: list[ZonePart] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its name in the document."""
        return self.spec.id

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.spec.title

    @property
    def response(self) -> str:
        """The answer to its becoming active now."""
        memory = self.partition.memory
        if self.by_mode and memory.mode not in self.modes:
            return "rest"
        return self.responses[memory.state]

    def entry_for(self, mode: str) -> int:
        """Its entry delay in this mode (µs): its own, or its partition's."""
        own = self.spec.entry_delay
        delay = None if own is None else own.get(mode, own.get(""))
        return self.partition.spec.entry_for(mode) if delay is None else delay

    @property
    def expected(self) -> bool:
        """Whether somebody relies on it now: were it active, something should follow."""
        return self.response in ("alarm", "enter", "join", "switch")

    @property
    def left_out(self) -> str:
        """Why it does not count although its partition is armed; "" when it does."""
        memory = self.memory
        if memory.isolated is not None:
            return f"isolated by {memory.isolated.by}: {memory.isolated.reason}"
        if memory.bypassed is not None:
            return f"bypassed by {memory.bypassed.by}: {memory.bypassed.reason}"
        if memory.shut:
            return f"shut down after {memory.rings} alarms"
        return ""


@dataclass(slots=True, eq=False)
class Means:
    """What the parts of the panel work with."""

    place: Place
    timers: Timers
    outputs: Outputs
    casebook: Casebook


def parts(site: Site, memory: PanelMemory) -> tuple[dict[str, PartitionPart], dict[str, ZonePart]]:
    """All of a site, in the order of the document."""
    partitions = {
        spec.id: PartitionPart(
            spec, memory.partitions.setdefault(spec.id, PartitionMemory()), label=f"partition {spec.id}"
        )
        for spec in site.partitions
    }
    types = {device.id: device.type for device in site.devices}
    zones: dict[str, ZonePart] = {}
    for spec in site.zones:
        partition = partitions[spec.partition]
        zones[spec.id] = zone = ZonePart(
            spec,
            memory.zones.setdefault(spec.id, ZoneMemory()),
            partition,
            label=f"zone {spec.id}",
            kind=kind_of(spec.type),
            noun="open" if types.get(spec.device) == "contact" else "active",
            by_mode=spec.type in ARMED_TYPES,
            modes=frozenset(mode for mode in MODES if spec.counts_in(mode)),  # it may be armed in one it has no more
            responses=RESPONSES[spec.type],
        )
        partition.zones.append(zone)
    for zone in zones.values():
        if zone.spec.cross is not None:
            zone.group = [zone, *(zones[each] for each in zone.spec.cross.zones)]
            for member in zone.group:
                member.confirms.append(zone)
    for partition in partitions.values():
        partition.owners = [partitions[owner] for owner in partition.spec.owners]
        for owner in partition.owners:
            owner.common.append(partition)
    return partitions, zones
