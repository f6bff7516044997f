"""The latest wall time that has certainly passed: what a clock without a battery is measured against.

Three witnesses: this program was written, our own certificate was issued, and the wall clock was right when it was last
written down. The first two are facts. The third is our own memory, and a clock that was wrong then may have left a time
that is yet to come: it gives way when something better says so (see timekeeper.py).
"""

from __future__ import annotations

from dataclasses import dataclass

# 1 January 2025, wall µs: older than every release of this program, and moved on with them.
WRITTEN = 1_735_689_600_000_000
# So much (µs) below a fact a clock may be: clocks differ.
SLACK = 60_000_000
# So much (µs) below what we remember: a day back is a correction somebody made, further is a clock that lost its time.
CORRECTION = 90_000_000_000


@dataclass(slots=True)
class Floor:
    """`certain` and `remembered` are wall times (µs) that had passed when the boot-time clock read `since`. `kept_at`
    is the boot-time clock when it was written down last."""

    certain: int
    remembered: int
    since: int
    kept_at: int = 0

    @classmethod
    def start(cls, kept: str | None, *, boot: int, boot_id: str) -> Floor:
        """From what `kept` wrote down, at the boot-time clock `boot` (µs). Within one boot of the machine the time
        since then has passed as well."""
        remembered = 0
        match (kept or "").split(" "):
            case [wall, at, whose] if wall.isdecimal() and at.isdecimal():
                remembered = int(wall) + (max(0, boot - int(at)) if whose == boot_id != "unknown" else 0)
        return cls(WRITTEN, remembered, boot, kept_at=boot)

    def kept(self, boot: int, boot_id: str) -> str:
        """As it is written down."""
        return f"{self.remembered_at(boot)} {boot} {boot_id}"

    def at(self, boot: int) -> int:
        """The floor (wall µs) at a reading of the boot-time clock."""
        return max(self.certain, self.remembered) + boot - self.since

    def remembered_at(self, boot: int) -> int:
        """What our memory says of it."""
        return self.remembered + boot - self.since

    def doubts(self, wall: int, boot: int) -> bool:
        """Whether the wall clock shows a time that cannot be."""
        return self.forbids(wall, boot) or wall < self.remembered_at(boot) - CORRECTION

    def certain_at(self, boot: int) -> int:
        """What the facts alone say of it."""
        return self.certain + boot - self.since

    def forbids(self, wall: int, boot: int) -> bool:
        """Whether even the facts say so, whatever our memory says."""
        return wall < self.certain_at(boot) - SLACK

    def issued(self, wall: int) -> None:
        """A certificate of ours was issued at this wall time."""
        self.certain = max(self.certain, wall)

    def remember(self, wall: int, boot: int) -> None:
        """The wall clock can be believed now: later than we remembered, or earlier."""
        self.remembered = wall - (boot - self.since)
