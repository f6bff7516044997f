"""The ballast: room set aside beside the log, so that a full disk cannot also block the clean-up.

Theory of operation. SQLite needs room to delete as well as to write. So a file of real blocks lies beside the log. When
there is hardly any room left, or a commit finds none, the file goes and the log lives on in its place: long enough for
old rows to be pruned and for a person to make room. It is set aside again as soon as there is twice its size. While it
is gone and half of it is used up again, readings are no longer written: alarms come first.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_SHARE_LEFT = 8  # of its size: with less than an eighth free it is given up
_LEAST = 1 << 20  # bytes that must be free before readings are written again where no ballast is kept
_SHARE_SMALL = 8  # a disk that is small beside the ballast: an eighth of it counts as plenty
_SHARE_SHORT = 2  # with less than half of its size free, and it gone, readings are not written


class Ballast:
    """`size` in bytes; 0: none is kept. `short` says that readings may not be written for want of room."""

    def __init__(self, *, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self.short = False
        self.untold = 0  # bytes given up that nobody has been told about
        self.missed = False  # its release was told, its return not yet

    @property
    def held(self) -> int:
        """Bytes that are set aside now."""
        try:
            return self._path.stat().st_blocks * 512
        except OSError:
            return 0

    def _room(self) -> tuple[int, int] | None:
        """Bytes free on the log's file system, and all it has; None when that cannot be asked."""
        try:
            room = os.statvfs(self._path.parent)
        except OSError:
            return None
        return room.f_bavail * room.f_frsize, room.f_blocks * room.f_frsize

    def release(self) -> int:
        """Give it up; the bytes that are free now because of it, 0 when there was nothing to give up."""
        freed = self.held
        try:
            self._path.unlink()
        except OSError:
            return 0
        self.untold += freed
        return freed

    def release_if_needed(self) -> int:
        """Give it up when hardly anything else is left."""
        room = self._room()
        return self.release() if room is not None and room[0] < self._size // _SHARE_LEFT else 0

    def set_aside(self) -> int:
        """Take the room back when there is plenty; the bytes that are set aside by it, 0 when nothing was done. It may
        take a moment where a file system has to write zeros."""
        room = self._room()
        if self._size == 0:  # the configuration wants none any more
            with suppress(OSError):
                self._path.unlink()
            return 0
        if room is None or self.held >= self._size or room[0] + self.held < 2 * self._size:
            return 0
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            return 0
        try:
            os.posix_fallocate(descriptor, 0, self._size)
        except OSError:  # somebody else was faster
            with suppress(OSError):
                self._path.unlink()
            return 0
        finally:
            os.close(descriptor)
        return self._size

    def look(self) -> None:
        """Whether readings may be written again, or must not be any more."""
        room = self._room()
        if room is None:
            return
        free, whole = room
        enough = min(max(self._size, _LEAST), whole // _SHARE_SMALL)
        if self.held:
            self.short = False
        elif self.short:
            self.short = free < enough
        else:
            self.short = self._size > 0 and free < enough // _SHARE_SHORT
