"""Days of video left: at the rate of the last week, for how long there is room."""

from __future__ import annotations

from dataclasses import dataclass

from agent.retention.room import Room
from rules.units import DAY

WEEK = 7 * DAY
SHORTEST = DAY
"""A figure from less history than this (µs) would be a guess, and a trouble made of it a false one."""
MOST = 3650
"""More days than this are as good as any number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is told of the media disk. `free` bytes may still be used: room, and footage that may be deleted to make it.
    `days` is None while nothing can be said: too little history, or nothing recorded in a week."""

    days: int | None
    free: int
    used: int
    waiting: int
    held: int


def figures(
    room: Room, *, high: int, used: int, stuck: int, waiting: int, held: int, came: int, history: int
) -> Figures:
    """`used` bytes of footage, of which `stuck` may not be deleted; `came` of them in the last `history` µs."""
    free = max(0, -room.bytes_above(high) + max(0, used - stuck))
    span = min(history, WEEK)
    days = None
    if span >= SHORTEST and came > 0:
        days = min(MOST, free * span // (came * DAY))
    # What two incidents share is counted for both.
    return Figures(days=days, free=free, used=used, waiting=min(waiting, used), held=min(held, used))
