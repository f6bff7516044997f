"""Several files read as one: which bytes of which file answer a byte range."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One file and its size in bytes."""

    file: Path
    size: int


def etag(names: Iterable[str]) -> str:
    """A strong tag for content-addressed files in this order."""
    return f'"{hashlib.sha256(chr(10).join(names).encode()).hexdigest()}"'


def parse_range(text: str, total: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None when it cannot be satisfied. Several ranges at once are answered
    with the whole, which is allowed."""
    if "," in text:
        return (0, total - 1) if total else None
    match = _RANGE.fullmatch(text.strip())
    if match is None or not any(match.groups()):
        return None
    begin, end = match.groups()
    if not begin:
        count = min(int(end), total)
        return (total - count, total - 1) if count else None
    first, last = int(begin), min(int(end), total - 1) if end else total - 1
    return (first, last) if first <= last else None


def pieces(spans: Iterable[Span], first: int, last: int) -> Iterator[tuple[Path, int, int]]:
    """File, offset and count of each stretch between two bytes of the whole, both included."""
    start = 0
    for span in spans:
        low, high = max(first, start), min(last, start + span.size - 1)
        if low <= high:
            yield span.file, low - start, high - low + 1
        start += span.size
