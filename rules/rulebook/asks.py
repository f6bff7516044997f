"""The conditions rules ask for most, as methods of small objects.

A closure drags its cells and its code's defaults through the processor's cache; with ten thousand rules that is what an
event costs. A method of an object with three slots touches a third of it, and holds the same answer.
"""

from __future__ import annotations

from rules.events import Event
from rules.rulebook.memory import RuleMemory
from rules.state import State


class DeviceIs:
    """The device's state is this word."""

    __slots__ = ("device", "state", "word")

    def __init__(self, state: State, device: str, word: str) -> None:
        self.state = state
        self.device = device
        self.word = word

    def holds(self, event: Event) -> bool:
        """Whether it is."""
        return self.state.devices.get(self.device, "unknown") == self.word

    def fails(self, event: Event) -> bool:
        """Whether it is not."""
        return self.state.devices.get(self.device, "unknown") != self.word


class Recently:
    """An event the engine remembers by (kind, subject) came within this time before now."""

    __slots__ = ("key", "state", "within")

    def __init__(self, state: State, key: str, within: int) -> None:
        self.state = state
        self.key = key
        self.within = within

    def holds(self, event: Event) -> bool:
        """Whether it did; the edge counts."""
        last = self.state.last_seen.get(self.key)
        return last is not None and event.gt - last <= self.within

    def fails(self, event: Event) -> bool:
        """Whether it did not."""
        last = self.state.last_seen.get(self.key)
        return last is None or event.gt - last > self.within


class RecentlySeen:
    """An event the rules remember by what they ask for came within this time before now."""

    __slots__ = ("memory", "slot", "within")

    def __init__(self, memory: RuleMemory, slot: str, within: int) -> None:
        self.memory = memory
        self.slot = slot
        self.within = within

    def holds(self, event: Event) -> bool:
        """Whether it did; the edge counts."""
        last = self.memory.seen.get(self.slot)
        return last is not None and event.gt - last <= self.within
