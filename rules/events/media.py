"""Recordings: a clip is a manifest that grows by these; the bytes are blobs named by their SHA-256."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from rules.events.base import Event, Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOpened(Event):
    """A recording began to be kept. `start` and `mark` are on the camera's timeline (µs): where the clip starts exactly
    and where its cause lies; `pre` and `post` (µs) are what was asked for; `trigger` is the cause's wall time."""

    kind: ClassVar[str] = "clip.opened"
    lane: ClassVar[Lane | None] = "P2"
    clip: str
    incident: str
    camera: str
    trigger: int
    pre: int
    post: int
    start: int
    mark: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentAdded(Event):
    """The clip grew. `init` and `sha256` name blobs; `start` and `duration` (µs) are its place on the camera's
    timeline; a new `part` begins when `init` changes; `wall_start` is its first frame's wall time."""

    kind: ClassVar[str] = "segment.added"
    lane: ClassVar[Lane | None] = "P2"
    clip: str
    camera: str
    n: int
    part: int
    init: str
    init_bytes: int
    sha256: str
    bytes: int
    start: int
    duration: int
    wall_start: int
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSealed(Event):
    """The clip is complete: `segments` of them, ending at `end` on the camera's timeline, for this reason."""

    kind: ClassVar[str] = "clip.sealed"
    lane: ClassVar[Lane | None] = "P2"
    clip: str
    camera: str
    end: int
    segments: int
    reason: Literal["complete", "camera_lost", "worker_lost", "disk_full", "no_footage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StillTaken(Event):
    """One picture (image/jpeg) of `taken` (wall µs), kept as blob `sha256`."""

    kind: ClassVar[str] = "still.taken"
    lane: ClassVar[Lane | None] = "P2"
    still: str
    incident: str
    camera: str
    sha256: str
    bytes: int
    taken: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FootageGap(Event):
    """Time without footage of a camera: `since` and `until` as wall µs, with its cause."""

    kind: ClassVar[str] = "footage.gap"
    lane: ClassVar[Lane | None] = "P2"
    camera: str
    since: int
    until: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRefused(Event):
    """The media worker could not keep what was asked for; `what` is clip or still."""

    kind: ClassVar[str] = "media.refused"
    what: Literal["clip", "still"]
    subject: str
    camera: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPictures(Event):
    """A strip of a clip's key pictures (image/jpeg, side by side, oldest first), kept as blob `sha256`: it is outside
    before the clip is. `taken` are their wall times (µs)."""

    kind: ClassVar[str] = "key.pictures"
    lane: ClassVar[Lane | None] = "P2"
    clip: str
    incident: str
    camera: str
    sha256: str
    bytes: int
    taken: list[int]
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaEvicted(Event):
    """Footage of an incident left the gateway's disk as the retention says; `held_by` are the outlets that hold a
    copy."""

    kind: ClassVar[str] = "media.evicted"
    lane: ClassVar[Lane | None] = "P2"
    incident: str
    blobs: int
    bytes: int
    reason: Literal["age", "space"]
    held_by: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaHeld(Event):
    """A person put the footage of an incident on hold: it is never deleted until released."""

    kind: ClassVar[str] = "media.held"
    incident: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaReleased(Event):
    """A hold was ended: the footage of the incident follows the retention again."""

    kind: ClassVar[str] = "media.released"
    incident: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageLow(Event):
    """Room for about `days` more days of video, at the rate of the last days; `free` bytes may still be used."""

    kind: ClassVar[str] = "storage.low"
    days: int
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageFull(Event):
    """Only footage that must not be deleted is left (`waiting` bytes no relay has yet, `held` bytes on hold): new clips
    are refused, stills and everything else go on."""

    kind: ClassVar[str] = "storage.full"
    waiting: int
    held: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageAmple(Event):
    """There is room for footage again."""

    kind: ClassVar[str] = "storage.ample"
    days: int | None
    free: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOutside(Event):
    """An outlet that keeps a copy holds this much of an incident, `after` µs from its opening: its record, a still, its
    key pictures, the time before the alarm, or all of it."""

    kind: ClassVar[str] = "evidence.outside"
    outlet: str
    incident: str
    what: Literal["record", "still", "pictures", "pre_roll", "clip"]
    after: int
