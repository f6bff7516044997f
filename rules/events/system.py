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
    last stop was orderly, `doubted` is true when the wall clock shows a time that cannot be."""

    kind: ClassVar[str] = "boot"
    software: str
    epoch: str
    off_time: int | None
    clean: bool
    doubted: bool | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSuspect(Event):
    """The check of the log's file complained; writing goes on, and a backup should be made now."""

    kind: ClassVar[str] = "store.suspect"
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSound(Event):
    """The check of the log's file found nothing wrong any more."""

    kind: ClassVar[str] = "store.sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRecovered(Event):
    """The log's file was damaged: `rows` of it were rescued, `missing` records are known to be lost (None: nobody
    knows), and the damaged file is kept as `kept`."""

    kind: ClassVar[str] = "store.recovered"
    reason: str
    rows: int
    missing: int | None
    kept: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRefilled(Event):
    """Records that were lost here came back from an outlet that keeps a copy; `missing` are still lost."""

    kind: ClassVar[str] = "store.refilled"
    outlet: str
    rows: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BallastReleased(Event):
    """The disk was full: the reserve of `bytes` was given up so that the log can be written and cleaned up."""

    kind: ClassVar[str] = "ballast.released"
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BallastRestored(Event):
    """There is room again, and the reserve of `bytes` is set aside again."""

    kind: ClassVar[str] = "ballast.restored"
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPruned(Event):
    """Records of lane `of` left the log as the retention says: `count` of them, from `since` to `until` (both seq);
    `unsent` of them no outlet had acknowledged."""

    kind: ClassVar[str] = "log.pruned"
    of: str
    since: int
    until: int
    count: int
    unsent: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochBegan(Event):
    """The log goes on under a new epoch that replaces `supersedes`, because a copy of it had gone another way."""

    kind: ClassVar[str] = "epoch.began"
    epoch: str
    supersedes: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletSilent(Event):
    """An outlet that keeps a copy has taken nothing for `days`: recordings wait for it and fill the disk. Ends with
    `outlet.restored` or `outlet.retired`."""

    kind: ClassVar[str] = "outlet.silent"
    outlet: str
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletRetired(Event):
    """An outlet was taken out of service by a person: `records` and `blobs` wait for it no longer."""

    kind: ClassVar[str] = "outlet.retired"
    outlet: str
    who: str
    records: int
    blobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLow(Event):
    """An outlet will have used its data budget before the month is over: `used` of `budget` bytes, at this rate until
    `runs_out` (wall µs)."""

    kind: ClassVar[str] = "budget.low"
    outlet: str
    used: int
    budget: int
    runs_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetSpent(Event):
    """An outlet has used its data budget: recordings wait for the next month, incidents and their stills go on."""

    kind: ClassVar[str] = "budget.spent"
    outlet: str
    used: int
    budget: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetAmple(Event):
    """An outlet's data budget lasts again."""

    kind: ClassVar[str] = "budget.ample"
    outlet: str
    used: int
    budget: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleWritten(Event):
    """What waits for an outlet without a network was written as a file to be carried: `name`, its SHA-256, and how much
    is in it."""

    kind: ClassVar[str] = "bundle.written"
    outlet: str
    name: str
    sha256: str
    records: int
    blobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleReceived(Event):
    """The receipt of a bundle came back: the relay holds what was in it."""

    kind: ClassVar[str] = "bundle.received"
    outlet: str
    name: str
    records: int
    blobs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDoubted(Event):
    """The wall clock shows a time that cannot be: earlier than `floor` (wall µs), which has certainly passed. Facts are
    dated from the floor on until it is right."""

    kind: ClassVar[str] = "clock.doubted"
    floor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockTrusted(Event):
    """The wall clock shows a possible time again."""

    kind: ClassVar[str] = "clock.trusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockDrifted(Event):
    """The wall clock runs away from the time of an outlet: `offset` µs must be added to ours (negative: it is fast).
    Nothing that was written is changed."""

    kind: ClassVar[str] = "clock.drifted"
    outlet: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockAgreed(Event):
    """The wall clock agrees with the time of an outlet again."""

    kind: ClassVar[str] = "clock.agreed"
    outlet: str
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFlooding(Event):
    """A device sends more than it may (`per_second` messages): the surplus is counted, not decided. Alarms of others
    are not held up by it."""

    kind: ClassVar[str] = "device.flooding"
    device: str
    per_second: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceCalm(Event):
    """A device that flooded is within bounds again; `dropped` messages were not decided."""

    kind: ClassVar[str] = "device.calm"
    device: str
    dropped: int
