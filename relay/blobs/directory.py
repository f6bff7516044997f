"""Blobs as files, `ab/cd/<sha256>`, whole or not there at all.

A relay that keeps copies has one such tree per tenant. The relay on the box reads the agent's own tree, which belongs
to its one gateway, and never writes. Paths are made from checked hex digits and a checked tenant, never from other
text.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from certs import private
from relay.errors import RelayError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class BadName(RelayError):
    """Not a SHA-256 in 64 lower-case hex digits, or not a tenant."""


class ReadOnly(RelayError):
    """This relay keeps no copy."""


class DiskFull(RelayError):
    """There is no room for another blob."""

    permanent = False


def is_sha256(text: str) -> bool:
    return _SHA256.fullmatch(text) is not None


class BlobDirectory:
    """`find` a blob's path, `size` of one, `keep` a finished file under its name."""

    def __init__(self, *, root: Path, read_only: bool, floor: int) -> None:
        self.root = root
        self.read_only = read_only
        self.floor = floor

    @property
    def uploads(self) -> Path:
        """Where unfinished uploads lie; no tenant can be called so."""
        return self.root / ".uploads"

    def path(self, tenant: str, sha256: str) -> Path:
        """Where the blob is or would be. BadName for anything that is not a digest or a tenant."""
        if not is_sha256(sha256):
            raise BadName("a blob is named by its SHA-256 in 64 lower-case hex digits")
        if not _TENANT.fullmatch(tenant) or ".." in tenant:
            raise BadName("that is not the name of a tenant")
        tree = self.root if self.read_only else self.root / tenant
        return tree / sha256[:2] / sha256[2:4] / sha256

    def find(self, tenant: str, sha256: str) -> Path | None:
        """The blob's path when it is here whole, else None."""
        path = self.path(tenant, sha256)
        return path if path.is_file() else None

    def size(self, tenant: str, sha256: str) -> int | None:
        """The blob's size in bytes when it is here whole, else None."""
        try:
            return self.path(tenant, sha256).stat().st_size
        except FileNotFoundError:
            return None

    def check_room(self, wanted: int) -> None:
        """Raises DiskFull when `wanted` more bytes would leave less than the floor, ReadOnly when nothing is kept."""
        self.check_writable()
        statistics = os.statvfs(self.root)
        free = statistics.f_bavail * statistics.f_frsize
        if free - wanted < self.floor:
            raise DiskFull(f"{free} bytes are free, {wanted} more would leave less than the floor of {self.floor}")

    def check_writable(self) -> None:
        if self.read_only:
            raise ReadOnly("this relay keeps no copy: it reads the gateway's own media")

    def prepare(self) -> None:
        """Make the folders; with read_only nothing is touched."""
        if not self.read_only:
            self.uploads.mkdir(parents=True, exist_ok=True, mode=0o750)

    def keep(self, tenant: str, sha256: str, finished: Path) -> None:
        """Give a finished file (same file system, digest checked) its name, durably. Blocking: run it in a thread."""
        self.check_writable()
        path = self.path(tenant, sha256)
        with finished.open("rb") as file:
            os.fsync(file.fileno())
        made = _folders(path.parent)
        finished.chmod(0o440)
        os.rename(finished, path)
        for folder in (path.parent, *made):
            private.sync_directory(folder)


def _folders(folder: Path) -> list[Path]:
    """Make a folder; returns the parents whose listing changed, for fsync."""
    changed = []
    missing = folder
    while not missing.exists():
        changed.append(missing.parent)
        missing = missing.parent
    folder.mkdir(parents=True, exist_ok=True, mode=0o750)
    return changed
