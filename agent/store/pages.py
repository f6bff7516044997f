"""A damaged SQLite file and its write-ahead log, page by page, without SQLite, which would stop at the first error.

Theory of operation. A page is what the newest readable frame of the WAL says, else what the file says. Each frame's
checksum goes on from the one before it; where one is damaged the chain is taken up again from what the next one says,
so one bad frame costs one page and not all that was written after it. Trees are walked from their roots; leaves that no
tree leads to any more (their parent is damaged) are looked at as well.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from agent.store.cells import INTERIOR_INDEX, INTERIOR_TABLE, LEAF_TABLE, Cell, Page, Unreadable, Value, read_page

MAGIC = b"SQLite format 3\x00"
PAGE_SIZE = 4096  # of the files we make
_FRAME = 24


class Pages:
    """Open with `open`, close with `close`. OSError when the files cannot be read at all."""

    def __init__(self, *, path: Path, wal: Path | None = None) -> None:
        self._path = path
        self._wal_path = wal
        self.page_size = PAGE_SIZE
        self.frames_lost = 0
        self._overlay: dict[int, bytes] = {}

    def open(self) -> Self:
        """Read the header and the WAL."""
        self._file = self._path.open("rb")
        head = self._file.read(100)
        self.header_good = head[:16] == MAGIC and len(head) == 100
        if self.header_good and struct.unpack_from(">H", head, 16)[0] != PAGE_SIZE:
            size = struct.unpack_from(">H", head, 16)[0]
            if size >= 512 and size & (size - 1) == 0 and self._path.stat().st_size % size == 0:
                self.page_size = size
        self.count = self._path.stat().st_size // self.page_size
        if self._wal_path is not None and self._wal_path.exists():
            self._read_wal(self._wal_path.read_bytes())
        self.count = max([self.count, *self._overlay])
        return self

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def page(self, number: int) -> bytes:
        """The bytes of a page. Unreadable when there are none."""
        if number in self._overlay:
            return self._overlay[number]
        if not 1 <= number <= self.count:
            raise Unreadable(f"page {number} does not exist")
        try:
            self._file.seek((number - 1) * self.page_size)
            data = self._file.read(self.page_size)
        except OSError as error:  # a sector that the disk gives no more
            raise Unreadable(f"page {number}: {error.strerror}") from None
        if len(data) != self.page_size:
            raise Unreadable(f"page {number} is cut off")
        return data

    def user_version(self) -> int | None:
        """The schema's number, None when page 1 does not say."""
        try:
            head = self.page(1)
        except Unreadable:
            return None
        return int(struct.unpack_from(">I", head, 60)[0]) if head[:16] == MAGIC else None

    def tables(self) -> dict[str, tuple[int, str]]:
        """Root page and SQL of every table that the schema names, as far as it can be read."""
        found: dict[str, tuple[int, str]] = {}
        for cell in self.walk(1, set()):
            values = cell.values
            if values is not None and len(values) == 5 and values[0] == "table":
                name, root, sql = values[1], values[3], values[4]
                if isinstance(name, str) and isinstance(root, int) and isinstance(sql, str):
                    found[name] = (root, sql)
        return found

    def walk(self, root: int, seen: set[int]) -> Iterator[Cell]:
        """Every record of a tree, as far as it can be read; `seen` gets its pages."""
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in seen or number < 1:
                continue
            seen.add(number)
            try:
                page = self._parse(number)
            except Unreadable:
                continue
            for cell in page.cells:
                if cell.values is not None:
                    yield cell
            if page.kind in (INTERIOR_INDEX, INTERIOR_TABLE):
                waiting += [page.last, *(cell.child for cell in reversed(page.cells))]

    def strays(self, seen: set[int]) -> Iterator[Cell]:
        """Every record of table leaves that are not in `seen`."""
        for number in range(1, self.count + 1):
            if number in seen:
                continue
            try:
                if self.page(number)[100 if number == 1 else 0] == LEAF_TABLE:
                    yield from self._parse(number).cells
            except Unreadable:
                continue

    def _parse(self, number: int) -> Page:
        visited = 0

        def overflow(further: int) -> bytes:
            nonlocal visited
            visited += 1
            if visited > self.count * 300:  # records of one page, each with its chain: a loop
                raise Unreadable("a record without an end")
            return self.page(further)

        return read_page(self.page(number), first=number == 1, overflow=overflow)

    def _read_wal(self, data: bytes) -> None:
        frames, header_good = list(_frames(data, self.page_size)), _header_good(data, self.page_size)
        good = [n for n, frame in enumerate(frames) if frame.good]
        commits = [n for n in good if frames[n].commit]
        bad = [n for n, frame in enumerate(frames) if not frame.good]
        # A commit that was followed by another one had reached the disk: a bad frame before it was good once.
        proof = commits[-1] if commits and commits[-1] < good[-1] else commits[-2] if len(commits) > 1 else -1
        self.frames_lost = sum(n < proof for n in bad) + (not header_good and bool(commits))
        # Otherwise what follows the last commit was never acknowledged; here the commit itself may be the bad one.
        last = (good[-1] if good else -1) if bad else (commits[-1] if commits else -1)
        for n in good:
            if n <= last:
                self._overlay[frames[n].page] = frames[n].body


@dataclass(frozen=True, slots=True)
class _WalFrame:
    page: int
    commit: bool
    body: bytes
    good: bool


def _header_good(data: bytes, page_size: int) -> bool:
    if len(data) < 32:
        return True  # nothing was written yet
    magic, _, size, _, _, _, *sums = struct.unpack_from(">8I", data, 0)
    order = "big" if magic & 1 else "little"
    return magic & ~1 == 0x377F0682 and size == page_size and _checksum(data[:24], (0, 0), order) == tuple(sums)


def _frames(data: bytes, page_size: int) -> Iterator[_WalFrame]:
    """The frames of this run of the WAL, the damaged ones included."""
    size = _FRAME + page_size
    if len(data) < 32 + size:
        return
    magic, _, _, _, salt1, salt2, *seed = struct.unpack_from(">8I", data, 0)
    order = "big" if magic & 1 else "little"
    if not _header_good(data, page_size):
        order = sys.byteorder
        salt1, salt2 = struct.unpack_from(">2I", data, 32 + 8)
    sums = (seed[0], seed[1])
    for at in range(32, len(data) - size + 1, size):
        number, commit, one, two, *stored = struct.unpack_from(">6I", data, at)
        same_run = (one, two) == (salt1, salt2)
        if not same_run and not _plausible(data, at + size, salt1, salt2, size):
            return  # what an earlier run left
        body = data[at + _FRAME : at + size]
        fits = _checksum(data[at : at + 8] + body, sums, order) == tuple(stored)
        yield _WalFrame(number, commit != 0, body, same_run and fits and 1 <= number < 1 << 31)
        sums = (stored[0], stored[1])


def _plausible(data: bytes, at: int, salt1: int, salt2: int, size: int) -> bool:
    """Whether the next frame is of the same run of the WAL: then this one's head was damaged."""
    return at + size <= len(data) and struct.unpack_from(">2I", data, at + 8) == (salt1, salt2)


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    words = array("I", data)
    if order != sys.byteorder:
        words.byteswap()
    one, two = sums
    for n in range(0, len(words), 2):
        one = (one + words[n] + two) & 0xFFFFFFFF
        two = (two + words[n + 1] + one) & 0xFFFFFFFF
    return one, two


__all__ = ["MAGIC", "Cell", "Pages", "Unreadable", "Value"]
