"""Files that are either whole and durable or not there."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from agent.failpoints import reach
from agent.video.errors import StorageError

DIRECTORY_MODE = 0o2750


def storage_error(error: OSError, what: str) -> StorageError:
    """The same trouble in words, without the file's name."""
    if full := error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"no room left on the media disk for {what}", full=full)
    return StorageError(f"the media disk does not take {what}: {error.strerror}", full=full)


def make_directory(path: Path) -> None:
    """The directory and its missing parents, readable by the group that parents belong to."""
    if path.is_dir():
        return
    make_directory(path.parent)
    try:
        path.mkdir()
    except FileExistsError:
        # Another thread was faster; anything but a directory in its place is the caller's trouble.
        if not path.is_dir():
            raise
        return
    # mkdir's own mode passes through the umask and never sets the set-group-id bit.
    path.chmod(DIRECTORY_MODE)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, data: bytes, *, mode: int, scratch: Path | None = None) -> None:
    """Write aside (in `scratch`, same file system), fsync, rename into place, fsync the directory. Blocking;
    StorageError when the file system refuses, and nothing half-written stays behind."""
    aside = (scratch or path.parent) / f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        make_directory(path.parent)
        try:
            with aside.open("xb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            reach("clip.after_write_before_name")
            aside.rename(path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        sync_directory(path.parent)
        reach("clip.after_name_before_row")
    except OSError as error:
        raise storage_error(error, "a file") from error
