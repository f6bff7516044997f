"""Deleting on the core's order, and saying what is there. What this process has just kept, or told and not seen
confirmed, is needed whatever the order says."""

from __future__ import annotations

from collections.abc import Collection

import structlog

from agent.failpoints import reach
from agent.video.blobs import BlobStore
from agent.video.errors import StorageError
from agent.video.messages import (
    Evict,
    Evicted,
    File,
    Files,
    ListFiles,
    Manifest,
    PicturesTaken,
    SegmentAdded,
    StillTaken,
)

log = structlog.get_logger()

PAGE = 2000
"""Blobs in one list."""


def named(told: Collection[Manifest]) -> set[str]:
    """The blobs that these manifests name."""
    found: set[str] = set()
    for message in told:
        match message:
            case SegmentAdded(init=init, sha256=sha256):
                found |= {init, sha256}
            case StillTaken(sha256=sha256) | PicturesTaken(sha256=sha256):
                found.add(sha256)
    return found


def evict(store: BlobStore, order: Evict, *, needed: set[str]) -> Evicted:
    """Carry the order out. Blocking. What the disk does not let go of counts as kept."""
    gone: list[str] = []
    kept: list[str] = []
    for sha256 in order.blobs:
        try:
            removed = sha256 not in needed and store.remove(sha256)
        except StorageError as error:
            log.warning("media.not_deleted", reason=str(error))
            removed = False
        (gone if removed else kept).append(sha256)
    reach("evict.after_unlink")
    return Evicted(batch=order.batch, gone=tuple(gone), kept=tuple(kept))


def files(store: BlobStore, request: ListFiles) -> Files | None:
    """A page of what is on the disk. Blocking; None when the disk cannot be read now."""
    try:
        found, until = store.listed(after=request.after, most=PAGE)
    except StorageError as error:
        log.warning("media.not_listed", reason=str(error))
        return None
    pages = tuple(File(sha256=blob.sha256, bytes=blob.bytes) for blob in found)
    return Files(after=request.after, until=until, files=pages)
