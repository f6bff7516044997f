"""Power cuts: an ext4 disk in a file on btrfs, cloned (FICLONE) at an instant while programs write to it. The clone is
what a disk holds that lost its power then: what was not yet written back is missing, what was fsynced is there.

It does not show torn sectors or a disk that lies about flushing; `tear` spoils the end of a file by hand.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

_FICLONE = 0x40049409
_SECTOR = 512


def possible() -> bool:
    """Whether this machine and user can do all of it; tried with a small image."""
    return os.geteuid() == 0 and Path("/dev/loop-control").exists() and "btrfs" in _file_systems()


def _file_systems() -> str:
    with contextlib.suppress(OSError):
        subprocess.run(["modprobe", "btrfs"], check=False, capture_output=True)
    return Path("/proc/filesystems").read_text()


@dataclass(frozen=True, slots=True)
class Disk:
    """`path` is where it is mounted and written to; `cut()` gives the path of a clone, mounted, as it was just now."""

    path: Path
    image: Path
    after: Path

    @contextmanager
    def cut(self) -> Iterator[Path]:
        clone = self.image.with_name("cut.img")
        with self.image.open("rb") as source, clone.open("wb") as target:
            fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
        try:
            _do("mount", "-o", "loop", str(clone), str(self.after))
            try:
                yield self.after
            finally:
                _unmount(self.after)
        finally:
            clone.unlink()


@contextmanager
def disk(folder: Path, *, megabytes: int = 192) -> Iterator[Disk]:
    """A disk whose power can be cut, mounted below `folder` and gone afterwards."""
    base, made = folder / "btrfs", Disk(folder / "disk", folder / "btrfs" / "disk.img", folder / "after")
    for path in (base, made.path, made.after):
        path.mkdir(parents=True)
    with ExitStack() as stack:
        outer = folder / "btrfs.img"
        # Each clone shares what did not change; a long run rewrites the journal many times over.
        _sparse(outer, max(512, megabytes * 8))
        stack.callback(outer.unlink)
        _do("mkfs.btrfs", "-q", str(outer))
        _do("mount", "-o", "loop", str(outer), str(base))
        stack.callback(_unmount, base)
        _sparse(made.image, megabytes)
        _do("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(made.image))
        _do("mount", "-o", "loop", str(made.image), str(made.path))
        stack.callback(_unmount, made.path)
        yield made


def _sparse(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        file.truncate(megabytes << 20)


def _unmount(path: Path) -> None:
    """Take it away. A loop device lets go a moment after its last user, and a copy of our mounts in another name space
    (`ip netns exec` makes one) holds it for as long as that lives: then it is only hidden here."""
    for _ in range(50):
        with contextlib.suppress(RuntimeError):
            _do("umount", str(path))
            return
        time.sleep(0.1)
    _do("umount", "-l", str(path))


def _do(*words: str) -> None:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
    done = subprocess.run(words, check=False, capture_output=True, text=True, env={**os.environ, "PATH": path})
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")


def settle(path: Path) -> None:
    """Let everything written so far reach the disk that `path` is on."""
    _do("sync", "-f", str(path))


def tear(path: Path, chance: random.Random) -> int:
    """Spoil the end of a file as a write that was under way might leave it: its last bytes are cut off, are zero, are
    of something else, or one bit differs. Returns how many bytes may differ."""
    size = path.stat().st_size
    width = min(size, chance.choice((1, 7, _SECTOR, 4096, 4120, 3 * _SECTOR)))
    with path.open("r+b") as file:
        kind = chance.randrange(4)
        if kind == 0:
            file.truncate(size - width)
            return width
        file.seek(size - width)
        old = file.read(width)
        if kind == 1:
            new = bytes(width)
        elif kind == 2:
            new = chance.randbytes(width)
        else:
            place = chance.randrange(width)
            new = old[:place] + bytes([old[place] ^ (1 << chance.randrange(8))]) + old[place + 1 :]
        file.seek(size - width)
        file.write(new)
    return width
