"""A camera's timeline: µs that only ever grow, whatever the camera's clock, the network or a restart does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from agent.video.access_unit import MICROSECONDS, AccessUnit
from agent.video.files import write_durably

JUMP = 10 * MICROSECONDS
"""A camera whose own time runs ahead of ours by this much between two pictures has set its clock."""
WINDOW = 60 * MICROSECONDS
"""How long the smallest delay seen counts, so that a camera's slow drift is followed."""
RESERVED = 600 * MICROSECONDS
"""How far ahead of now the worker reserves timeline, so that its successor surely begins later."""


class Timeline:
    """Places a stream's pictures. Within a connection footage keeps the camera's own, exact spacing; a new
    connection, or a camera clock that was set, is a jump forward by the boot time that passed.

    The smallest `arrival - place` of the last minute tells what boot time a place belongs to: network and camera can
    delay a picture, but never hasten it.
    """

    def __init__(self, *, base: int) -> None:
        self._shift: int | None = None
        self._last: AccessUnit | None = None
        self._end = 0
        self._lag = -base
        self._recent: int | None = None
        self._older: int | None = None
        self._window_began = 0

    def interrupted(self) -> None:
        """The connection ended: the next picture starts a new stretch."""
        self._shift = None

    def place(self, unit: AccessUnit) -> tuple[AccessUnit, bool]:
        """The unit with its times on the timeline, and whether a new stretch begins with it."""
        fresh = self._shift is None or self._jumped(unit)
        if self._shift is None or fresh:
            self._shift = max(unit.arrival - self._lag, self._end) - unit.dts
            self._recent = self._older = None
        self._last = unit
        placed = replace(unit, pts=unit.pts + self._shift, dts=unit.dts + self._shift)
        self._end = max(self._end, placed.dts + 1)
        self._observe(unit.arrival - placed.pts, unit.arrival)
        return placed, fresh

    def at(self, boot: int) -> int:
        """The place of a moment (boot µs)."""
        return boot - self._lag

    def boot_of(self, place: int) -> int:
        """The boot time (µs) at which this place's picture arrived, or would have."""
        return place + self._lag

    def _jumped(self, unit: AccessUnit) -> bool:
        if self._last is None:
            return False
        step = unit.dts - self._last.dts
        # A burst after a stall arrives late, not early: only time running ahead, or back, is a jump.
        return step <= 0 or step - (unit.arrival - self._last.arrival) > JUMP

    def _observe(self, lag: int, now: int) -> None:
        if self._recent is None or now - self._window_began > WINDOW:
            self._older, self._recent, self._window_began = self._recent, lag, now
        self._recent = min(self._recent, lag)
        self._lag = self._recent if self._older is None else min(self._recent, self._older)


class Reservation:
    """Timeline set aside on disk, so that a restarted worker, or a rebooted machine whose boot clock begins at zero,
    continues after everything written before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._until = 0
        self.base = 0

    def load(self, *, now: int) -> None:
        """Choose `base`, what is added to boot time. A missing or unreadable file counts as a first start."""
        try:
            value = json.loads(self._path.read_bytes())
        except (OSError, ValueError):
            value = None
        reserved = value.get("reserved", 0) if isinstance(value, dict) else 0
        self._until = reserved if type(reserved) is int else 0
        self.base = max(0, self._until - now)

    def extend(self, *, now: int) -> None:
        """Reserve further when half is used. Blocking; StorageError when it cannot be written."""
        if now + self.base + RESERVED // 2 < self._until:
            return
        until = now + self.base + RESERVED
        write_durably(self._path, json.dumps({"reserved": until}).encode(), mode=0o640)
        self._until = until
