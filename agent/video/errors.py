"""What can go wrong with footage. `permanent` says that trying again cannot help."""

from __future__ import annotations


class VideoError(Exception):
    """Root of this package's errors."""

    permanent = False


class LinkError(VideoError):
    """The other end of the media link said something outside the message set; the text never quotes content."""


class AddressError(VideoError):
    """A camera's configured address cannot be used; the text never quotes the address's user or password."""

    permanent = True


class CameraError(VideoError):
    """The camera does not deliver; the text is for a person, `slow` asks for a longer pause before the next try."""

    def __init__(self, reason: str, *, slow: bool = False) -> None:
        self.slow = slow
        super().__init__(reason)


class PictureError(VideoError):
    """An access unit that should hold a whole picture cannot be decoded."""


class StorageError(VideoError):
    """A blob or a journal could not be written; `full` says that the file system has no room (ENOSPC, EDQUOT)."""

    def __init__(self, reason: str, *, full: bool) -> None:
        self.full = full
        super().__init__(reason)


class WorkerError(VideoError):
    """The worker cannot go on as it is and must be started anew."""
