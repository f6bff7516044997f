"""How full the media disk is, and how much must go: by bytes, by files, and by the limit of the configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Something that fills: how much of it there is, and how much is used."""

    capacity: int
    used: int

    def above(self, percent: int) -> int:
        """How much is used beyond this share; negative when there is room up to it."""
        return self.used - self.capacity * percent // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The levels that count. `limit` is what footage may use at most, with what it uses; `files` is None where the file
    system makes inodes as it needs them."""

    disk: Level
    files: Level | None = None
    limit: Level | None = None

    @property
    def levels(self) -> list[Level]:
        """All of them."""
        return [level for level in (self.disk, self.limit, self.files) if level is not None]

    def reaches(self, percent: int) -> bool:
        """Whether any of them is filled to this share."""
        return any(level.capacity > 0 and level.above(percent) >= 0 for level in self.levels)

    def bytes_above(self, percent: int) -> int:
        """Bytes that have to go for every level to come down to this share; negative: bytes that may still come."""
        return max(level.above(percent) for level in (self.disk, self.limit) if level is not None)

    def files_above(self, percent: int) -> int:
        """The same for files; 0 where they are not counted."""
        return self.files.above(percent) if self.files is not None else 0


def measure(path: Path, *, footage: int, limit: int | None) -> Room:
    """Ask the file system that holds `path`; `footage` bytes of it are ours. OSError when it does not answer. Blocking.
    What is kept back for root counts as used, as it cannot be had."""
    found = os.statvfs(path)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    disk = Level(capacity=used + found.f_bavail * found.f_frsize, used=used)
    taken = found.f_files - found.f_ffree
    files = Level(capacity=taken + found.f_favail, used=taken) if found.f_files else None
    return Room(disk=disk, files=files, limit=None if limit is None else Level(capacity=limit, used=footage))
