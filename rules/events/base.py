"""What every event has: identity, times, provenance, and the lane it travels in.

Times are integers in microseconds: `wall` since the Unix epoch in UTC, `gt` on the gateway's own clock, which never
runs backwards. `lane` is where the fact travels (None: it stays in the gateway's log).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

Lane = Literal["P0", "P1", "P2", "P4"]
Clock = Literal["synced", "unsynced"]
# How a device's message reached us. Only `live` is an edge with all its consequences: `retained` is state the broker
# kept, `redelivered` came again after we may have acted (pulses withheld), `late` is overtaken by a newer message.
Delivery = Literal["live", "retained", "redelivered", "late"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event has: identity, both times, how far the wall clock can be trusted, and what caused it."""

    kind: ClassVar[str]
    lane: ClassVar[Lane | None] = "P1"
    subject_field: ClassVar[str] = ""

    id: str
    gt: int
    wall: int
    clock: Clock = "synced"
    cause: str | None = None

    @property
    def about(self) -> str:
        """What it is about, as rules select it: the value of `subject_field`; "" when it is about the gateway."""
        return str(getattr(self, self.subject_field)) if self.subject_field else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceEvent(Event):
    """A fact told by one device of the site document. `n` is the device's own message counter, where it has one."""

    subject_field: ClassVar[str] = "device"

    device: str
    delivery: Delivery = "live"
    n: int | None = None

    @property
    def about(self) -> str:
        """The device; asked of every message, so without looking up which field it is."""
        return self.device


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeEvent(Event):
    """A fact the engine made of others: rules may listen to it, a replay makes it anew, and it is never stepped."""
