"""What the alarm core and the media worker say to each other. Times in µs: `wall` since the epoch, `boot` on
CLOCK_BOOTTIME, `start`, `mark` and `end` on the camera's own timeline (see README.md). Manifest messages carry the
fields of the log's events of the same name, so the core adds only an identity and its own times."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """One camera as the core configures it; `url` has no user in it, `ring_seconds` is the footage kept in memory."""

    id: str
    name: str
    url: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ring_seconds: int = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Configure:
    """All cameras of the site and where blobs go. Replaces what was configured before."""

    type: ClassVar[str] = "configure"
    cameras: tuple[Camera, ...]
    media_dir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveClip:
    """Keep footage around a moment. The same `clip` again is answered by its manifest so far, never by a second clip;
    after `deadline_boot` the request is refused instead."""

    type: ClassVar[str] = "save_clip"
    clip: str
    incident: str
    camera: str
    trigger_boot: int
    trigger_wall: int
    pre: int
    post: int
    deadline_boot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStill:
    """Keep the picture nearest to a moment."""

    type: ClassVar[str] = "take_still"
    still: str
    incident: str
    camera: str
    trigger_boot: int
    trigger_wall: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The core has committed all that the worker told about `subject` (see `subject_of`): it may be forgotten."""

    type: ClassVar[str] = "stored"
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClips:
    """Whether new clips are taken; if not, each is refused with this sentence. Stills are always taken."""

    type: ClassVar[str] = "new_clips"
    state: Literal["taken", "refused"]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict:
    """Delete these blobs. Asked again until answered; what is not there counts as deleted."""

    type: ClassVar[str] = "evict"
    batch: str
    blobs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFiles:
    """Which blobs are on the disk, in the order of their names, beyond the name `after` (empty: from the first)?"""

    type: ClassVar[str] = "list_files"
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Are you there?"""

    type: ClassVar[str] = "ping"
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The worker's first message on every connection."""

    type: ClassVar[str] = "hello"
    pid: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraState:
    """A camera delivers pictures, or does not and why (a sentence for a person; empty when live)."""

    type: ClassVar[str] = "camera"
    camera: str
    state: Literal["live", "lost"]
    reason: str
    wall: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOpened:
    """A recording begins to be kept; `width` and `height` are 0 while no picture was ever seen."""

    type: ClassVar[str] = "clip_opened"
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
class SegmentAdded:
    """The clip grew by segment `n`; both blobs it names are on disk."""

    type: ClassVar[str] = "segment_added"
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


SealReason = Literal["complete", "camera_lost", "worker_lost", "disk_full", "no_footage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSealed:
    """The clip will not grow any more."""

    type: ClassVar[str] = "clip_sealed"
    clip: str
    camera: str
    end: int
    segments: int
    reason: SealReason


@dataclass(frozen=True, slots=True, kw_only=True)
class StillTaken:
    """One picture (image/jpeg) of `taken` (wall) is on disk."""

    type: ClassVar[str] = "still_taken"
    still: str
    incident: str
    camera: str
    sha256: str
    bytes: int
    taken: int
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesTaken:
    """A strip of key pictures up to a clip's cause (image/jpeg, side by side, oldest first) is on disk; `taken` are
    their wall times."""

    type: ClassVar[str] = "pictures_taken"
    clip: str
    incident: str
    camera: str
    sha256: str
    bytes: int
    taken: tuple[int, ...]
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Time without footage of a camera, from and to as wall time, with its cause."""

    type: ClassVar[str] = "gap"
    camera: str
    since: int
    until: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """What was asked for cannot be had; `subject` is the clip's or still's id."""

    type: ClassVar[str] = "refused"
    what: Literal["clip", "still"]
    subject: str
    camera: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evicted:
    """What became of an order to delete: blobs that are not there any more, and those that were needed again."""

    type: ClassVar[str] = "evicted"
    batch: str
    gone: tuple[str, ...]
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A blob on disk as it was found."""

    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Every blob on the disk beyond the name `after` and up to `until`; an empty `until` is the end of the disk."""

    type: ClassVar[str] = "files"
    after: str
    until: str
    files: tuple[File, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pong:
    """I am here."""

    type: ClassVar[str] = "pong"
    n: int


ToWorker = Configure | SaveClip | TakeStill | Stored | NewClips | Evict | ListFiles | Ping
Manifest = ClipOpened | SegmentAdded | ClipSealed | StillTaken | PicturesTaken | Gap
FromWorker = Hello | CameraState | Manifest | Refused | Evicted | Files | Pong
Message = ToWorker | FromWorker


def subject_of(message: Manifest) -> str:
    """What a manifest message is about: the unit in which the worker repeats it until the core says `stored`."""
    match message:
        case StillTaken(still=still):
            return still
        case PicturesTaken(clip=clip):
            return f"pictures {clip}"
        case Gap(camera=camera, since=since):
            return f"gap {camera} {since}"
        case _:
            return message.clip


def completes(message: Manifest) -> bool:
    """Whether nothing more will be told about this message's subject."""
    return isinstance(message, ClipSealed | StillTaken | PicturesTaken | Gap)
