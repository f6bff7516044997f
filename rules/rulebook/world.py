"""What is so now: devices, zones, partitions, doors, readings, as conditions ask for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rules.access.bolt import LET_GO
from rules.document.condition import Reading
from rules.panel.panel import Panel
from rules.state import State

if TYPE_CHECKING:
    from rules.document.site import Site

# What may be said of a zone beside the condition of its input.
_ASIDE = ("bypassed", "isolated", "alarmed", "tampered", "troubled")
Ask = Callable[[], str]


class World:
    """Reads the engine's memory; changes nothing."""

    def __init__(self, *, site: Site, state: State, panel: Panel) -> None:
        self._state = state
        self._panel = panel
        self._types = {device.id: device.type for device in site.devices}
        self._zones = {zone.id: zone.device for zone in site.zones}
        self._doors = {door.id: door for door in site.doors}

    def ask(self, field: str, name: str) -> Ask:
        """How to read the state of this device, zone, partition or door, as often as one likes."""
        if field == "device":
            state = self._state
            return lambda: state.devices.get(name, "unknown")
        if field == "partition":
            panel = self._panel
            return lambda: panel.mode(name)
        return (lambda: self._zone(name)) if field == "zone" else (lambda: self._door(name))

    def test(self, field: str, name: str, word: str) -> Callable[[], bool]:
        """Whether it is so: the state itself, or a word that stands for several."""
        if field == "zone":
            return lambda: self._zone_is(name, word)
        if field == "door":
            return lambda: self._door_is(name, word)
        ask = self.ask(field, name)
        if field == "partition" and word == "armed":
            return lambda: ask() != "disarmed"
        return lambda: ask() == word

    def reading(self, reading: Reading) -> str:
        """The key of the reading in the rules' memory: `kind device`. Left open, it is what the device is there for."""
        return f"reading.{reading.of or self._types.get(reading.device, '')} {reading.device}"

    def devices_of(self, field: str, name: str) -> list[str]:
        """Whose messages may change the state of this zone or door (or device)."""
        if field == "device":
            return [name]
        if field == "zone":
            return [self._zones[name]] if name in self._zones else []
        door = self._doors.get(name)
        return [door.contact] if door is not None and door.contact else []

    def _zone(self, name: str) -> str:
        zone = self._state.panel.zones.get(name)
        if zone is None:
            return "unknown"
        aside = [word for word in _ASIDE if self._zone_is(name, word)]
        return ", ".join([zone.condition or "unknown", *aside])

    def _zone_is(self, name: str, word: str) -> bool:
        zone = self._state.panel.zones.get(name)
        if zone is None:
            return word == "unknown"
        match word:
            case "bypassed":
                return zone.bypassed is not None
            case "isolated":
                return zone.isolated is not None
            case "alarmed":
                return zone.alarmed
            case "tampered":
                return zone.tampered
            case "troubled":
                return bool(zone.troubles)
            case _:
                return (zone.condition or "unknown") == word

    def _door(self, name: str) -> str:
        door = self._state.access.doors.get(name)
        return "unknown" if door is None else f"{door.leaf}, {'unlocked' if door.bolt in LET_GO else 'locked'}"

    def _door_is(self, name: str, word: str) -> bool:
        door = self._state.access.doors.get(name)
        leaf, bolt = ("unknown", "locked") if door is None else (door.leaf, door.bolt)
        match word:
            case "open":
                return leaf not in ("closed", "unknown")
            case "unlocked":
                return bolt in LET_GO
            case "locked":
                return bolt not in LET_GO
            case _:
                return leaf == word
