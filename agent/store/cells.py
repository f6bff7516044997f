"""What stands in one page of a SQLite file, read without SQLite: records of table and index pages.

After "Database File Format" of sqlite.org. Whatever does not fit is `Unreadable`: a page here may be anything.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

Value = int | float | str | bytes | None

INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE = 2, 5, 10, 13
_LONGEST = 64 << 20  # bytes of one record; the largest we write are snapshots
_WIDTH = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8, 7: 8}


class Unreadable(Exception):
    """These bytes are not what they should be."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of a page: its key (0 in an index), the page below it (0: none), and its record, None where it has
    none. `unreadable` ones have only their place."""

    key: int
    child: int
    values: tuple[Value, ...] | None


@dataclass(frozen=True, slots=True)
class Page:
    """A page as read: its kind, its cells, how many of them could not be read, and its last child (0: none)."""

    kind: int
    cells: tuple[Cell, ...]
    spoilt: int
    last: int


def read_page(data: bytes, *, first: bool, overflow: Callable[[int], bytes]) -> Page:
    """A page of a tree; `first` is page 1, which begins with the file's header. `overflow` fetches further pages of a
    long record. Unreadable when it is no page of a tree."""
    start = 100 if first else 0
    kind = data[start]
    if kind not in (INTERIOR_INDEX, INTERIOR_TABLE, LEAF_INDEX, LEAF_TABLE):
        raise Unreadable("no page of a tree")
    interior = kind in (INTERIOR_INDEX, INTERIOR_TABLE)
    head = 12 if interior else 8
    (count,) = struct.unpack_from(">H", data, start + 3)
    pointers = start + head
    if pointers + 2 * count > len(data):
        raise Unreadable("more entries than fit")
    last = struct.unpack_from(">I", data, start + 8)[0] if interior else 0
    cells: list[Cell] = []
    spoilt = 0
    for n in range(count):
        (place,) = struct.unpack_from(">H", data, pointers + 2 * n)
        try:
            if place < pointers + 2 * count:
                raise Unreadable("an entry among the pointers")
            cells.append(_cell(data, place, kind, overflow))
        except (Unreadable, IndexError, struct.error, UnicodeDecodeError, OverflowError):
            spoilt += 1
    return Page(kind, tuple(cells), spoilt, int(last))


def _cell(data: bytes, at: int, kind: int, overflow: Callable[[int], bytes]) -> Cell:
    child = 0
    if kind in (INTERIOR_INDEX, INTERIOR_TABLE):
        (child,) = struct.unpack_from(">I", data, at)
        at += 4
    if kind == INTERIOR_TABLE:
        key, _ = _varint(data, at)
        return Cell(key, child, None)
    size, at = _varint(data, at)
    if not 0 < size <= _LONGEST:
        raise Unreadable("a record of no possible size")
    key = 0
    if kind == LEAF_TABLE:
        key, at = _varint(data, at)
    return Cell(key, child, record(_payload(data, at, size, kind, overflow)))


def _payload(data: bytes, at: int, size: int, kind: int, overflow: Callable[[int], bytes]) -> bytes:
    """The bytes of a record, those on further pages included."""
    usable = len(data)
    most = usable - 35 if kind == LEAF_TABLE else (usable - 12) * 64 // 255 - 23
    if size <= most:
        found = data[at : at + size]
        if len(found) != size:
            raise Unreadable("a record that leaves its page")
        return found
    least = (usable - 12) * 32 // 255 - 23
    here = least + (size - least) % (usable - 4)
    if here > most:
        here = least
    parts = [data[at : at + here]]
    (page,) = struct.unpack_from(">I", data, at + here)
    left = size - here
    while left > 0:
        if page == 0:
            raise Unreadable("a record without its end")
        more = overflow(page)
        (page,) = struct.unpack_from(">I", more, 0)
        parts.append(more[4 : 4 + left])
        left -= len(parts[-1])
    return b"".join(parts)


def record(payload: bytes) -> tuple[Value, ...]:
    """The values of a record. Written out in one loop: a rescue reads millions of them."""
    head, at = _varint(payload, 0)
    whole = len(payload)
    if not 0 < head <= whole:
        raise Unreadable("a record whose head is longer than itself")
    values: list[Value] = []
    body = head
    while at < head:
        serial = payload[at]
        at += 1
        if serial >= 0x80:
            serial, at = _varint(payload, at - 1)
        if serial >= 12:
            end = body + (serial - 12 >> 1)
            if end > whole:
                raise Unreadable("a value that leaves its record")
            piece = payload[body:end]
            values.append(piece.decode() if serial & 1 else piece)
            body = end
        elif serial == 0:
            values.append(None)
        elif serial in (8, 9):
            values.append(serial - 8)
        else:
            width = _WIDTH.get(serial)
            if width is None or body + width > whole:
                raise Unreadable("a value of no kind, or one that leaves its record")
            piece = payload[body : body + width]
            body += width
            values.append(
                float(struct.unpack(">d", piece)[0]) if serial == 7 else int.from_bytes(piece, "big", signed=True)
            )
    if at != head or body != whole:
        raise Unreadable("a record that does not end where it should")
    return tuple(values)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0x80:
        return first, at + 1
    value = 0
    for n in range(8):
        byte = data[at + n]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + n + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) if value >= 1 << 63 else value, at + 9
