"""The index of issued certificates: `issued.jsonl` in the CA directory, one JSON object a line, fsynced.

A line is written before its certificate leaves the signer, so nothing signed is ever unknown. A line without its
newline is what a power cut left: its certificate was never handed out, and the next entry replaces it.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from certs.errors import AuthorityError, KeystoreBusy
from certs.private import sync_directory

NAME = "issued.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One issued certificate. Moments are RFC 3339 in UTC; `serial` and `sha256` are lower-case hex."""

    serial: str
    kind: str
    names: tuple[str, ...]
    not_before: str
    not_after: str
    sha256: str


def append(directory: Path, entry: Entry) -> None:
    """Adds one entry durably. Raises KeystoreBusy while another process writes, OSError when the disk refuses."""
    line = json.dumps(asdict(entry), separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
    path = directory / NAME
    new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise KeystoreBusy(f"{path} is being written by another process; try again") from None
        os.fchmod(handle, 0o600)
        end = _whole_length(handle)
        os.ftruncate(handle, end)
        os.lseek(handle, end, os.SEEK_SET)
        while line:
            line = line[os.write(handle, line) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        sync_directory(directory)


def read(directory: Path) -> list[Entry]:
    """All entries, oldest first; none when nothing was issued. Raises AuthorityError on a damaged line."""
    path = directory / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    entries: list[Entry] = []
    for number, line in enumerate(data[: data.rfind(b"\n") + 1].splitlines(), start=1):
        try:
            fields = json.loads(line)
            fields["names"] = tuple(fields["names"])
            entries.append(Entry(**fields))
        except (ValueError, TypeError, KeyError):
            raise AuthorityError(
                f"{path}:{number}: this line is not an entry of the index; restore the file from a backup"
            ) from None
    return entries


def _whole_length(handle: int) -> int:
    """The length up to and including the last newline."""
    position = os.lseek(handle, 0, os.SEEK_END)
    while position > 0:
        start = max(0, position - 65536)
        found = os.pread(handle, position - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        position = start
    return 0
