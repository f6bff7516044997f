"""Private files and directories that survive a power cut: mode 0600 and 0700 whatever the umask, fsynced."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def make_directory(path: Path) -> None:
    """Creates one directory, 0700. Raises FileExistsError."""
    os.mkdir(path, 0o700)
    os.chmod(path, 0o700)
    sync_directory(path.parent)


def make_directories(path: Path) -> None:
    """Creates `path`, 0700, and what is missing above it. What exists already keeps its mode."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        with contextlib.suppress(FileExistsError):  # made by another process meanwhile: just as good
            make_directory(directory)


def write_new(path: Path, content: bytes) -> None:
    """Writes a file that does not exist yet, 0600, and waits for the disk. Raises FileExistsError."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with open(handle, "wb") as file:
        os.fchmod(handle, 0o600)  # the umask may have taken bits away; it can never have added any
        file.write(content)
        file.flush()
        os.fsync(handle)


def sync_directory(path: Path) -> None:
    """Makes names created, renamed or removed in `path` survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
