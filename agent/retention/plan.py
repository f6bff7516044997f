"""What may be deleted, and in which order. Pure: rows in, decisions out; the table is in README.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from agent.store.footage_rows import Piece

Reason = Literal["age", "space"]


class Class(Enum):
    """What kind of footage it is; only the last may be deleted."""

    HELD = "legal hold"
    UNSYNCED = "unsynced incident media"
    GROWING = "still being kept"
    SYNCED = "synced incident media"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """The footage of one incident. `newest` is the gateway time (µs) at which the last of it was kept."""

    incident: str
    newest: int
    held: bool
    unsynced: bool
    growing: bool
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What is missing: bytes and files to make room for, and the gateway time before which footage is too old."""

    bytes: int
    files: int
    older_than: int

    @property
    def room(self) -> bool:
        """Whether anything has to go for want of room."""
        return self.bytes > 0 or self.files > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Eviction:
    """The footage of one incident goes, for this reason. `shas` are the blobs nobody else needs, `bytes` their size."""

    incident: str
    reason: Reason
    shas: tuple[str, ...]
    bytes: int


def classify(holding: Holding) -> Class:
    """The class decides before the age: a hold beats everything, and nothing goes before it is safe elsewhere."""
    if holding.held:
        return Class.HELD
    if holding.unsynced:
        return Class.UNSYNCED
    return Class.GROWING if holding.growing else Class.SYNCED


def may_go(holding: Holding) -> bool:
    """Whether its class allows to delete it at all."""
    return classify(holding) is Class.SYNCED


def plan(holdings: Iterable[Holding], need: Need) -> list[Eviction]:
    """What goes now, oldest first: all that is too old, then as much as makes the room that is needed. The footage of
    an incident goes as a whole, so that no clip is left with a hole; a blob that another incident needs stays."""
    evictions: list[Eviction] = []
    gone: set[str] = set()
    bytes_left, files_left = need.bytes, need.files
    for holding in sorted(holdings, key=lambda one: (one.newest, one.incident)):
        aged = holding.newest <= need.older_than
        if not may_go(holding) or not (aged or bytes_left > 0 or files_left > 0):
            continue
        gone.add(holding.incident)
        going = _unneeded(holding.pieces, gone)
        freed = sum(piece.bytes for piece in going)
        bytes_left -= freed
        files_left -= len(going)
        evictions.append(
            Eviction(
                incident=holding.incident,
                reason="age" if aged else "space",
                shas=tuple(piece.sha256 for piece in going),
                bytes=freed,
            )
        )
    return evictions


def _unneeded(pieces: Sequence[Piece], gone: set[str]) -> list[Piece]:
    return [piece for piece in pieces if piece.others <= gone]
