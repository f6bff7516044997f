"""A small reserve on the media disk: when nothing else fits any more, it is given up so that stills still do."""

from __future__ import annotations

import os
from pathlib import Path

MOST = 16 << 20
"""About a hundred stills with their key pictures."""
SHARE = 100
"""Of a small disk this part at most."""
AMPLE = 4
"""How many times its size must be free before it is set aside again."""


class Reserve:
    """The file `reserve` below `root`. All methods block; what the disk refuses is no trouble of its own."""

    def __init__(self, root: Path) -> None:
        self._path = root / "reserve"

    def set_aside(self) -> bool:
        """Take the room, if there is plenty; True when it was taken now."""
        try:
            if self._path.exists():
                return False
            room = os.statvfs(self._path.parent)
            size = min(MOST, room.f_blocks * room.f_frsize // SHARE)
            if size <= 0 or room.f_bavail * room.f_frsize < AMPLE * size:
                return False
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)
        except OSError:
            self.give_up()
            return False
        return True

    def give_up(self) -> bool:
        """Free the room; True when there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
