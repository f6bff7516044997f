"""What the gateway knows of itself: start, clock, store, disk, and what it can reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rules.events.base import Event, Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLost(Event):
    """The media worker is not there: nothing is recorded."""

    kind: ClassVar[str] = "media.lost"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRestored(Event):
    """The media worker is back."""

    kind: ClassVar[str] = "media.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerLost(Event):
    """The MQTT broker cannot be reached: its sensors are unheard and its outputs cannot be commanded."""

    kind: ClassVar[str] = "broker.lost"
    broker: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerRestored(Event):
    """The broker answers again; `session_kept` says whether it kept what sensors sent meanwhile."""

    kind: ClassVar[str] = "broker.restored"
    broker: str
    session_kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreFailed(Event):
    """The log cannot be written; decisions go on from memory."""

    kind: ClassVar[str] = "store.failed"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRestored(Event):
    """The log is written again; `journalled` events waited in memory, `acked_before_durable` of them were already
    acknowledged to their device."""

    kind: ClassVar[str] = "store.restored"
    journalled: int
    acked_before_durable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogGap(Event):
    """Facts that may be missing from the log: `count` of them, None when nobody can know."""

    kind: ClassVar[str] = "log.gap"
    count: int | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFailed(Event):
    """A fault of the program: a fact could not be decided and was put aside (`fact` is its id, `told` its kind, `of`
    what it was about), or a deadline that had passed was given up (`timer` is its key). Everything else went on."""

    kind: ClassVar[str] = "engine.failed"
    reason: str
    fact: str | None = None
    told: str | None = None
    of: str | None = None
    timer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletLost(Event):
    """A follower of the log outside (a relay) cannot be reached; what is meant for it waits."""

    kind: ClassVar[str] = "outlet.lost"
    outlet: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletRestored(Event):
    """The outlet answers again."""

    kind: ClassVar[str] = "outlet.restored"
    outlet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletRefused(Event):
    """An outlet answered that our records do not continue its own; nothing is overwritten."""

    kind: ClassVar[str] = "outlet.refused"
    outlet: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobLost(Event):
    """A recording that the log names is missing or damaged on our disk, so it cannot be handed on."""

    kind: ClassVar[str] = "blob.lost"
    sha256: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFull(Event):
    """Too little room on the file system that holds `path`; `free` in bytes."""

    kind: ClassVar[str] = "disk.full"
    path: str
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskRestored(Event):
    """There is room again; `free` in bytes."""

    kind: ClassVar[str] = "disk.restored"
    path: str
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot(Event):
    """The agent started. `off_time` (µs) is None when no clock can say how long it was off; `clean` is whether the
    last stop was orderly."""

    kind: ClassVar[str] = "boot"
    software: str
    epoch: str
    off_time: int | None
    clean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockStepped(Event):
    """The wall clock jumped by `step` µs against the boot-time clock."""

    kind: ClassVar[str] = "clock.stepped"
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePassed(Event):
    """Gateway time reached a moment the engine asked to be woken at."""

    kind: ClassVar[str] = "time.passed"
    lane: ClassVar[Lane | None] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteApplied(Event):
    """A version of the site document came into force."""

    kind: ClassVar[str] = "site.applied"
    version: int
    sha256: str
    who: str
    why: str
