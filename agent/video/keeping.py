"""Keeping what is small and must not be refused: stills and key pictures, from the reserve if need be."""

from __future__ import annotations

import structlog

from agent.video.blobs import Blob, BlobStore
from agent.video.errors import StorageError
from agent.video.reserve import Reserve

log = structlog.get_logger()


class Keeping:
    """Puts pictures into the store; a full disk costs the reserve first."""

    def __init__(self, *, store: BlobStore, reserve: Reserve) -> None:
        self._store = store
        self._reserve = reserve

    def put(self, data: bytes) -> Blob:
        """Keep these bytes. Blocking; StorageError when the disk refuses and there is no reserve left."""
        try:
            return self._store.put(data)
        except StorageError as error:
            if not error.full or not self._reserve.give_up():
                raise
        log.warning("media.reserve_given_up")
        return self._store.put(data)
