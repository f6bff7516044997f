"""A second opinion on which alarms are due: kept from the facts alone, without a look at the engine's memory.

It knows less than the engine and says so: a zone in doubt (inputs still settle, its past is not known, another zone has
to confirm it) is never one that must ring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from rules.actions import Action, Note
from rules.events import Boot, DeviceEvent, Event
from rules.incidents import Entry
from rules.inputs import condition
from tests.unit.kernel_worlds import SECOND, World

ALWAYS = {"24h", "hold_up", "fire", "co", "water", "technical"}
# Facts that take a zone out of what must ring, and those that bring it back.
OUT = {"zone.bypassed", "zone.isolated", "zone.shut_down", "zone.on_test"}
BACK = {"zone.unbypassed": "zone.bypassed", "zone.unisolated": "zone.isolated", "zone.off_test": "zone.on_test"}
SETTLED = 60 * SECOND


class Stepped(Protocol):
    """One fact and what followed."""

    @property
    def fact(self) -> Event | Entry:
        """What happened."""

    @property
    def actions(self) -> Sequence[Action]:
        """What followed."""


def facts(actions: Sequence[Action]) -> list[Event]:
    """What the engine wrote down."""
    return [action.event for action in actions if isinstance(action, Note)]


class Ledger:
    """Follows a history fact by fact: `activated` and `must_ring` before `take`."""

    def __init__(self, world: World) -> None:
        self._zones = {zone["id"]: zone for zone in world.zones}
        self._by_device: dict[str, list[str]] = {}
        for zone in world.zones:
            self._by_device.setdefault(zone["device"], []).append(zone["id"])
        self._said: dict[str, str] = {}  # what a device last said of itself, live
        self._out: dict[str, set[str]] = {zone: set() for zone in self._zones}
        self._armed: dict[str, str] = {}
        self._started: int | None = None
        self._known: set[str] = set()  # devices heard since the last start
        self._alarmed: set[str] = set()

    def activated(self, fact: Event | Entry) -> list[str]:
        """The zones whose input becomes active by this message, as far as one can tell from outside."""
        if not isinstance(fact, DeviceEvent) or fact.delivery != "live" or condition(fact) != "active":
            return []
        return [] if self._said.get(fact.device) == "active" else self._by_device.get(fact.device, [])

    def must_ring(self, zone: str, fact: Event | Entry) -> bool:
        """Whether nothing that is known from outside speaks against an alarm of this zone now."""
        assert isinstance(fact, DeviceEvent)
        spec = self._zones[zone]
        settling = self._started is not None and fact.gt - self._started <= SETTLED
        if self._out[zone] or zone in self._alarmed or settling or "cross" in spec:
            return False
        if self._said.get(fact.device) != "normal" or fact.device not in self._known:
            return False
        if spec["type"] in ALWAYS:
            return True
        mode = self._armed.get(spec["partition"])
        modes = spec.get("modes", ["away", "stay", "night"])
        return spec["type"] == "perimeter" and mode is not None and mode in modes

    def facts_of(self, step: Stepped, zone: str) -> list[str]:
        """The kinds of facts that name the zone."""
        return [fact.kind for fact in facts(step.actions) if getattr(fact, "zone", None) == zone]

    def take(self, step: Stepped) -> None:
        """What this step changed."""
        fact = step.fact
        if isinstance(fact, Boot):
            self._started = fact.gt
            self._known.clear()
        elif isinstance(fact, DeviceEvent):
            now = condition(fact)
            if now is not None and fact.delivery != "late":
                self._said[fact.device] = now
                self._known.add(fact.device)
        for made in facts(step.actions):
            self._note(made)

    def _note(self, fact: Event) -> None:
        zone, partition = getattr(fact, "zone", None), getattr(fact, "partition", "")
        if fact.kind in OUT and zone:
            self._out[zone].add(fact.kind)
        elif fact.kind in BACK and zone:
            self._out[zone].discard(BACK[fact.kind])
        elif fact.kind == "zone.alarmed" and zone:
            self._alarmed.add(zone)
        elif fact.kind == "zone.restored" and zone:
            self._alarmed.discard(zone)
        elif fact.kind == "partition.armed":
            self._armed[partition] = str(getattr(fact, "mode", ""))
        elif fact.kind == "partition.disarmed":
            self._armed.pop(partition, None)
            for name, spec in self._zones.items():
                if spec["partition"] == partition:
                    self._out[name] -= {"zone.shut_down", "zone.bypassed"}
